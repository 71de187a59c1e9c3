# SPDX-License-Identifier: Apache-2.0
"""A random generator of our own, documented to the byte: one seed gives one list for ever.

Python promises its generator's raw numbers but not the order in which `shuffle` uses them. Here
word k of the stream (seed, purpose) is bytes 8(k mod 4) to 8(k mod 4) + 7, as a big-endian
integer, of SHA-256("radioligand list 1" 00 seed 00 purpose 00 c), with c = k div 4 in eight bytes,
big-endian, and seed and purpose in UTF-8. A number below n is a word modulo n, where words of at
least n ⌊2⁶⁴ / n⌋ are passed over, so that all n are equally likely. A shuffle is Fisher and
Yates's, from the last place down: place i swaps with a number below i + 1.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count


def words(seed: str, *, purpose: str) -> Iterator[int]:
    """Yield uniform 64-bit integers without end; other purposes of one seed are independent."""
    start = b"\0".join([b"radioligand list 1", seed.encode(), purpose.encode(), b""])
    for number in count():
        digest = hashlib.sha256(start + number.to_bytes(8, "big")).digest()
        for at in range(0, 32, 8):
            yield int.from_bytes(digest[at : at + 8], "big")


def below(n: int, source: Iterator[int]) -> int:
    """Draw an integer from 0 to n - 1, each equally likely."""
    limit = (1 << 64) // n * n
    return next(word for word in source if word < limit) % n


def shuffled(items: Sequence[str], source: Iterator[int]) -> list[str]:
    """Return the items in random order, each order equally likely."""
    result = list(items)
    for i in range(len(result) - 1, 0, -1):
        j = below(i + 1, source)
        result[i], result[j] = result[j], result[i]
    return result
