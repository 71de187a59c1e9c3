# SPDX-License-Identifier: Apache-2.0
"""How many of the screened, and of those randomised, met each eligibility criterion."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import ALL, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.protocol.records import Eligibility

VERDICTS = ("met", "not met", "unknown")


def eligibility(scope: Scope, analysis: Eligibility) -> Iterator[Row]:
    """Count verdicts by criterion: `variable` is its id, `level` the verdict.

    The arm "ALL" counts the screened; an arm counts its randomised subjects, of whom each should
    have met every criterion. Percentages are of these.
    """
    log = scope.adam.get("ADIE")
    if log is None:
        raise NotAvailable("the study has no ADIE (verdicts on eligibility)")
    origin = scope.origin("ADIE")
    everyone = pl.concat([scope.subjects, scope.strays])
    groups = [(ALL, everyone), *((arm, scope.subjects.filter(arm=arm)) for arm in scope.arms)]
    yield from scope.sizes(origin, everyone)
    verdicts = (
        log.filter(pl.col("AVALC").is_in(VERDICTS))
        .select("USUBJID", "PARAMCD", "PARAM", "AVALC")
        .join(everyone.select("USUBJID", "arm"), on="USUBJID", maintain_order="left")
    )
    for code, says in verdicts.select("PARAMCD", "PARAM").unique(maintain_order=True).iter_rows():
        yield origin.row("label", variable=code, text=says)
        own = verdicts.filter(PARAMCD=code)
        for arm, members in groups:
            seen = own if arm == ALL else own.filter(arm=arm)
            for verdict in VERDICTS:
                count = (seen["AVALC"] == verdict).sum()
                yield from count_rows(
                    origin, int(count), members.height, arm=arm, variable=code, level=verdict
                )
