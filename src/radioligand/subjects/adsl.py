# SPDX-License-Identifier: Apache-2.0
"""ADSL: one row a subject, with arms, dates, strata, the protocol's variables and populations."""

from datetime import date

import polars as pl

from radioligand import criteria
from radioligand.cdisc import refuse, together
from radioligand.protocol import Protocol
from radioligand.protocol.records import TIMES, Source, Variable
from radioligand.subjects.asked import date_columns, factors
from radioligand.subjects.derived import in_order, made, needs
from radioligand.subjects.sources import (
    DTYPES,
    Study,
    absent,
    as_date,
    date_rule,
    matching,
    one_each,
    value_findings,
)
from radioligand.subjects.strata import letter, with_strata

FROM_DM: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "USUBJID", "SUBJID", "SITEID", "COUNTRY"), pl.String()),
    "AGE": pl.Float64(),
    **dict.fromkeys(("AGEU", "SEX", "RACE", "ETHNIC"), pl.String()),
    **dict.fromkeys(("ARMCD", "ARM", "ACTARMCD", "ACTARM", "ARMNRS"), pl.String()),
    **dict.fromkeys(("RFICDTC", "DTHFL"), pl.String()),
}
NOWHERE = Source(dataset="NONE")  # a source that the protocol leaves out
# a scan shows its subject alive, whatever else the protocol lists
SCANS = (Source(dataset="TR", date="TRDTC"), Source(dataset="RS", date="RSDTC"))


def derive_adsl(study: Study, *, protocol: Protocol, cutoff: date | None = None) -> pl.DataFrame:
    """Derive ADSL: a row for every subject of DM, in the order of USUBJID.

    - TRT01P, TRT01A: arm ids of the protocol; null for an arm it does not know.
    - Dates: RFICDT, RANDDT, TRTSDT, TRTEDT, EOTDT (with EOTSTT; DCTREAS, why treatment ended or
      never began), DTHDT, EOSDT (with EOSSTT; DCSREAS, why the study ended, or why a screened
      subject was not randomised), NACTDT (first new anticancer therapy), LSTALVDT (last known
      alive), CUTDT. Partial dates are completed by the rules of `protocol.data`; DTHDTF and
      NACTDTF tell what was imputed, and a partial date of death is no earlier than the last sign
      of life allows; DTHCAUS is the cause collected. XOVERPH and XOVERDT: in which phase, and
      when, a subject crossed over.
    - Each stratification factor under its id: the level given at randomisation. STRATUM joins
      their labels; STRMISFL is "Y" where baseline data say another level.
    - The protocol's variables, flags as "Y" and "N". The date of a finding that a criterion
      limits in time has a column of its own, such as KI67DT.
    - The protocol's population flags: "N" where a condition is not met or unknown.

    Records after `cutoff` do not count, nor do doses of 0. What the study lacks is null;
    `unavailable` lists it. Raises DatasetError that tells of every value in another unit than
    declared, or of every unknown stratum, and ValueError if variables need each other in a circle.
    """
    study = _doses_given(study)
    _refuse_values(study, protocol)
    adsl = _with_dates(_from_dm(study["DM"], protocol), study, protocol, cutoff)
    adsl = _with_arms(adsl, protocol)
    adsl = _with_crossover(adsl, study, protocol, cutoff)
    adsl = _with_variables(adsl, study, protocol, cutoff)
    adsl = with_strata(adsl, protocol)
    return _with_populations(adsl, protocol).sort("USUBJID")


def _refuse_values(study: Study, protocol: Protocol) -> None:
    faults = [
        fault
        for one in protocol.variables
        if one.source
        for fault in value_findings(study, one.source, name=one.name, kind=one.type, unit=one.unit)
    ]
    refuse(together(faults))


def _doses_given(study: Study) -> Study:
    """Leave out administrations that did not happen: dose 0 of anything but placebo."""
    ex = study.get("EX")
    if ex is None or not {"EXDOSE", "EXTRT"} <= set(ex.columns):
        return study
    placebo = pl.col("EXTRT").str.to_uppercase().str.contains("PLACEBO", literal=True)
    return {**study, "EX": ex.filter((pl.col("EXDOSE") != 0).fill_null(True) | placebo)}


def _from_dm(dm: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    wanted = FROM_DM | {factor.id: pl.String() for factor in factors(protocol)}
    return dm.select(
        (pl.col(name) if name in dm.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in wanted.items()
    )


def _joined(adsl: pl.DataFrame, record: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    return adsl.join(
        record.select("USUBJID", **columns), on="USUBJID", how="left", maintain_order="left"
    )


# -- dates and arms --------------------------------------------------------------------------


def _with_dates(
    adsl: pl.DataFrame, study: Study, protocol: Protocol, cutoff: date | None
) -> pl.DataFrame:
    data = protocol.data

    def record(source: Source) -> pl.DataFrame:
        rule = date_rule(data, source.dataset)
        return one_each(study, source, kind="text", rule=rule, cutoff=cutoff)

    when = pl.col("date")
    adsl = adsl.with_columns(
        RFICDT=as_date(adsl, "RFICDTC", data.event_dates)["date"],
        CUTDT=pl.lit(cutoff, pl.Date),
    ).drop("RFICDTC")
    adsl = _joined(adsl, record(data.randomised), RANDDT=when)
    adsl = _joined(adsl, record(data.first_treatment), TRTSDT=when)
    adsl = _joined(adsl, record(data.last_treatment), TRTEDT=when)
    therapies = pl.concat([record(each) for each in (NOWHERE, *data.new_therapy)])
    first = therapies.sort("USUBJID", "date", "flag", nulls_last=True).unique(
        "USUBJID", keep="first", maintain_order=True
    )
    adsl = _joined(adsl, first, NACTDT=when, NACTDTF=pl.col("flag"))
    why = pl.col("value")
    ended = record(data.end_of_study or NOWHERE)
    adsl = _joined(adsl, ended, EOSDT=when, DCSREAS=why, ended=pl.lit(True))
    adsl = _joined(adsl, record(data.screen_failure or NOWHERE), failed=why)
    stopped = record(data.end_of_treatment or NOWHERE)
    adsl = _joined(adsl, stopped, EOTDT=when, DCTREAS=why, stopped=pl.lit(True))
    adsl = _joined(adsl, _last_alive(study, protocol, cutoff), LSTALVDT=when)
    adsl = _joined(adsl, record(data.death), collected=pl.col("text"))
    adsl = _joined(adsl, record(data.death_cause or NOWHERE), cause=why)

    # a partial date of death is completed to a day that is not before the last sign of life
    death = as_date(adsl, "collected", data.event_dates, not_before=("LSTALVDT",))
    undated = (pl.col("DTHFL") == "Y") & pl.lit(cutoff is None)
    completed = pl.col("DCSREAS") == "COMPLETED"
    in_study = pl.lit(data.end_of_study is not None) & pl.col("RANDDT").is_not_null()
    treated = pl.lit(data.end_of_treatment is not None) & pl.col("TRTSDT").is_not_null()
    return (
        adsl.with_columns(DTHDT=death["date"], DTHDTF=death["flag"])
        .with_columns(
            DTHFL=pl.when(pl.col("DTHDT").is_not_null() | undated).then(pl.lit("Y")),
            DTHCAUS=pl.when(pl.col("DTHDT").is_not_null() | undated).then("cause"),
            DCSREAS=pl.coalesce(pl.when(~completed).then("DCSREAS"), "failed"),
            EOTSTT=pl.when(treated & (pl.col("DCTREAS") == "COMPLETED"))
            .then(pl.lit("COMPLETED"))
            .when(treated & pl.col("stopped"))
            .then(pl.lit("DISCONTINUED"))
            .when(treated)
            .then(pl.lit("ONGOING")),
            EOSSTT=pl.when(completed)
            .then(pl.lit("COMPLETED"))
            .when(pl.col("ended") | pl.col("DTHDT").is_not_null())
            .then(pl.lit("DISCONTINUED"))
            .when(in_study)
            .then(pl.lit("ONGOING")),
        )
        .drop("collected", "cause", "ended", "failed", "stopped")
    )


def _with_crossover(
    adsl: pl.DataFrame, study: Study, protocol: Protocol, cutoff: date | None
) -> pl.DataFrame:
    """Add XOVERPH, in which phase a subject changed treatment, and XOVERDT, when."""
    phases = [
        one_each(
            study,
            phase.source,
            kind="text",
            rule=date_rule(protocol.data, phase.source.dataset),
            cutoff=cutoff,
        ).select("USUBJID", "date", phase=pl.lit(phase.label), arm=pl.lit(crossover.from_))
        for crossover in protocol.crossover
        for phase in crossover.phases
    ]
    if not phases:
        return adsl
    found = pl.concat(phases).join(adsl.select("USUBJID", arm="TRT01P"), on=["USUBJID", "arm"])
    first = found.unique("USUBJID", keep="first", maintain_order=True)
    return _joined(adsl, first, XOVERPH=pl.col("phase"), XOVERDT=pl.col("date"))


def _last_alive(study: Study, protocol: Protocol, cutoff: date | None) -> pl.DataFrame:
    """Return the last date on which each subject was seen alive: USUBJID, date."""
    listed = {(each.dataset, each.date): each for each in (*SCANS, *protocol.data.alive)}
    seen = [pl.DataFrame(schema={"USUBJID": pl.String, "date": pl.Date})]
    for source in listed.values():
        if absent(study, source) or not source.date:
            continue
        records = matching(study[source.dataset], source)
        status = f"{source.dataset}STAT"
        if status in records.columns:
            records = records.filter(pl.col(status).ne_missing("NOT DONE"))
        days = as_date(records, source.date, date_rule(protocol.data, source.dataset))
        seen.append(records.select("USUBJID", date=days["date"]))
    dates = pl.concat(seen)
    if cutoff:
        dates = dates.filter(pl.col("date") <= cutoff)
    return dates.group_by("USUBJID").agg(pl.col("date").max())


def _with_arms(adsl: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    ids = {name: arm.id for arm in protocol.arms for name in (arm.id, *arm.names)}

    def arm_of(*columns: str) -> pl.Expr:
        return pl.coalesce(
            pl.col(column).replace_strict(ids, default=None, return_dtype=pl.String)
            for column in columns
        )

    adsl = adsl.with_columns(TRT01P=arm_of("ARMCD", "ARM"), TRT01A=arm_of("ACTARMCD", "ACTARM"))
    if adsl["ACTARMCD"].is_null().all() and adsl["ACTARM"].is_null().all():
        # a study that records no actual arm treated as it planned
        treated = pl.col("TRTSDT").is_not_null()
        adsl = adsl.with_columns(TRT01A=pl.when(treated).then("TRT01P"))
    return adsl


# -- the protocol's variables ----------------------------------------------------------------


def _with_variables(
    adsl: pl.DataFrame, study: Study, protocol: Protocol, cutoff: date | None
) -> pl.DataFrame:
    known = {one.name: one for one in protocol.variables}
    dated = date_columns(protocol)
    wanted = {
        name: (*needs(one), one.source.until or "") if one.source else needs(one)
        for name, one in known.items()
    }
    for name in in_order(wanted):
        variable = known[name]
        if variable.source:
            record = _record(adsl, study, variable, variable.source, protocol, cutoff)
            adsl = _joined(
                adsl.drop(name, strict=False),
                record,
                **{name: pl.col("value")},
                **({dated[name]: pl.col("date")} if name in dated else {}),
            )
        elif needs(variable):
            called = {each: each for each in adsl.columns}
            adsl = adsl.with_columns(
                made(adsl, variable, called=called, data=protocol.data).alias(name)
            )
        elif name not in adsl.columns:  # asked of a patient, not found in a study
            adsl = adsl.with_columns(pl.lit(None, DTYPES[variable.type]).alias(name))
    found_dates = [dated[name] for name in known if name in dated]
    others = [name for name in adsl.columns if name not in known and name not in found_dates]
    return adsl.select(
        *others,
        *(
            letter(pl.col(name)).alias(name) if one.type == "flag" else name
            for name, one in known.items()
        ),
        *found_dates,
    )


def _record(
    adsl: pl.DataFrame,
    study: Study,
    variable: Variable,
    source: Source,
    protocol: Protocol,
    cutoff: date | None,
) -> pl.DataFrame:
    """Return value and date for each subject; `none` stands for those without a record."""
    record = one_each(
        study,
        source,
        kind=variable.type,
        rule=date_rule(protocol.data, source.dataset),
        unit_days=protocol.data.days_in(variable.unit) if variable.unit in TIMES else 1.0,
        until=adsl.select("USUBJID", until=pl.col(source.until)) if source.until else None,
        cutoff=cutoff,
    ).select("USUBJID", "value", "date")
    if source.none is None or absent(study, source):
        return record
    others = adsl.join(record, on="USUBJID", how="anti").select(
        "USUBJID",
        value=pl.lit(source.none).cast(DTYPES[variable.type]),
        date=pl.lit(None, pl.Date),
    )
    return pl.concat([record, others])


# -- populations --------------------------------------------------------------------------------


def _with_populations(adsl: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    known = {one.flag: one for one in protocol.populations}
    named = {
        flag: {one.field for one in criteria.comparisons(population.holds)}
        for flag, population in known.items()
    }
    for flag in in_order(named):
        condition = known[flag].holds
        letters = [
            one.field
            for one in criteria.comparisons(condition)
            if one.operator == "is" and adsl.schema[one.field] == pl.String()
        ]
        judged = adsl.with_columns(pl.col(name) == "Y" for name in letters)
        member = judged.select(criteria.met(condition).fill_null(False)).to_series()
        adsl = adsl.with_columns(
            pl.when(member).then(pl.lit("Y")).otherwise(pl.lit("N")).alias(flag)
        )
    return adsl.select(*(name for name in adsl.columns if name not in known), *known)


# -- what the study lacks --------------------------------------------------------------------


def unavailable(study: Study, protocol: Protocol) -> pl.DataFrame:
    """List what the protocol asks of a subject that this study cannot tell.

    Columns VARIABLE, LABEL, REASON: subject dates, strata and variables without their dataset or
    its columns, and variables made of those.
    """
    data = protocol.data
    dates = (
        ("RANDDT", "Date of randomisation", (data.randomised,)),
        ("TRTSDT", "Date of first treatment", (data.first_treatment,)),
        ("TRTEDT", "Date of last treatment", (data.last_treatment,)),
        ("DTHDT", "Date of death", (data.death,)),
        ("EOSDT", "End of study", (data.end_of_study,) if data.end_of_study else ()),
        ("NACTDT", "First new anticancer therapy", data.new_therapy),
        ("LSTALVDT", "Last known alive", (*SCANS, *data.alive)),
    )
    reasons: dict[str, str] = {}
    labels = {name: label for name, label, _ in dates} | {
        one.name: one.label for one in protocol.variables
    }
    for name, _, sources in dates:
        lacking = [absent(study, source) for source in sources]
        if lacking and all(lacking):
            reasons[name] = "; ".join(dict.fromkeys(reason for reason in lacking if reason))
    known = {one.name: one for one in protocol.variables}
    for name in in_order({name: needs(one) for name, one in known.items()}):
        variable = known[name]
        lacking = [absent(study, variable.source)] if variable.source else []
        without = [each for each in needs(variable) if each in reasons]
        if lacking and lacking[0]:
            reasons[name] = lacking[0]
        elif variable.first_of and len(without) < len(variable.first_of):
            continue
        elif without:
            reasons[name] = f"made of {', '.join(without)}"
    for factor in factors(protocol):
        labels[factor.id] = labels.get(factor.id, factor.label)
        if factor.id not in known and factor.id not in study["DM"].columns:
            reasons[factor.id] = f"DM has no {factor.id}"
    return pl.DataFrame(
        {
            "VARIABLE": list(reasons),
            "LABEL": [labels[name] for name in reasons],
            "REASON": list(reasons.values()),
        },
        schema=dict.fromkeys(("VARIABLE", "LABEL", "REASON"), pl.String),
    )
