# SPDX-License-Identifier: Apache-2.0
"""Absorbed dose by arm: what lesions and organs got, plan against given, dose beside effect, sites.

All of it is read from ADRAD. A cumulative dose is that of the last cycle a subject was given; it is
missing where a cycle before has no dose.
"""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows, number_rows
from radioligand.analysis.dose_effects import effect_rows
from radioligand.analysis.dose_sites import sites
from radioligand.analysis.results import ALL, Origin, Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.protocol.records import AbsorbedDose, DoseAndEffect, DoseTarget, Dosimetry

TARGETS, ACTIVITY = "TARGET LESIONS", "ACTIVITY"
DEPARTS = 0.10  # of what was recommended
LAST = "the last cycle given"
STATUSES = (
    "target reachable", "organ-limited", "cap-limited", "target already met", "stop: limit reached",
)  # fmt: skip


def absorbed_dose(scope: Scope, analysis: AbsorbedDose) -> Iterator[Row]:
    """Yield the rows of the table that is asked for.

    Raises NotAvailable for a protocol without dosimetry or a study without ADRAD.
    """
    dosimetry = scope.protocol.dosimetry
    if dosimetry is None:
        raise NotAvailable("the protocol has no [dosimetry]")
    columns = ("PARAMCD", "XRLOC", "PARCAT1", "AVISITN", "AVAL", "AVALC", "AVALHI", "REASON")
    records = scope.records("ADRAD", *columns)
    match analysis.table:
        case "doses":
            yield from _doses(scope, records, dosimetry)
        case "activities":
            yield from _activities(scope, records)
        case "effects":
            yield from _effects(scope, records, analysis, dosimetry)
        case "sites":
            yield from sites(scope, records)


def final(records: pl.DataFrame, parameter: str, region: str) -> pl.DataFrame:
    """A row a subject: USUBJID, arm, dose and upper of the last cycle given, null if unknown."""
    last = (
        records.filter(PARAMCD="ACTGIVEN")
        .group_by("USUBJID", "arm", maintain_order=True)
        .agg(pl.col("AVISITN").max())
    )
    own = records.filter(PARAMCD=parameter, XRLOC=region).select(
        "USUBJID", "AVISITN", dose="AVAL", upper="AVALHI"
    )
    return last.join(own, on=["USUBJID", "AVISITN"], how="left", maintain_order="left")


def band_of(target: DoseTarget) -> dict[str, pl.Expr]:
    """The bands of dose by a target, with the condition on `dose` that each stands for."""
    low, high = target.lower_gy, target.upper_gy
    return {
        f"below {low:g} Gy": pl.col("dose") < low,
        f"{low:g} to {high:g} Gy": pl.col("dose").is_between(low, high),
        f"above {high:g} Gy": pl.col("dose") > high,
    }


# -- doses ---------------------------------------------------------------------------------------


def _doses(scope: Scope, records: pl.DataFrame, dosimetry: Dosimetry) -> Iterator[Row]:
    yield from scope.sizes(scope.origin("ADRAD"), _treated(scope, records))
    yield from _measured(scope, records, "CUMACT", ACTIVITY, "Activity given, GBq", "GBq")
    if dosimetry.target:
        yield from _target(scope, records, dosimetry.target)
    organs = records.filter(pl.col("PARCAT1").is_in(["ORGAN", "MARROW"]))["XRLOC"].unique().sort()
    for region in organs:
        label = f"Dose to {region.lower()}, Gy"
        yield from _measured(scope, records, "CUMDOSE", region, label, "Gy")
        yield from _by_cycle(scope, records, region)
    for limit in dosimetry.limits:
        parameter = "CUMBED" if limit.quantity == "bed" else "CUMDOSE"
        origin = scope.origin("ADRAD", where=f"{LAST}, {limit.region}", parameter=parameter)
        told = f"{limit.limit_gy:g} Gy of {limit.region.lower()}"
        told += " (BED)" if limit.quantity == "bed" else ""
        yield origin.row("limit", limit.limit_gy, variable=limit.region, unit="Gy")
        held = final(records, parameter, limit.region)
        for variable, column, words in (
            (f"over {limit.region}", "dose", f"Dose above {told}"),
            (f"bound {limit.region}", "upper", f"Upper end of the interval above {told}"),
        ):
            if column == "upper" and limit.quantity == "bed":
                continue
            yield origin.row("label", variable=variable, text=words)
            for arm in scope.arms:
                known = held.filter(arm=arm).drop_nulls(column)
                over = known.filter(pl.col(column) > limit.limit_gy).height
                yield from count_rows(origin, over, known.height, arm=arm, variable=variable)
        yield from _over_cycles(origin, records, parameter, limit.region)


def _treated(scope: Scope, records: pl.DataFrame) -> pl.DataFrame:
    measured = records.filter(PARAMCD="ACTGIVEN").select("USUBJID").unique()
    return scope.subjects.join(measured, on="USUBJID", how="semi", maintain_order="left")


def _measured(
    scope: Scope, records: pl.DataFrame, parameter: str, region: str, label: str, unit: str
) -> Iterator[Row]:
    origin = scope.origin("ADRAD", where=f"{LAST}, {region}", parameter=parameter)
    variable = f"{parameter} {region}"
    yield origin.row("label", variable=variable, text=label)
    held = final(records, parameter, region)
    for arm in scope.arms:
        yield from number_rows(
            origin, held.filter(arm=arm)["dose"], arm=arm, variable=variable, unit=unit
        )


def _target(scope: Scope, records: pl.DataFrame, target: DoseTarget) -> Iterator[Row]:
    label = f"Dose to target lesions ({target.steering}), Gy"
    yield from _measured(scope, records, "STEERDOS", TARGETS, label, "Gy")
    origin = scope.origin("ADRAD", where=f"{LAST}, {TARGETS}", parameter="STEERDOS")
    held, variable = final(records, "STEERDOS", TARGETS).drop_nulls("dose"), "target"
    words = f"Target lesions against {target.lower_gy:g} to {target.upper_gy:g} Gy"
    yield origin.row("label", variable=variable, text=words)
    yield origin.row("target_lower", target.lower_gy, variable=TARGETS, unit="Gy")
    yield origin.row("target_upper", target.upper_gy, variable=TARGETS, unit="Gy")
    for band, inside in band_of(target).items():
        for arm in scope.arms:
            own = held.filter(arm=arm)
            count = own.filter(inside).height
            yield from count_rows(origin, count, own.height, arm=arm, variable=variable, level=band)
    yield from _over_cycles(origin, records, "STEERDOS", TARGETS)
    lesions = records.filter(PARAMCD="DOSE", PARCAT1="LESION")
    mean = lesions.group_by("USUBJID", "arm", "AVISITN", maintain_order=True).agg(
        # unknown as soon as one of them is
        AVAL=pl.when(pl.col("AVAL").null_count() == 0).then(pl.col("AVAL").sort().mean())
    )
    for cycle in mean["AVISITN"].unique().sort():
        of_cycle = scope.origin("ADRAD", where=f"cycle {cycle:.0f}, LESION", parameter="DOSE")
        variable = f"DOSE {TARGETS} {cycle:.0f}"
        label = f"Dose to target lesions, mean, cycle {cycle:.0f}, Gy"
        yield of_cycle.row("label", variable=variable, text=label)
        for arm in scope.arms:
            values = mean.filter(AVISITN=cycle, arm=arm)["AVAL"]
            yield from number_rows(of_cycle, values, arm=arm, variable=variable, unit="Gy")


def _by_cycle(scope: Scope, records: pl.DataFrame, region: str) -> Iterator[Row]:
    """Dose of each cycle, and per activity."""
    for parameter, unit, words in (
        ("DOSE", "Gy", "Dose to {}, cycle {:.0f}, Gy"),
        ("DOSEACT", "Gy/GBq", "Dose per activity to {}, cycle {:.0f}, Gy/GBq"),
    ):
        own = records.filter(PARAMCD=parameter, XRLOC=region)
        for cycle in own["AVISITN"].unique().sort():
            origin = scope.origin(
                "ADRAD", where=f"cycle {cycle:.0f}, {region}", parameter=parameter
            )
            variable = f"{parameter} {region} {cycle:.0f}"
            label = words.format(region.lower(), cycle)
            yield origin.row("label", variable=variable, text=label)
            of_cycle = own.filter(AVISITN=cycle)
            for arm in scope.arms:
                values = of_cycle.filter(arm=arm)["AVAL"]
                yield from number_rows(origin, values, arm=arm, variable=variable, unit=unit)


def _over_cycles(
    origin: Origin, records: pl.DataFrame, parameter: str, region: str
) -> Iterator[Row]:
    """Each subject's cumulative dose by cycle, for a figure."""
    own = records.filter(PARAMCD=parameter, XRLOC=region).sort("USUBJID", "AVISITN")
    for subject, arm, cycle, dose in own.select("USUBJID", "arm", "AVISITN", "AVAL").iter_rows():
        yield origin.row(
            "cumulative", dose, arm=arm, variable=region, level=f"{cycle:.0f}", subject=subject,
            unit="Gy",
        )  # fmt: skip


# -- activities ----------------------------------------------------------------------------------


def _activities(scope: Scope, records: pl.DataFrame) -> Iterator[Row]:
    yield from scope.sizes(scope.origin("ADRAD"), _treated(scope, records))
    codes = {"ACTREC": "recommended", "ACTPLAN": "planned", "ACTGIVEN": "given"}
    keys = ["USUBJID", "arm", "AVISITN"]
    wide = (
        records.filter(pl.col("PARAMCD").is_in(list(codes)))
        .group_by(keys, maintain_order=True)
        .agg(
            *(
                pl.col("AVAL").filter(pl.col("PARAMCD") == code).first().alias(code)
                for code in codes
            ),
            pl.col("AVALC").filter(pl.col("PARAMCD") == "ACTREC").first(),
        )
        .sort(keys)
    )
    for cycle in wide["AVISITN"].unique().sort():
        of_cycle = wide.filter(AVISITN=cycle)
        for code, word in codes.items():
            if of_cycle[code].is_null().all():
                continue
            origin = scope.origin("ADRAD", where=f"cycle {cycle:.0f}", parameter=code)
            variable = f"{code} {cycle:.0f}"
            yield origin.row("label", variable=variable, text=f"Cycle {cycle:.0f}, {word}, GBq")
            for arm in scope.arms:
                values = of_cycle.filter(arm=arm)[code]
                if not values.is_null().all():
                    yield from number_rows(origin, values, arm=arm, variable=variable, unit="GBq")
    yield from _statuses(scope, wide)
    origin = scope.origin("ADRAD", parameter="ACTGIVEN")
    for row in wide.drop_nulls(["ACTPLAN", "ACTGIVEN"]).iter_rows(named=True):
        key = {
            "arm": row["arm"], "subject": row["USUBJID"], "level": f"{row['AVISITN']:.0f}",
            "unit": "GBq",
        }  # fmt: skip
        yield origin.row("planned", row["ACTPLAN"], **key)
        yield origin.row("given", row["ACTGIVEN"], **key)


def _statuses(scope: Scope, wide: pl.DataFrame) -> Iterator[Row]:
    """What the recommendations said, and how many plans depart from them; data are cycles."""
    origin = scope.origin("ADRAD", parameter="ACTREC")
    asked = wide.filter(pl.col("AVISITN") > 1)
    told = asked.with_columns(pl.col("AVALC").fill_null("none: a dose before it is not known"))
    informed = scope.protocol.dosimetry.arms if scope.protocol.dosimetry else ()
    departs = (pl.col("ACTPLAN") / pl.col("ACTREC") - 1).abs() > DEPARTS
    yield origin.row("label", variable="status", text="Recommendations (data are cycles)")
    for arm in (one for one in scope.arms if one in informed):
        own = told.filter(arm=arm)
        for status in (*STATUSES, "none: a dose before it is not known"):
            count = own.filter(AVALC=status).height
            yield from count_rows(
                origin, count, own.height, arm=arm, variable="status", level=status
            )
        words = "Planned activity more than 10 % off the recommendation (cycles)"
        yield origin.row("label", variable="departs", text=words)
        known = own.drop_nulls(["ACTREC", "ACTPLAN"])
        yield from count_rows(
            origin, known.filter(departs).height, known.height, arm=arm, variable="departs"
        )


# -- dose and effect -------------------------------------------------------------------------------


def _effects(
    scope: Scope, records: pl.DataFrame, analysis: AbsorbedDose, dosimetry: Dosimetry
) -> Iterator[Row]:
    for asked in analysis.effects:
        parameter, dose_unit = {
            TARGETS: ("STEERDOS", "Gy"), ACTIVITY: ("CUMACT", "GBq")
        }.get(asked.region, ("CUMDOSE", "Gy"))  # fmt: skip
        effect, variable, unit = _effect(scope, asked, analysis)
        held = final(records, parameter, asked.region).join(
            effect, on="USUBJID", how="left", maintain_order="left"
        )
        origin = scope.origin("ADRAD", where=f"{LAST}, {asked.region}", parameter=parameter)
        words = {TARGETS: "target lesions", ACTIVITY: "activity"}
        name = f"{words.get(asked.region, asked.region.lower())}: {variable}"
        yield origin.row("label", variable=name, text=f"{name[:1].upper()}{name[1:]}")
        yield from effect_rows(origin, held, variable=name, unit=unit, dose_unit=dose_unit)
        if asked.effect == "response" and dosimetry.target and asked.region == TARGETS:
            known = held.drop_nulls(["dose", "effect"])
            for band, inside in band_of(dosimetry.target).items():
                own = known.filter(inside)
                responded = int(own["effect"].sum())
                yield from count_rows(
                    origin, responded, own.height, arm=ALL, variable=name, level=band
                )
                yield origin.row("subjects", own.height, arm=ALL, variable=name, level=band)


def _effect(
    scope: Scope, asked: DoseAndEffect, analysis: AbsorbedDose
) -> tuple[pl.DataFrame, str, str]:
    """USUBJID and effect of every subject that has one, its words and its unit."""
    named = analysis.evaluation
    suffix = scope.protocol.evaluation(named).suffix if named else ""
    if asked.effect == "best change":
        best = scope.records("ADTR", "PCHG", "ANL02FL", parameter=f"SDIAM{suffix}")
        frame = best.filter(ANL02FL="Y").unique("USUBJID", keep="first", maintain_order=True)
        return frame.select("USUBJID", effect="PCHG"), "best change of the sum of diameters", "%"
    if asked.effect == "response":
        best = scope.one_each("ADRS", "AVALC", parameter=f"CBOR{suffix}")
        responded = pl.col("AVALC").is_in(analysis.responses or ("CR", "PR")).cast(pl.Float64)
        return best.select("USUBJID", effect=responded), "confirmed response", "1"
    column = "ATOXGRL" if asked.direction == "low" else "ATOXGRH"
    values = scope.records(
        "ADLB", column, "PARAM", "ONTRTFL", parameter=asked.test, where=pl.col("ONTRTFL") == "Y"
    )
    grade = pl.col(column).cast(pl.Float64, strict=False).abs().max()
    name = str(values["PARAM"].first()).partition(" (")[0].lower()
    variable = f"worst grade of {name}, {asked.direction}"
    return values.group_by("USUBJID").agg(effect=grade), variable, "grade"
