# SPDX-License-Identifier: Apache-2.0
"""Rules about rows, and how we say that they are broken: rule, count, subjects, mend."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

Severity = Literal["error", "warning"]

FINDINGS = pl.Schema(
    {
        "dataset": pl.String,
        "severity": pl.String,  # an error stops the work, a warning goes into the report
        "rule": pl.String,  # what should hold
        "broken": pl.Int64,  # rows that break it
        "rows": pl.Int64,  # of so many
        "examples": pl.String,  # up to three rows, a line each
        "mend": pl.String,
    }
)


class DatasetError(ValueError):
    """A dataset breaks its contract. The message is for whoever made the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One promise of a dataset: `holds` is true of a good row, false or null of a bad one."""

    holds: pl.Expr
    says: str  # a whole clause, as it would stand in the data guide
    shows: tuple[str, ...]  # the variables that let a reader find the row and see the fault
    mend: str
    severity: Severity = "error"


def found(
    dataset: str,
    says: str,
    mend: str,
    *,
    broken: int = 1,
    rows: int = 1,
    examples: Iterable[Mapping[str, Any]] = (),
    severity: Severity = "error",
) -> pl.DataFrame:
    """Return one finding as a frame of one row."""
    lines = (
        "  ".join(f"{name} {_shown(value)}" for name, value in row.items()) for row in examples
    )
    row = (dataset, severity, says, broken, rows, "\n".join(lines), mend)
    return pl.DataFrame([row], schema=FINDINGS, orient="row")


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


def together(findings: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return all findings in one frame, in the order given."""
    return pl.concat([FINDINGS.to_frame(), *findings])


def find(frame: pl.DataFrame, *, dataset: str, rules: Sequence[Rule]) -> pl.DataFrame:
    """Return a finding for each rule that `frame` breaks; a rule about an absent column is mute."""
    have = set(frame.columns)
    asked = [rule for rule in rules if have.issuperset(rule.holds.meta.root_names())]
    bad = [~rule.holds.fill_null(False) for rule in asked]
    counts = frame.select(each.sum().alias(str(i)) for i, each in enumerate(bad))
    findings = []
    for rule, each, count in zip(asked, bad, counts.row(0) if asked else (), strict=True):
        if count:
            shows = [name for name in rule.shows if name in have]
            finding = found(
                dataset,
                rule.says,
                rule.mend,
                broken=count,
                rows=frame.height,
                examples=frame.lazy().filter(each).select(shows).head(3).collect().to_dicts(),
                severity=rule.severity,
            )
            findings.append(finding)
    return together(findings)


def told(findings: pl.DataFrame) -> str:
    """Return findings as the text of one message, errors first, by dataset."""
    paragraphs = []
    ordered = findings.sort(pl.col("severity") == "warning", "dataset", maintain_order=True)
    for row in ordered.to_dicts():
        count = f"; {row['broken']} of {row['rows']} rows break this" if row["rows"] > 1 else ""
        remark = " (a warning)" if row["severity"] == "warning" else ""
        lines = [f"{row['dataset']}: {row['rule']}{count}.{remark}"]
        lines += [*row["examples"].splitlines(), row["mend"]]
        paragraphs.append("\n  ".join(lines))
    return "\n".join(paragraphs)


def refuse(findings: pl.DataFrame) -> pl.DataFrame:
    """Return `findings` if they are warnings only, else raise DatasetError that tells them all."""
    errors = findings.filter(severity="error").height
    if errors:
        many = f"{findings.height} findings, {errors} of them to mend first:\n"
        raise DatasetError((many if findings.height > 1 else "") + told(findings))
    return findings


def check(frame: pl.DataFrame, *, dataset: str, rules: Sequence[Rule]) -> pl.DataFrame:
    """Return `frame` untouched, or raise one DatasetError that tells of every broken rule."""
    refuse(find(frame, dataset=dataset, rules=rules))
    return frame


def check_all(
    frames: Mapping[str, pl.DataFrame], *, rules: Mapping[str, Sequence[Rule]]
) -> pl.DataFrame:
    """Hold several datasets against rules of the same names; return the warnings of all.

    Raises one DatasetError that tells of every broken rule in every dataset.
    """
    names = [name for name in rules if name in frames]
    return refuse(together(find(frames[name], dataset=name, rules=rules[name]) for name in names))
