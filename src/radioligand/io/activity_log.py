# SPDX-License-Identifier: Apache-2.0
"""The log of activities recommended and given: lines are added and never changed.

Each line of JSON holds its own hash and that of the line before it, so that a line that was
changed, taken out or put in shows. A chain says nothing of its end: how many lines there are, and
the hash of the last, stand in a file beside the log, and are told so that they can be kept apart.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from radioligand.io.documents import DocumentError

BEGINNING = "0" * 64
GIVEN = ("given", "corrected")
OF_THE_LINE = ("previous", "hash", "logged", "kind", "replaces")
RESTORE = "Nothing was added. Restore log and head from their last copy."


class Head(NamedTuple):
    """The end of a log: how many lines it has, and the hash of the last."""

    lines: int
    hash: str


def head_path(path: Path) -> Path:
    """Where the head of a log stands: beside it."""
    return path.with_name(f"{path.name}.head")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log; none if there is neither log nor head yet.

    Raises DocumentError that names the first line whose hash does not fit, or says how the end of
    the log differs from its head.
    """
    head = _read_head(path)
    if not path.exists():
        if head:
            raise DocumentError(f"{path}: gone, and its head knows {head.lines} lines. {RESTORE}")
        return []
    entries: list[dict[str, Any]] = []
    previous = BEGINNING
    for place, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            entry = None
        if not isinstance(entry, dict) or entry.get("hash") != _hash(entry):
            raise DocumentError(f"{path}: line {place} does not fit its own hash. {RESTORE}")
        if entry.get("previous") != previous:
            raise DocumentError(
                f"{path}: line {place} does not follow the line before it; the log was changed. "
                f"{RESTORE}"
            )
        entries.append(entry)
        previous = entry["hash"]
    if head != Head(len(entries), previous):
        known = f"{head.lines} lines to {head.hash[:12]}" if head else "no lines, or is gone"
        raise DocumentError(
            f"{path}: it has {len(entries)} lines to {previous[:12]}, its head {head_path(path)} "
            f"knows {known}; the end was changed or a run was cut off. {RESTORE}"
        )
    return entries


def append_log(path: Path, entries: Sequence[Mapping[str, Any]]) -> Head:
    """Add what the log does not say yet; return its end.

    What was last said of a subject's cycle is not repeated. Another activity or time of a cycle
    that is logged as given is "corrected", with the hash of the line that it replaces. Raises
    DocumentError if the log was changed or cannot be written.
    """
    held = read_log(path)
    last = {_about(one): one for one in held}
    head = Head(len(held), held[-1]["hash"] if held else BEGINNING)
    lines = []
    for one in entries:
        said = last.get(_about(one))
        if said is not None and _content(said) == _content(one):
            continue
        line = {"previous": head.hash, **one}
        if said is not None and one.get("kind") in GIVEN:
            line |= {"kind": "corrected", "replaces": said["hash"]}
        line["hash"] = _hash(line)
        last[_about(one)] = line
        head = Head(head.lines + 1, line["hash"])
        lines.append(json.dumps(line, sort_keys=True, ensure_ascii=False))
    if not lines:
        return head
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        head_path(path).write_text(json.dumps(head._asdict()) + "\n", "utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: the log cannot be written: {error.strerror}.") from None
    return head


def _read_head(path: Path) -> Head | None:
    beside = head_path(path)
    if not beside.exists():
        return None
    try:
        return Head(**json.loads(beside.read_text("utf-8")))
    except (ValueError, TypeError):
        raise DocumentError(f"{beside}: this is no head of a log. {RESTORE}") from None


def _hash(entry: Mapping[str, Any]) -> str:
    """The hash of all that a line says, but for the hash itself."""
    kept = {key: value for key, value in entry.items() if key != "hash"}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _about(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Whether an entry is of what was given or recommended, and the subject and cycle."""
    return entry.get("kind") in GIVEN, entry.get("subject"), entry.get("cycle")


def _content(entry: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in entry.items() if key not in OF_THE_LINE}
    return json.dumps(kept, sort_keys=True)
