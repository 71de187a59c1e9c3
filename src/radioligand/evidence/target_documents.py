# SPDX-License-Identifier: Apache-2.0
"""Documents of targets: TOML read into records, every fault told at once."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, get_args

from radioligand.evidence.contradictions import KINDS
from radioligand.evidence.measures import MEASURES
from radioligand.evidence.targets import TOKEN, Contradiction, Role, Target, Targets, TargetsError


def shipped_targets() -> tuple[str, ...]:
    """Names of the documents of targets that come with the package, sorted."""
    folder = files("radioligand") / "published" / "targets"
    return tuple(sorted(path.name.removesuffix(".toml") for path in folder.iterdir()))


def read_targets(name: str) -> Targets:
    """Read a shipped document of targets. Raises TargetsError if there is none of that name."""
    if name not in shipped_targets():
        raise TargetsError(f"{name!r}: no such targets. There are {', '.join(shipped_targets())}.")
    path = files("radioligand") / "published" / "targets" / f"{name}.toml"
    return parse_targets(tomllib.loads(path.read_text("utf-8")), name=path.name)


def parse_targets(document: Mapping[str, Any], *, name: str) -> Targets:
    """Turn the tables of a document into Targets.

    Raises TargetsError that names every unknown or missing key, unknown measure, and target named
    that is not there.
    """
    rows = document.get("targets", ())
    head = document.get("study", {})
    faults = [*_faults(head, "study", _HEAD, _HEAD)]
    faults += [f"{key}: unknown table" for key in document if key not in _TABLES]
    for place, row in enumerate(rows):
        faults += _faults(row, row.get("id", f"targets[{place}]"), _KNOWN, _NEEDED)
        faults += _wrong(row)
    for row in document.get("contradictions", ()):
        faults += _faults(row, "contradictions", ("kind", "targets"), ("kind", "targets"))
        known = {one.get("id") for one in rows}
        faults += [f"contradictions: no target {one!r}" for one in row.get("targets", ())
                   if one not in known]  # fmt: skip
        if row.get("kind") not in tuple(KINDS):
            faults.append(f"contradictions: kind {row.get('kind')!r}; there are {tuple(KINDS)}")
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise TargetsError(f"{name}: {len(faults)} to mend.\n{listed}")
    return Targets(
        **{**head, "levers": tuple(head["levers"])},
        targets=tuple(Target(**_tuples(row)) for row in rows),
        contradictions=tuple(
            Contradiction(**_tuples(row)) for row in document.get("contradictions", ())
        ),
    )


_TABLES = ("study", "targets", "contradictions")
_HEAD = ("id", "title", "protocol", "paper", "cutoff", "reviewer", "levers")
_KNOWN = tuple(Target.__dataclass_fields__)
_NEEDED = ("id", "says", "measure", "published", "place", "role", "scale")


def _faults(
    row: Mapping[str, Any], where: str, known: Sequence[str], needed: Sequence[str]
) -> Iterator[str]:
    yield from (f"{where}: unknown key {key!r}" for key in row if key not in known)
    yield from (f"{where}: {key} is missing" for key in needed if key not in row)


def _wrong(row: Mapping[str, Any]) -> Iterator[str]:
    if row.get("measure") not in MEASURES:
        yield f"{row.get('id')}: measure {row.get('measure')!r}; there are {', '.join(MEASURES)}"
    elif len(TOKEN.findall(str(row.get("published")))) != MEASURES[row["measure"]].numbers:
        count = MEASURES[row["measure"]].numbers
        yield f"{row.get('id')}: {row['measure']} has {count} numbers, not {row['published']!r}"
    if row.get("role") not in get_args(Role):
        yield f"{row.get('id')}: role {row.get('role')!r}; there are {', '.join(get_args(Role))}"


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in row.items()}
