# SPDX-License-Identifier: Apache-2.0
"""Eligibility of each subject, criterion by criterion, with the value that was seen."""

from typing import Any

import polars as pl

from radioligand.criteria import (
    Comparison,
    Condition,
    Verdict,
    comparisons,
    met,
    with_unknown,
)
from radioligand.protocol import Protocol
from radioligand.protocol.records import Criterion

NOT_APPLIED = "not applied"
ELIGIBLE, NOT_ELIGIBLE, UNDETERMINED = "eligible", "not eligible", "undetermined"


def screen(patients: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Judge every patient by every criterion: the screening log, one row each.

    `patients` has USUBJID and one column a field, flags Boolean; a field that is no column is
    unknown. Columns: USUBJID, CRITERION, KIND, SAYS, VERDICT ("met": the patient satisfies what
    the criterion asks, for exclusions too; "not met"; "unknown"; "not applied" for a criterion
    kept for the record), FIELDS ("ki67_percent = 17"), MISSING (the fields that would decide it).
    Rows follow the patients, and within each the protocol.
    """
    asked = [one.holds for one in protocol.eligibility]
    known = with_unknown(patients, asked)
    schema = ["USUBJID", "CRITERION", "KIND", "SAYS", "VERDICT", "FIELDS", "MISSING"]
    if not protocol.eligibility:
        return pl.DataFrame(schema=dict.fromkeys(schema, pl.String))
    judged = [
        known.select(
            "USUBJID",
            number=pl.int_range(pl.len()),
            CRITERION=pl.lit(criterion.id),
            KIND=pl.lit(criterion.kind),
            SAYS=pl.lit(criterion.says),
            VERDICT=_verdict(criterion),
            FIELDS=_seen(known, criterion.holds),
            MISSING=_missing(criterion),
        )
        for criterion in protocol.eligibility
    ]
    return pl.concat(judged).sort("number", maintain_order=True).select(schema)


def _verdict(criterion: Criterion) -> pl.Expr:
    if not criterion.default:
        return pl.lit(NOT_APPLIED)
    holds = met(criterion.holds)
    return (
        pl.when(holds)
        .then(pl.lit(str(Verdict.MET)))
        .when(~holds)
        .then(pl.lit(str(Verdict.NOT_MET)))
        .otherwise(pl.lit(str(Verdict.UNKNOWN)))
    )


def _fields(condition: Condition) -> list[str]:
    """Name the fields of a condition once each, those with a time limit with their date."""
    names: list[str] = []
    for one in comparisons(condition):
        names.append(one.field)
        if one.within_days is not None:
            names.append(f"{one.field}_date")
    return list(dict.fromkeys(names))


def _seen(frame: pl.DataFrame, condition: Condition) -> pl.Expr:
    shown = [
        pl.format("{} = {}", pl.lit(name), _shown(pl.col(name), frame.schema[name]))
        for name in _fields(condition)
    ]
    return pl.concat_str(shown, separator=", ")


def _shown(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean():
        text = pl.when(value).then(pl.lit("yes")).when(~value).then(pl.lit("no"))
        return text.fill_null(str(Verdict.UNKNOWN))
    plain = value.cast(pl.String)
    if dtype.is_float():
        plain = plain.str.strip_suffix(".0")
    return plain.fill_null(str(Verdict.UNKNOWN))


def _missing(criterion: Criterion) -> pl.Expr:
    """Name the fields whose value would decide an unknown verdict."""
    if not criterion.default:
        return pl.lit(None, pl.String)
    unknown = met(criterion.holds).is_null()
    lacking: dict[str, pl.Expr] = {}
    for one in comparisons(criterion.holds):
        for name, lacks in _lacking(one):
            lacking[name] = lacking[name] | lacks if name in lacking else lacks
    named: list[pl.Expr] = [pl.when(lacks).then(pl.lit(name)) for name, lacks in lacking.items()]
    named.append(pl.lit(None, pl.String))  # a criterion may ask only whether a field is known
    return pl.when(unknown).then(pl.concat_str(named, separator=", ", ignore_nulls=True))


def _lacking(one: Comparison) -> list[tuple[str, pl.Expr]]:
    value = pl.col(one.field)
    if one.operator == "known":
        return []
    if one.within_days is None:
        return [(one.field, value.is_null())]
    dated, before = pl.col(f"{one.field}_date"), pl.col(one.before or "")
    age = (before - dated).dt.total_days()
    window = f"{one.field} within {one.within_days} days up to {one.before}"
    return [
        (one.field, value.is_null()),
        (f"{one.field}_date", value.is_not_null() & dated.is_null()),
        (one.before or "", before.is_null()),
        (window, value.is_not_null() & ~age.is_between(0, one.within_days).fill_null(True)),
    ]


def summary(log: pl.DataFrame) -> pl.DataFrame:
    """Give each patient's verdict from the screening log: USUBJID, VERDICT, REASONS, MISSING.

    Eligible if all criteria applied are met; not eligible if one is not met; else undetermined.
    REASONS says the criteria not met (or, undetermined, those unknown), in the protocol's order;
    MISSING names the fields that would decide those unknown. Patients keep their order.
    """
    verdict = pl.col("VERDICT")
    no, open_ = verdict == str(Verdict.NOT_MET), verdict == str(Verdict.UNKNOWN)
    each = log.group_by("USUBJID", maintain_order=True).agg(
        no=no.any(),
        open=open_.any(),
        failed=pl.col("SAYS").filter(no).str.join("; "),
        unknown=pl.col("SAYS").filter(open_).str.join("; "),
        MISSING=pl.col("MISSING")
        .filter(open_)
        .str.split(", ")
        .explode(empty_as_null=False)
        .unique(maintain_order=True)
        .str.join(", "),
    )
    return each.select(
        "USUBJID",
        VERDICT=pl.when("no")
        .then(pl.lit(NOT_ELIGIBLE))
        .when("open")
        .then(pl.lit(UNDETERMINED))
        .otherwise(pl.lit(ELIGIBLE)),
        REASONS=pl.when("no").then("failed").when("open").then("unknown"),
        MISSING=pl.when("open").then("MISSING"),
    )


def consort(adsl: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """Count the patients of the trial profile up to their first dose.

    Columns NODE (screened, not_randomised, randomised, treated, not_treated), ARM (arm id;
    null before randomisation), REASON, COUNT. A patient who was not randomised is counted once,
    under the first criterion not met, else as undetermined or as eligible but not randomised;
    so the reasons add up to their node.
    """
    first = (
        log.filter(VERDICT=str(Verdict.NOT_MET))
        .group_by("USUBJID", maintain_order=True)
        .agg(first=pl.col("SAYS").first())
    )
    patients = adsl.select("USUBJID", "RANDDT", "TRTSDT", ARM="TRT01P").join(
        summary(log).join(first, on="USUBJID", how="left"), on="USUBJID", how="left"
    )
    randomised = pl.col("RANDDT").is_not_null()
    reason = (
        pl.when(pl.col("VERDICT") == NOT_ELIGIBLE)
        .then("first")
        .when(pl.col("VERDICT") == ELIGIBLE)
        .then(pl.lit("Eligible, not randomised"))
        .otherwise(pl.lit("Eligibility undetermined"))
    )
    treated = pl.col("TRTSDT").is_not_null()
    nowhere, none = pl.lit(None, pl.String), pl.lit(None, pl.String)
    nodes = (
        ("screened", pl.lit(True), nowhere, none),
        ("not_randomised", ~randomised, nowhere, none),
        ("not_randomised", ~randomised, nowhere, reason),
        ("randomised", randomised, pl.col("ARM"), none),
        ("not_treated", randomised & ~treated, pl.col("ARM"), none),
        ("treated", randomised & treated, pl.col("ARM"), none),
    )
    counts = [
        patients.filter(which)
        .with_columns(NODE=pl.lit(node), ARM=arm, REASON=why)
        .group_by("NODE", "ARM", "REASON")
        .agg(COUNT=pl.len().cast(pl.Int64))
        .sort("ARM", -pl.col("COUNT"), "REASON")
        for node, which, arm, why in nodes
    ]
    return pl.concat(counts)


def answer(patient: pl.DataFrame, *, protocol: Protocol) -> dict[str, Any]:
    """Judge one patient and return plain values, ready for JSON.

    ``{"subject", "verdict", "criteria": [{"id", "kind", "says", "verdict", "value", "missing"}]}``;
    `value` is what was seen, by field where a criterion asks for several. Raises ValueError if the
    frame does not hold exactly one patient.
    """
    if patient.height != 1:
        raise ValueError(f"one patient is judged at a time; the frame holds {patient.height}")
    log = screen(patient, protocol=protocol)
    seen = with_unknown(patient, [one.holds for one in protocol.eligibility]).to_dicts()[0]
    plain = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in seen.items()
    }
    criteria = []
    for criterion, row in zip(protocol.eligibility, log.to_dicts(), strict=True):
        values = {name: plain[name] for name in _fields(criterion.holds)}
        criteria.append(
            {
                "id": criterion.id,
                "kind": criterion.kind,
                "says": criterion.says,
                "verdict": row["VERDICT"],
                "value": next(iter(values.values())) if len(values) == 1 else values,
                "missing": row["MISSING"].split(", ") if row["MISSING"] else [],
            }
        )
    verdict = summary(log)["VERDICT"][0] if log.height else ELIGIBLE
    return {"subject": plain["USUBJID"], "verdict": verdict, "criteria": criteria}
