# SPDX-License-Identifier: Apache-2.0
"""Exposure in the randomised treatment period: duration, cycles, amounts, changes, by arm."""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from radioligand.analysis.descriptive import count_rows, number_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope
from radioligand.protocol.records import Exposure

ANY = "ANY TREATMENT"  # PARCAT2 of what is about all drugs together
PERIOD = "TREATMENT"  # EPOCH of the randomised treatment, before crossover or re-treatment


class Parameter(NamedTuple):
    """How a parameter of ADEX is told; {unit} is that of the drug's dose in the protocol."""

    variable: str
    label: str
    unit: str | None
    scale: float = 1.0


MEASURES = {
    "TDURW": Parameter("duration_weeks", "Duration of exposure, weeks", "weeks"),
    "NCYCLE": Parameter("cycles", "Number of cycles", None),
    "CUMDOSE": Parameter("cumulative_{unit}", "Cumulative dose, {unit}", "{unit}"),
    "AVDOSE": Parameter("{unit}_per_cycle", "Dose per cycle, {unit}", "{unit}"),
    "RDI": Parameter("dose_intensity", "Relative dose intensity, %", "%", 100.0),
}
CHANGES = {
    "NINTERR": ("interrupted", "Subjects with a delayed or interrupted administration"),
    "NREDUC": ("reduced", "Subjects with a reduced administration"),
}


def exposure(scope: Scope, analysis: Exposure) -> Iterator[Row]:
    """Describe each measure of ADEX for each drug by arm, then changes and early ends.

    A variable bears its bare name for study treatment as a whole and, but for the duration, for
    the radioligand (the drug in GBq); other drugs are named behind it: "duration_weeks
    OCTREOTIDE LAR". An arm whose regimen lacks the drug says "NA".
    """
    asked = pl.col("PARAMCD").is_in([*MEASURES, *CHANGES, "RSNFEW"])
    own = asked & (pl.col("EPOCH") == PERIOD)
    records = scope.records("ADEX", "PARAMCD", "PARCAT2", "EPOCH", "AVAL", where=own)
    yield from scope.sizes(_origin(scope))
    for parameter in MEASURES:
        yield from _measured(scope, records, parameter=parameter)
    for parameter, (variable, label) in CHANGES.items():
        changed = records.filter(pl.col("AVAL") > 0, PARAMCD=parameter, PARCAT2=ANY)
        origin = _origin(scope, parameter)
        yield origin.row("label", variable=variable, text=label)
        for arm in scope.arms:
            n = scope.arm_sizes[arm]
            yield from count_rows(
                origin, changed.filter(arm=arm).height, n, arm=arm, variable=variable
            )
    yield from _fewer_cycles(scope, records)


def _origin(scope: Scope, parameter: str | None = None) -> Origin:
    return scope.origin("ADEX", where=f"EPOCH = '{PERIOD}'", parameter=parameter)


def _measured(scope: Scope, records: pl.DataFrame, *, parameter: str) -> Iterator[Row]:
    told, origin = MEASURES[parameter], _origin(scope, parameter)
    # what only accompanies another drug, such as amino acids, has no amount and no measure
    drugs = [drug for arm in scope.protocol.arms for drug in arm.treatments if drug.amount]
    units = {drug.name: drug.unit for drug in drugs}
    for drug in (ANY, *units):
        own = records.filter(PARAMCD=parameter, PARCAT2=drug)
        if own.is_empty():
            continue
        unit = units.get(drug) or "units"
        bare = drug == ANY or (unit == "GBq" and parameter != "TDURW")
        variable = told.variable.format(unit=unit.lower()) + ("" if bare else f" {drug}")
        label = told.label.format(unit=unit) + ("" if drug == ANY else f": {drug}")
        yield origin.row("label", variable=variable, text=label)
        for arm in scope.arms:
            values = _values(scope, own, arm=arm, drug=drug)
            if values is None:
                yield origin.row("median", arm=arm, variable=variable, text="NA")
                continue
            known_unit = told.unit.format(unit=unit) if told.unit else None
            scaled = values * told.scale
            yield from number_rows(origin, scaled, arm=arm, variable=variable, unit=known_unit)
            if parameter == "NCYCLE":
                yield from _by_number(scope, origin, values, arm=arm, drug=drug, variable=variable)


def _values(scope: Scope, own: pl.DataFrame, *, arm: str, drug: str) -> pl.Series | None:
    """Return a value for each subject of an arm; None if the drug is not in its regimen."""
    found = own.filter(arm=arm).select("USUBJID", "AVAL")
    planned = {each.name for one in scope.protocol.arms if one.id == arm for each in one.treatments}
    if found.is_empty() and drug != ANY and drug not in planned:
        return None
    subjects = scope.subjects.filter(arm=arm).select("USUBJID")
    return subjects.join(found, on="USUBJID", how="left", maintain_order="left")["AVAL"]


def _by_number(
    scope: Scope, origin: Origin, values: pl.Series, *, arm: str, drug: str, variable: str
) -> Iterator[Row]:
    """Count subjects by the number of cycles, from one to the most planned or given."""
    regimens = [each for one in scope.protocol.arms for each in one.treatments]
    planned = max((each.cycles or 0 for each in regimens if each.name == drug), default=0)
    given = values.drop_nulls().cast(pl.Int64).to_list()
    for number in range(1, max([planned, *given]) + 1):
        level = f"{number} cycle{'s' if number > 1 else ''}"
        count = given.count(number)
        yield from count_rows(origin, count, len(values), arm=arm, variable=variable, level=level)


def _fewer_cycles(scope: Scope, records: pl.DataFrame) -> Iterator[Row]:
    """Count why subjects did not receive all cycles, where ADEX says so."""
    few = records.filter(PARAMCD="RSNFEW")
    if few.is_empty() or "AVALC" not in few.columns:
        return
    origin, variable = _origin(scope, "RSNFEW"), "fewer_cycles"
    yield origin.row("label", variable=variable, text="Reasons for not receiving all cycles")
    totals = few.group_by("AVALC").len().sort("len", "AVALC", descending=[True, False])
    for arm in scope.arms:
        own, n = few.filter(arm=arm)["AVALC"], scope.arm_sizes[arm]
        for reason in totals["AVALC"].drop_nulls():
            count = int((own == reason).sum())
            yield from count_rows(origin, count, n, arm=arm, variable=variable, level=reason)
