# SPDX-License-Identifier: Apache-2.0
"""Random numbers of virtual trials: each is a function of seed, trial, subject and purpose.

Nothing is carried from one number to the next, so trials may be drawn in any order, on any thread
or machine, and each can be drawn again alone. The function is Philox 4x32 with ten rounds (Salmon,
Moraes, Dror and Shaw, SC'11, doi:10.1145/2063384.2063405): the seed is its key; trial, subject and
purpose are its counter; four words of 32 bits come out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from radioligand.statistics.observations import Floats

Function = TypeVar("Function", bound=Callable[..., Any])
Words = NDArray[np.uint64]  # each holds 32 bits; rows of a bench are kept as such
Whole = NDArray[np.int64]

ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
STEP_0, STEP_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

# of a number from the bits of its binary form: those of the root of 1/2, and all before the point
ROOT_HALF, EXPONENT = np.uint64(0x3FE6A09E667F3BCD), np.uint64(0xFFF0000000000000)
MANTISSA_BITS = np.uint64(52)
ONE, TWO = np.uint64(1), np.uint64(2)
LOG_2 = 0.6931471805599453


def inlined(function: Function) -> Function:
    """Compile as a part of whoever calls, so that its loops work on several numbers at a time."""
    return cast(Function, numba.njit(inline="always", nogil=True, error_model="numpy")(function))


def lean(function: Function) -> Function:
    """Compile without counting who holds an array, which takes a sixth of a trial.

    So a function may neither make an array nor return one.
    """
    build = partial(numba.njit, nogil=True, error_model="numpy", _nrt=False)
    try:
        return cast(Function, build(function, cache=True))
    except RuntimeError:  # no folder for the code may be written to
        return cast(Function, build(function))


@inlined
def philox(
    counter: tuple[np.uint64, np.uint64, np.uint64, np.uint64], key: tuple[np.uint64, np.uint64]
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four words of a counter under a key; every word is below 2^32."""
    a, b, c, d = counter
    key_0, key_1 = key
    for _ in range(ROUNDS):
        first, second = MULTIPLIER_0 * a, MULTIPLIER_1 * c
        a, b = (second >> HALF) ^ b ^ key_0, second & LOW
        c, d = (first >> HALF) ^ d ^ key_1, first & LOW
        key_0, key_1 = (key_0 + STEP_0) & LOW, (key_1 + STEP_1) & LOW
    return a, b, c, d


@lean
def draw_words(seed: np.uint64, trial: np.uint64, purpose: np.uint64, words: Words) -> None:
    """Write four words for each subject, (4, n)."""
    key = (seed & LOW, seed >> HALF)
    low, high = trial & LOW, trial >> HALF
    for subject in range(words.shape[1]):
        a, b, c, d = philox((low, high, np.uint64(subject), purpose), key)
        words[0, subject], words[1, subject] = a, b
        words[2, subject], words[3, subject] = c, d


@lean
def exponentials(words: Words, bits: Words, power: Whole, waiting: Floats) -> None:
    """Turn words into exponential numbers of mean 1: -log((word + 1/2) / 2^32), (n,) each.

    `bits` and `power` are room to work in. The logarithm is our own, of plain arithmetic, so that
    it is the same on every machine and several are taken at a time: with x = 2^k m and m from
    root 1/2 to root 2, log m = 2 artanh((m - 1) / (m + 1)) as a series.
    """
    real = bits.view(np.float64)
    for i in range(words.size):
        real[i] = np.float64(words[i] * TWO + ONE)
    for i in range(words.size):
        above = bits[i] - ROOT_HALF
        power[i] = np.int64(above >> MANTISSA_BITS)
        bits[i] -= above & EXPONENT
    for i in range(words.size):
        f = (real[i] - 1.0) / (real[i] + 1.0)
        s = f * f
        series = 1 / 15 + s * (1 / 17 + s * (1 / 19 + s / 21))
        series = 1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s * series)))
        series = 1.0 + s * (1 / 3 + s * (1 / 5 + s * series))
        waiting[i] = (33 - power[i]) * LOG_2 - 2.0 * f * series


@lean
def mixed(number: np.uint64) -> np.uint64:
    """Return 64 bits that depend on every bit of `number`: the last step of SplitMix64.

    Steele, Lea and Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))
