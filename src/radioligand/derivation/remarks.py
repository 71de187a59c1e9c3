# SPDX-License-Identifier: Apache-2.0
"""What a reader of the report should know of a study's conduct: found while it was derived."""

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from radioligand.cdisc import FINDINGS, found, together
from radioligand.derivation.dose_checks import dose_remarks
from radioligand.endpoints import unavailable as unavailable_endpoints
from radioligand.protocol import Protocol
from radioligand.response import disagreements
from radioligand.subjects import mismatches
from radioligand.subjects import unavailable as unavailable_variables
from radioligand.treatment import departures, deviations

Frames = Mapping[str, pl.DataFrame]


def remarks(study: Frames, adam: Frames, *, protocol: Protocol) -> pl.DataFrame:
    """Return findings (`cdisc.FINDINGS`, warnings) on the conduct of a derived study.

    `study` is what `adam` was derived from, cut at the same date.

    Reader and lesions that disagree, doses off the plan or the dose rules, strata that baseline
    data contradict, and randomised subjects who do not meet a criterion.
    """
    said = [*_strata(adam["ADSL"], protocol), *_eligibility(adam)]
    if "ADRS" in adam:
        said.append(disagreements(adam["ADRS"], study.get("RS"), protocol=protocol))
    if "ADEX" in adam:
        said.append(deviations(adam["ADEX"], protocol=protocol))
    if "ADRAD" in adam:
        said += dose_remarks(adam["ADRAD"])
    if "ADDOSE" in adam:
        said.append(departures(adam["ADDOSE"]))
    return together(said)


def summed(findings: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the findings of several blocks of subjects as those of the whole."""
    same = ("dataset", "severity", "rule", "mend")
    return (
        together(findings)
        .group_by(*same, maintain_order=True)
        .agg(pl.col("broken", "rows").sum(), pl.col("examples").first())
        .select(FINDINGS.names())
    )


def unavailable(study: Frames, adam: Frames, *, protocol: Protocol) -> tuple[tuple[str, str], ...]:
    """What the protocol asks for and this study cannot tell: variables and endpoints, and why."""
    variables = unavailable_variables(dict(study), protocol).select("LABEL", "VARIABLE", "REASON")
    endpoints = unavailable_endpoints(protocol, adam)
    labels = {endpoint.id: endpoint.label for endpoint in protocol.endpoints}
    return (
        *((f"{label} ({name})", reason) for label, name, reason in variables.iter_rows()),
        *((f"{labels[name]} ({name})", reason) for name, reason in endpoints.items()),
    )


def _strata(adsl: pl.DataFrame, protocol: Protocol) -> Iterator[pl.DataFrame]:
    wrong = mismatches(adsl, protocol=protocol)
    randomised = adsl.filter(pl.col("RANDDT").is_not_null()).height
    for (factor,), rows in wrong.group_by("FACTOR", maintain_order=True):
        yield found(
            "ADSL",
            f"the level at randomisation is that of baseline data ({factor})",
            "Analyses use the level at randomisation; correct it only in baseline data.",
            broken=int(rows["COUNT"].sum()),
            rows=randomised,
            examples=rows.select("GIVEN", "BASELINE", "COUNT").head(3).to_dicts(),
            severity="warning",
        )


def _eligibility(adam: Frames) -> Iterator[pl.DataFrame]:
    if "ADIE" not in adam:
        return
    randomised = adam["ADSL"].filter(pl.col("RANDDT").is_not_null()).select("USUBJID")
    judged = adam["ADIE"].join(randomised, on="USUBJID", how="semi", maintain_order="left")
    failed = judged.filter(AVALC="not met")
    if failed.height:
        yield found(
            "ADIE",
            "a randomised subject meets every eligibility criterion",
            "Check the values with the site; the subjects are analysed as randomised.",
            broken=failed["USUBJID"].n_unique(),
            rows=randomised.height,
            examples=failed.select("USUBJID", "PARAMCD", "FIELDS").head(3).to_dicts(),
            severity="warning",
        )
