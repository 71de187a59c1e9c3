# SPDX-License-Identifier: Apache-2.0
"""Documents that are like another: what they take over from it, what they change, what they leave.

`like` names the other document, `without` the tables, keys and entries that are not taken over.
Tables are merged to the bottom. Entries of a list are known by their name and merged with the entry
of that name, new ones follow; a list whose entries have no names of their own is replaced.
"""

from collections.abc import Mapping, Sequence
from typing import Any

NAMES = ("id", "name", "term", "code", "kind", "finding")  # what may tell entries of a list apart


class InheritanceError(ValueError):
    """What is not to be taken over is not there to be taken over."""


def inherit(document: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of `document` put over those of `base`.

    Raises InheritanceError that names every path of `without` that leads nowhere in `base`.
    """
    paths = document.get("without", ())
    lost = [path for path in paths if found_at(base, path) is None]
    if lost:
        raise InheritanceError(f"nothing is at {', '.join(lost)}")
    kept: Any = base
    for path in paths:
        kept = _without(kept, path.split("."))
    own = {key: value for key, value in document.items() if key not in ("like", "without")}
    merged: dict[str, Any] = _merged(kept, own)
    return merged


def found_at(document: Any, path: str) -> Any:
    """Return what stands at a path such as "eligibility.I07.holds"; None if there is nothing."""
    here = document
    for step in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(step)
        else:
            here = next((entry for name, entry in _named(here) if name == step), None)
    return here


def renamed(document: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """Return the tables with keys replaced: each key of `names` by copies under the new ones."""
    if isinstance(document, list):
        return [renamed(entry, names) for entry in document]
    if not isinstance(document, Mapping):
        return document
    return {
        new: renamed(value, names)
        for key, value in document.items()
        for new in names.get(key, [key])
    }


def _named(entries: Any) -> list[tuple[str, Any]]:
    """Entries of a list with their names; nothing if they have none, or share them."""
    if not isinstance(entries, list | tuple) or not all(isinstance(e, Mapping) for e in entries):
        return []
    for key in NAMES:
        names = [str(entry[key]) for entry in entries if key in entry]
        if len(names) == len(entries) == len(set(names)):
            return list(zip(names, entries, strict=True))
    return []


def _merged(base: Any, own: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(own, Mapping):
        changed = {key: _merged(base.get(key), value) for key, value in own.items()}
        return {**base, **changed}
    theirs, ours = _named(base), _named(own)
    if not theirs or not ours:
        return own
    changed = dict(ours)
    both = [_merged(entry, changed.pop(name, {})) for name, entry in theirs]
    return [*both, *changed.values()]


def _without(table: Any, steps: list[str]) -> Any:
    step, *further = steps
    if isinstance(table, Mapping):
        entries = dict(table)
        if further:
            entries[step] = _without(entries[step], further)
        else:
            del entries[step]
        return entries
    return [
        entry if name != step else _without(entry, further)
        for name, entry in _named(table)
        if name != step or further
    ]
