# SPDX-License-Identifier: Apache-2.0
"""The chain of audit records: each is hashed with the one before, and the head is anchored outside.

A record is canonical JSON, so that the same event has the same bytes everywhere. The hash of
record n is SHA-256 of the hash of record n - 1 and the record. A chain alone does not show that
all of it was rewritten, or that its tail is gone: the head is therefore signed and appended to an
anchor file outside the database before anyone gets an answer.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radioligand.service.keys import Keys, is_signed

GENESIS = "0" * 64  # stands where the hash before the first record would


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain: the last record's number and hash, and what was allocated so far."""

    number: int
    hash: str
    allocations: int
    era: int  # restores that were reconciled so far


def canonical(value: Mapping[str, Any]) -> str:
    """Write plain data as JSON with sorted keys and no blanks; NaN is refused."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def chained(previous: str, record: str) -> str:
    """Hash of a record that follows the record with hash `previous`."""
    return hashlib.sha256(previous.encode() + record.encode()).hexdigest()


def anchor_line(head: Head, *, trial: str, at: str, keys: Keys) -> str:
    """One signed line of the anchor file."""
    told = {"trial": trial, "at": at, "number": head.number, "hash": head.hash}
    told |= {"allocations": head.allocations, "era": head.era}
    return canonical(told | {"signature": keys.sign(canonical(told).encode())})


def write_anchor(path: Path, line: str) -> None:
    """Append a line to the anchor file and wait until the disk has it.

    The line goes out in one write and starts anew even after a line that a full disk cut short.
    """
    data = f"\n{line}\n".encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(handle, data) != len(data):
            raise OSError(f"{path}: the anchor could not be written whole")
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What an anchor file holds: signed heads in their order, and how many lines are none."""

    heads: tuple[Head, ...]
    unsigned: int  # lines that are whole but not signed by this ledger's key for this trial
    torn: int  # lines that were cut short while being written


def read_anchors(path: Path, *, trial: str, public: str, last_bytes: int | None = None) -> Anchors:
    """Read the signed heads of an anchor file, all of them or those in its last bytes."""
    if not path.exists():
        return Anchors(heads=(), unsigned=0, torn=0)
    with path.open("rb") as file:
        if last_bytes is not None:
            file.seek(max(0, path.stat().st_size - last_bytes))
            if file.tell():
                file.readline()  # perhaps the end of a line only
        lines = [line for line in file.read().split(b"\n") if line.strip()]
    heads: list[Head] = []
    unsigned = torn = 0
    for line in lines:
        try:
            told = json.loads(line)
            signature = told.pop("signature")
            at_place = told["trial"] == trial
            head = Head(**{name: told[name] for name in ("number", "hash", "allocations", "era")})
        except (ValueError, KeyError, TypeError, AttributeError):
            torn += 1
            continue
        if at_place and is_signed(canonical(told).encode(), signature, public=public):
            heads.append(head)
        else:
            unsigned += 1
    return Anchors(heads=tuple(heads), unsigned=unsigned, torn=torn)
