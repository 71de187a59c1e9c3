# SPDX-License-Identifier: Apache-2.0
"""Where the response that lesions give differs from the one that their reader stated."""

import polars as pl

from radioligand.cdisc import found, together
from radioligand.protocol import Protocol
from radioligand.response.lesions import is_unscheduled, of_evaluation, with_columns

VISIT = ("USUBJID", "VISITNUM", "VISIT")


def disagreements(
    adrs: pl.DataFrame, rs: pl.DataFrame | None, *, protocol: Protocol
) -> pl.DataFrame:
    """Return findings (`cdisc.FINDINGS`, warnings) on evaluations that lesions decide.

    For each such evaluation that RS also states, the overall responses of scheduled visits are
    compared: those that differ, and those that RS states although no lesion was recorded there.
    """
    findings = []
    for evaluation in protocol.evaluations:
        if rs is None or evaluation.overall == "RS":
            continue
        stated = (
            with_columns(of_evaluation(rs, "RS", evaluation), ("VISIT", "VISITNUM"))
            .filter((pl.col("RSTESTCD") == "OVRLRESP") & ~is_unscheduled())
            .with_columns(pl.col("VISITNUM").cast(pl.Float64), pl.col("VISIT").cast(pl.String))
        )
        derived = adrs.filter(PARAMCD=f"OVR{evaluation.suffix}").select(*VISIT, "ADT", "AVALC")
        both = stated.join(derived, on=VISIT, how="left", nulls_equal=True).sort(VISIT)
        differ = both.filter(pl.col("AVALC") != pl.col("RSSTRESC"))
        alone = both.filter(pl.col("AVALC").is_null())
        for rows, says, mend, shows in (
            (
                differ,
                "the overall response that the reader stated is the one that the lesions give",
                "Look at the lesions of these visits with the reader; the lesions were analysed.",
                (*VISIT, "RSSTRESC", "AVALC"),
            ),
            (
                alone,
                "a visit with an overall response has lesions or new lesions in TR or TU",
                "Complete TR; without lesions this visit does not count.",
                (*VISIT, "RSSTRESC"),
            ),
        ):
            if rows.height:
                findings.append(
                    found(
                        "RS",
                        f"{says} ({evaluation.label})",
                        mend,
                        broken=rows.height,
                        rows=stated.height,
                        examples=rows.select(shows).head(3).to_dicts(),
                        severity="warning",
                    )
                )
    return together(findings)
