# SPDX-License-Identifier: Apache-2.0
"""The log of activities recommended and given: lines are added and never changed.

Each line of JSON holds the hash of the line before it, so that a line that was changed, taken out
or put in shows.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radioligand.io.documents import DocumentError

BEGINNING = "0" * 64


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log; none if there is no such file yet.

    Raises DocumentError that names the first line whose hash does not fit the one before.
    """
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = []
    previous = BEGINNING
    for place, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            entry = {}
        if entry.get("previous") != previous:
            raise DocumentError(
                f"{path}: line {place} does not follow the line before it; the log was changed. "
                "Nothing was added. Restore the file from its last copy."
            )
        entries.append(entry)
        previous = _hash(line)
    return entries


def append_log(path: Path, entries: Sequence[Mapping[str, Any]]) -> int:
    """Add the entries that the log does not hold yet; return how many were added.

    An entry is held if one with the same content, but for its time, is there. Raises DocumentError
    if the log was changed or cannot be written.
    """
    held = read_log(path)
    known = {_content(one) for one in held}
    new = [one for one in entries if _content(one) not in known]
    if not new:
        return 0
    previous = BEGINNING
    if held:
        previous = _hash(path.read_text("utf-8").splitlines()[-1])
    lines = []
    for one in new:
        line = json.dumps({"previous": previous, **one}, sort_keys=True, ensure_ascii=False)
        lines.append(line)
        previous = _hash(line)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise DocumentError(f"{path}: the log cannot be written: {error.strerror}.") from None
    return len(new)


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8")).hexdigest()


def _content(entry: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in entry.items() if key not in ("previous", "logged")}
    return json.dumps(kept, sort_keys=True)
