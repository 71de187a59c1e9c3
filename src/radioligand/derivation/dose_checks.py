# SPDX-License-Identifier: Apache-2.0
"""What must hold of absorbed doses (ADRAD), found again from its records, and what to tell of them.

Sums, intervals and doses per activity are worked out once more from the doses of single cycles.
"""

from collections.abc import Iterator
from functools import partial

import polars as pl

from radioligand.cdisc import Rule, find
from radioligand.derivation.flags import Check, Frames, Result
from radioligand.protocol.records import Dosimetry

REGION = ["USUBJID", "XRLOC"]
CLOSE = 1e-9  # relative
TOLERANCE = 0.10  # of the planned activity: what a radiopharmacy's filling may differ by


def dose_checks() -> Iterator[Check]:
    """Yield the checks that need ADRAD alone."""
    for whole, single in (("CUMDOSE", "DOSE"), ("CUMBED", "BED")):
        yield (
            f"adrad-{whole.lower()}",
            f"{whole} is the sum of {single} over the cycles so far",
            ("ADRAD",),
            partial(_sums, whole=whole, single=single),
        )
    yield "adrad-interval", "a dose lies inside its interval", ("ADRAD",), _inside
    yield "adrad-bed", "a biologically effective dose is no less than the dose", ("ADRAD",), _bed
    yield (
        "adrad-activity",
        "a dose is the dose per activity times the activity given",
        ("ADRAD",),
        _per_activity,
    )
    yield (
        "adrad-steering",
        "what steers lies between the lowest and the highest target lesion",
        ("ADRAD",),
        _steering,
    )


def recommendation_checks(dosimetry: Dosimetry) -> Iterator[Check]:
    """Yield the checks of what was recommended, by the protocol's caps and arms."""
    yield (
        "adrad-cap",
        f"nothing above {dosimetry.cap_gbq:g} GBq is recommended",
        ("ADRAD",),
        partial(_cap, cap_gbq=dosimetry.cap_gbq),
    )
    yield (
        "adrad-arms",
        "activity is recommended in the arms of dosimetry alone",
        ("ADRAD",),
        partial(_arms, arms=dosimetry.arms),
    )


def dose_remarks(adrad: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield findings, warnings all: doses that were not found, activities off the recommendation.

    A plan may lie below what was recommended by the step in which activity is ordered.
    """
    shows = ("USUBJID", "XRLOC", "AVISITN")
    dosed = Rule(
        holds=pl.col("AVAL").is_not_null(),
        says="a region has a dose in every cycle that was given",
        shows=(*shows, "REASON"),
        mend="Measure it, or let the protocol carry the dose per activity; later sums are unknown.",
        severity="warning",
    )
    yield find(adrad.filter(PARAMCD="DOSE"), dataset="ADRAD", rules=(dosed,))
    both = activities(adrad).filter(pl.col("ACTREC").is_not_null())
    followed = Rule(
        holds=(pl.col("ACTPLAN") / pl.col("ACTREC") - 1).abs().fill_null(0) <= TOLERANCE,
        says="the activity planned is within 10 % of what the doses recommended",
        shows=("USUBJID", "AVISITN", "ACTREC", "ACTPLAN", "ACTGIVEN"),
        mend="Look at the log of recommendations; who departs says why.",
        severity="warning",
    )
    yield find(both, dataset="ADRAD", rules=(followed,))


def activities(adrad: pl.DataFrame) -> pl.DataFrame:
    """A row a subject and cycle: ACTREC, ACTPLAN and ACTGIVEN in GBq, null where not known."""
    codes = ("ACTREC", "ACTPLAN", "ACTGIVEN")
    keys = ["USUBJID", "AVISITN"]
    return adrad.group_by(keys, maintain_order=True).agg(
        pl.col("AVAL").filter(pl.col("PARAMCD") == code).first().alias(code) for code in codes
    )


def _beside(adam: Frames, *codes: str) -> pl.DataFrame:
    """Parameters of one region and cycle side by side; only where all of them are there."""
    adrad = adam["ADRAD"]
    keys = [*REGION, "AVISITN"]
    sides = [
        adrad.filter(PARAMCD=code).select(*keys, pl.col("AVAL").alias(code)).drop_nulls(code)
        for code in codes
    ]
    found = sides[0]
    for side in sides[1:]:
        found = found.join(side, on=keys, how="inner", maintain_order="left")
    return found


def _differ(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return (left - right).abs() > CLOSE * right.abs()


def _sums(adam: Frames, *, whole: str, single: str) -> Result | None:
    both = _beside(adam, whole, single).sort(*REGION, "AVISITN")
    if both.is_empty():
        return None
    summed = pl.col(single).cum_sum().over(REGION)
    return both.height, both.filter(_differ(pl.col(whole), summed))


def _inside(adam: Frames) -> Result | None:
    known = adam["ADRAD"].filter(pl.col("AVALLO").is_not_null() & pl.col("AVAL").is_not_null())
    return known.height, known.filter(~pl.col("AVAL").is_between("AVALLO", "AVALHI"))


def _bed(adam: Frames) -> Result | None:
    both = _beside(adam, "BED", "DOSE")
    return both.height, both.filter(pl.col("BED") < pl.col("DOSE") * (1 - CLOSE))


def _per_activity(adam: Frames) -> Result | None:
    given = adam["ADRAD"].filter(PARAMCD="ACTGIVEN").select("USUBJID", "AVISITN", GIVEN="AVAL")
    both = _beside(adam, "DOSE", "DOSEACT").join(given, on=["USUBJID", "AVISITN"])
    product = pl.col("DOSEACT") * pl.col("GIVEN")
    return both.height, both.filter(_differ(product, pl.col("DOSE")))


def _steering(adam: Frames) -> Result | None:
    adrad = adam["ADRAD"]
    keys = ["USUBJID", "AVISITN"]
    ends = (
        adrad.filter(PARAMCD="CUMDOSE", PARCAT1="LESION")
        .group_by(keys)
        .agg(low=pl.col("AVAL").min(), high=pl.col("AVAL").max())
    )
    steers = adrad.filter(PARAMCD="STEERDOS").join(ends, on=keys, how="left")
    if steers.is_empty():
        return None
    low, high = pl.col("low") * (1 - CLOSE), pl.col("high") * (1 + CLOSE)
    outside = ~pl.col("AVAL").is_between(low, high).fill_null(False)
    return steers.height, steers.filter(outside)


def _cap(adam: Frames, *, cap_gbq: float) -> Result | None:
    told = adam["ADRAD"].filter(PARAMCD="ACTREC")
    return told.height, told.filter(pl.col("AVAL") > cap_gbq * (1 + CLOSE))


def _arms(adam: Frames, *, arms: tuple[str, ...]) -> Result | None:
    told = adam["ADRAD"].filter(PARAMCD="ACTREC")
    return told.height, told.filter(~pl.col("TRT01P").is_in(arms).fill_null(False))
