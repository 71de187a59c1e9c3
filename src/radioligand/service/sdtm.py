# SPDX-License-Identifier: Apache-2.0
"""The ledger's patients as SDTM: what was recorded goes where the protocol looks for it."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from radioligand.io.outputs import parquet
from radioligand.protocol import Protocol
from radioligand.protocol.records import Source, Variable
from radioligand.service.events import Event, Patient
from radioligand.service.laboratory_view import TEST_OF
from radioligand.service.lesions import images
from radioligand.service.sdtm_forms import questionnaire_rows, visit_rows
from radioligand.simulation.frames import dataset, numbered, supplemental

Row = dict[str, Any]
BLINDED_DOMAINS = ("DM", "DS", "MI", "RS", "SC", "SUPPDM", "TR", "TS", "TU", "VS")
ARM_COLUMNS = ("ARM", "ARMCD", "ACTARM", "ACTARMCD")
LESION_TESTS = {
    "LDIAM": "Longest Diameter",
    "LPERP": "Longest Perpendicular",
    "TUMSTATE": "Tumor State",
}
UNDATED = (1980, 1, 1, 0, 0, 0)  # the same data, the same bytes


def sdtm(
    patients: Sequence[Patient], *, protocol: Protocol, is_simulated: bool = False
) -> dict[str, pl.DataFrame]:
    """Return the study as SDTM datasets by name, patients in the order of their identifiers.

    A screening field is written where the protocol's variable has its source, so that eligibility
    found from these data is the eligibility that the site saw. Strata stand in SUPPDM as entered
    under the factor's name, and as corrected under that name with C in its last place.
    """
    rows: dict[str, list[Row]] = {}
    for patient in sorted(patients, key=lambda one: one.subject):
        for domain, row in _patient(patient, protocol):
            rows.setdefault(domain, []).append({"USUBJID": _identifier(patient, protocol)} | row)
    study = protocol.trial.name
    frames = {
        domain: dataset(
            domain, study, pl.DataFrame(found, infer_schema_length=None), order=_order(domain)
        )
        for domain, found in rows.items()
    }
    strata = _strata(patients, protocol)
    if strata is not None:
        frames["SUPPDM"] = strata
    frames["TS"] = _summary(patients, protocol, is_simulated=is_simulated)
    return dict(sorted(frames.items()))


def without_arms(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return what a blinded reader may take: no arm, no treatment, nothing that follows from it.

    Visits are planned from the first treatment, whose day would tell the arm: vital signs and
    performance status are those of screening.
    """
    kept = {name: frames[name] for name in BLINDED_DOMAINS if name in frames}
    for name in ("RS", "VS"):
        if name in kept and "VISIT" in kept[name].columns:
            at_visit = pl.col("VISIT").str.starts_with("VISIT ").fill_null(False)
            rest = kept[name].filter(~at_visit).drop(f"{name}SEQ")
            kept[name] = numbered(rest, name)
    kept["DM"] = kept["DM"].with_columns(pl.lit(None, pl.String).alias(one) for one in ARM_COLUMNS)
    kept["DM"] = kept["DM"].drop("RFSTDTC")
    if "DS" in kept:
        of_treatment = (pl.col("DSSCAT") == "STUDY TREATMENT").fill_null(False)
        kept["DS"] = numbered(kept["DS"].filter(~of_treatment).drop("DSSEQ"), "DS")
    return kept


def packed(frames: Mapping[str, pl.DataFrame], *, protocol: Protocol, last: Event | None) -> bytes:
    """Return a study as a zip of Parquet files, the same bytes for the same events.

    `last` is the last event of a patient that it holds: its number and hash stand beside the data.
    """
    told = {
        "trial": protocol.trial.id,
        "last_event": last.number if last else 0,
        "hash": last.hash if last else "",
    }
    files = {f"sdtm/{name.lower()}.parquet": parquet(frame) for name, frame in frames.items()}
    files["ledger.json"] = (json.dumps(told, indent=2) + "\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, UNDATED), content)
    return out.getvalue()


def last_event(patients: Sequence[Patient]) -> Event | None:
    """Return the last event of any patient; what happens to accounts and sites is no data."""
    events = (patient.events[-1] for patient in patients)
    return max(events, key=lambda one: one.number, default=None)


def _identifier(patient: Patient, protocol: Protocol) -> str:
    return f"{protocol.trial.name}-{patient.subject}"


def _order(domain: str) -> list[str]:
    dates = {"DM": "", "DS": "DSSTDTC", "EX": "EXSTDTC", "AE": "AESTDTC", "CM": "CMCAT"}
    dates |= {"PR": "PRCAT", "SV": "SVSTDTC"}
    wanted = dates.get(domain, f"{domain}DTC")
    return [wanted] if wanted else []


def _patient(patient: Patient, protocol: Protocol) -> Iterator[tuple[str, Row]]:
    screening = _screening_rows(patient, protocol)
    yield "DM", _demographics(patient, protocol) | screening.pop("DM", [{}])[0]
    for domain, found in screening.items():
        for row in found:
            yield domain, row
    for event in patient.events:
        yield from _event(event, patient, protocol)


def _day(patient: Patient, kind: str) -> str | None:
    days = [one.payload.get("date") for one in patient.events if one.kind == kind]
    return str(days[0]) if days else None


def _demographics(patient: Patient, protocol: Protocol) -> Row:
    arm = next((one for one in protocol.arms if one.id == patient.arm), None)
    treated = [
        str(one.payload["date"])
        for one in patient.events
        if one.kind in ("dose infused", "treatment given")
    ]
    consent = next((one.payload for one in patient.events if one.kind == "consented"), {})
    died = _day(patient, "died")
    reason = None if arm else "SCREEN FAILURE" if "screen failed" in patient.facts else None
    return {
        "SUBJID": patient.subject,
        "SITEID": patient.site,
        "RFSTDTC": min(treated, default=None),
        "RFICDTC": consent.get("consent_date"),
        "DTHDTC": died,
        "DTHFL": "Y" if died else None,
        "AGE": None,
        "AGEU": None,
        "SEX": None,
        "RACE": None,
        "ARMCD": arm.id if arm else None,
        "ARM": arm.label if arm else None,
        "ACTARMCD": arm.id if arm and treated else None,
        "ACTARM": arm.label if arm and treated else None,
        "ARMNRS": reason,
        "DMDTC": None,
    }


# -- the screening form ---------------------------------------------------------------------------


def _screening_rows(patient: Patient, protocol: Protocol) -> dict[str, list[Row]]:
    """Return the fields of the last form as records, each where its variable is looked for."""
    form = (patient.form or {}).get("fields", {})
    values = {name: entry for name, entry in form.items() if entry.get("value") is not None}
    found: dict[str, dict[frozenset[Any], Row]] = {}
    screened = str(values.get("screening_date", {}).get("value") or _day_screened(patient))
    for one in protocol.variables:
        entry = values.get(one.field or "")
        if entry is None:
            continue
        if one.recode_of == "SEX":
            codes = {word: code for code, word in one.recode.items()}
            found.setdefault("DM", {}).setdefault(frozenset(), {})["SEX"] = codes[entry["value"]]
        if one.source is None:
            continue
        where = {name: _plain(value) for name, value in one.source.where.items()}
        key = frozenset(item for item in where.items() if not item[0].endswith("OCCUR"))
        row = found.setdefault(one.source.dataset, {}).setdefault(key, {})
        row |= where | _record(one, one.source, entry, screened, values, protocol)
    return {domain: list(rows.values()) for domain, rows in found.items()}


def _day_screened(patient: Patient) -> str:
    days = [one.at[:10] for one in patient.events if one.kind == "screened"]
    return days[-1] if days else ""


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return value[0]
    return ("Y" if value else "N") if isinstance(value, bool) else value


def _record(
    variable: Variable,
    source: Source,
    entry: Mapping[str, Any],
    screened: str,
    values: Mapping[str, Any],
    protocol: Protocol,
) -> Row:
    domain, value = source.dataset, _plain(entry["value"])
    row: Row = {} if domain == "DM" else _named(domain, variable, source)
    if source.take == "longest" and source.date and source.end:
        days = round(float(value) * protocol.data.days_in(variable.unit or "days"))
        end = date.fromisoformat(_end_of(variable, values, screened, protocol))
        start = end - timedelta(days=days)
        return row | {source.date: start.isoformat(), source.end: end.isoformat()}
    if variable.type == "date" and source.date:
        return row | {source.date: value}
    if source.date and domain != "DM":
        row[source.date] = entry.get("date") or screened
    if source.value:
        row[source.value] = value
        if source.value.endswith("STRESN"):
            row[f"{domain}STRESC"] = f"{value:g}"
            row[f"{domain}STRESU"] = variable.unit
    if source.unit:
        row[source.unit] = "YEARS" if source.unit == "AGEU" else variable.unit
    return row


def _named(domain: str, variable: Variable, source: Source) -> Row:
    """Return what names a record to people beside its code."""
    if domain in ("CM", "PR"):
        said = source.where.get(f"{domain}SCAT", variable.label)
        return {f"{domain}TRT": str(_plain(said)).upper()}
    return {f"{domain}TEST": variable.label[:40]}


def _end_of(
    variable: Variable, values: Mapping[str, Any], screened: str, protocol: Protocol
) -> str:
    """Return the last day of the spell: the form's own, if it asks for it, else screening."""
    spell = variable.source
    for one in protocol.variables:
        source = one.source
        if spell is None or source is None or (one.field or "") not in values:
            continue
        if (source.dataset, source.where, source.date) == (spell.dataset, spell.where, spell.end):
            return str(values[one.field or ""]["value"])
    return screened


# -- events ---------------------------------------------------------------------------------------


def _event(event: Event, patient: Patient, protocol: Protocol) -> Iterator[tuple[str, Row]]:
    said, day = event.payload, str(event.payload.get("date", event.at[:10]))
    match event.kind:
        case "consented":
            yield "DS", _milestone("INFORMED CONSENT OBTAINED", str(said["consent_date"]))
        case "randomised":
            yield "DS", _milestone("RANDOMIZED", day)
        case "screen failed":
            yield "DS", _disposition("SCREEN FAILURE", event.reason, None, event.at[:10])
        case "treatment ended":
            yield "DS", _disposition(event.reason, event.reason, "STUDY TREATMENT", day)
        case "left the study":
            yield "DS", _disposition(event.reason, event.reason, "STUDY PARTICIPATION", day)
        case "died":
            yield "DS", _disposition("DEATH", "DEATH", "STUDY PARTICIPATION", day)
            yield (
                "DD",
                {
                    "DDTESTCD": "PRCDTH",
                    "DDTEST": "Primary Cause of Death",
                    "DDSTRESC": said["cause"],
                    "DDDTC": day,
                },
            )
        case "laboratory recorded":
            for code, entry in said["tests"].items():
                if entry["value"] is not None:
                    yield "LB", _laboratory(code, entry, day)
        case "visit recorded":
            yield from visit_rows(event, patient)
        case "questionnaire recorded":
            yield from questionnaire_rows(event, patient, protocol)
        case "adverse event recorded":
            yield "AE", _adverse_event(said, day)
        case "imaging recorded":
            yield from _image(event, patient)
        case "dose infused":
            yield "EX", _infusion(event, patient, protocol)
        case "treatment given":
            yield (
                "EX",
                {
                    "EPOCH": _epoch(event, patient),
                    "EXTRT": said["drug"],
                    "EXDOSE": float(said["amount"]),
                    "EXDOSU": said["unit"],
                    "EXROUTE": said["route"],
                    "EXSTDTC": day,
                    "EXENDTC": day,
                    "VISIT": None,
                    "EXADJ": None,
                },
            )


def _milestone(says: str, day: str) -> Row:
    return _disposition(says, says, None, day) | {"DSCAT": "PROTOCOL MILESTONE"}


def _disposition(code: str | None, term: str | None, category: str | None, day: str) -> Row:
    return {
        "DSTERM": term,
        "DSDECOD": code,
        "DSCAT": "DISPOSITION EVENT",
        "DSSCAT": category,
        "DSSTDTC": day,
    }


def _laboratory(code: str, entry: Mapping[str, Any], day: str) -> Row:
    low, high, value = entry.get("low"), entry.get("high"), float(entry["value"])
    return {
        "LBTESTCD": code,
        "LBTEST": TEST_OF[code].label if code in TEST_OF else code,
        "LBSTRESC": f"{value:g}",
        "LBSTRESN": value,
        "LBSTRESU": entry["unit"],
        "LBSTNRLO": None if low is None else float(low),
        "LBSTNRHI": None if high is None else float(high),
        "LBDTC": day,
    }


def _adverse_event(said: Mapping[str, Any], day: str) -> Row:
    is_related = "Y" if said["is_related"] else "N"
    return {
        "AETERM": str(said["term"]).upper(),
        "AEDECOD": said["term"],
        "AETOXGR": str(said["grade"]),
        "AESER": "Y" if said["is_serious"] else "N",
        "AEREL": is_related,
        "AERELLU": is_related,
        "AESTDTC": day,
        "AEENDTC": None,
    }


def _image(event: Event, patient: Patient) -> Iterator[tuple[str, Row]]:
    """Yield response and lesions of an image; visits are numbered as one reader saw them."""
    said, day = event.payload, str(event.payload["date"])
    reader = str(said["evaluator"])
    seen = images(patient, reader)
    number = 1.0 + seen.index(event)
    visit = {"VISIT": f"IMAGING {number:g}", "VISITNUM": number}
    if said["response"] != "BASELINE":
        yield (
            "RS",
            {
                "RSTESTCD": "OVRLRESP",
                "RSTEST": "Overall Response",
                "RSCAT": "RECIST 1.1",
                "RSSTRESC": said["response"],
                "RSEVAL": reader,
                "RSDTC": day,
            }
            | visit,
        )
    earlier = {
        one["link"]
        for before in seen[: int(number) - 1]
        for one in before.payload.get("lesions", ())
    }
    for one in said.get("lesions", ()):
        if one["link"] not in earlier:
            yield "TU", _identified(one, reader, day) | visit
        yield "TR", _measured(one, reader, day) | visit


def _identified(lesion: Mapping[str, Any], reader: str, day: str) -> Row:
    return {
        "TULNKID": lesion["link"],
        "TUTESTCD": "TUMIDENT",
        "TUTEST": "Tumor Identification",
        "TUSTRESC": lesion["kind"],
        "TULOC": lesion["location"],
        "TUEVAL": reader,
        "TUDTC": day,
    }


def _measured(lesion: Mapping[str, Any], reader: str, day: str) -> Row:
    value, result = lesion["value"], lesion["result"]
    return {
        "TRLNKID": lesion["link"],
        "TRGRPID": lesion["kind"],
        "TRTESTCD": lesion["test"],
        "TRTEST": LESION_TESTS[lesion["test"]],
        "TRSTAT": "NOT DONE" if result is None else None,
        "TRSTRESC": result,
        "TRSTRESN": None if value is None else float(value),
        "TRSTRESU": "mm" if value is not None else None,
        "TREVAL": reader,
        "TRDTC": day,
    }


def _epoch(event: Event, patient: Patient) -> str:
    """Return whether an administration was of randomised treatment, or came after crossover."""
    approved = [one.number for one in patient.events if one.kind == "crossover approved"]
    return "CROSSOVER" if approved and approved[0] < event.number else "TREATMENT"


def _infusion(event: Event, patient: Patient, protocol: Protocol) -> Row:
    said = event.payload
    decided = [
        one.payload
        for one in patient.events
        if one.kind == "dose decided"
        and one.payload["cycle"] == said["cycle"]
        and one.number < event.number
    ]
    is_reduced = bool(decided) and decided[-1]["decision"] == "half"
    return {
        "EPOCH": _epoch(event, patient),
        "EXTRT": protocol.dosing.treatment if protocol.dosing else None,
        "EXDOSE": float(said["activity_gbq"]),
        "EXDOSU": "GBq",
        "EXROUTE": "INTRAVENOUS",
        "EXSTDTC": str(said["started"])[:16],
        "EXENDTC": str(said["started"])[:16],
        "VISIT": f"CYCLE {said['cycle']} DAY 1",
        "EXADJ": "DOSE REDUCED" if is_reduced else None,
    }


# -- strata and summary ---------------------------------------------------------------------------


def _strata(patients: Sequence[Patient], protocol: Protocol) -> pl.DataFrame | None:
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    there = sorted((one for one in patients if one.strata_entered), key=lambda one: one.subject)
    if not there or not factors:
        return None
    qualifiers: dict[str, tuple[str, Any]] = {}
    for factor in factors:
        entered = [(one.strata_entered or {})[factor.id] for one in there]
        corrected = [
            (one.strata or {})[factor.id] if one.strata != one.strata_entered else None
            for one in there
        ]
        qualifiers[factor.id] = (f"{factor.label}, as randomised", entered)
        if any(corrected):
            qualifiers[f"{factor.id[:7]}C"] = (f"{factor.label}, as corrected", corrected)
    subjects = [_identifier(one, protocol) for one in there]
    return supplemental("DM", protocol.trial.name, subjects, qualifiers)


def _summary(
    patients: Sequence[Patient], protocol: Protocol, *, is_simulated: bool
) -> pl.DataFrame:
    trial = protocol.trial
    rows = [
        ("TITLE", "Trial Title", trial.title),
        ("REGID", "Registry Identifier", trial.registry),
        ("ACTSUB", "Actual Number of Subjects", str(sum(one.arm is not None for one in patients))),
        ("NARMS", "Planned Number of Arms", str(len(protocol.arms))),
    ]
    if is_simulated:
        rows.append(("SIMULATD", "Patients are simulated", "Y"))
    code, name, value = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "STUDYID": [trial.name] * len(rows),
            "DOMAIN": ["TS"] * len(rows),
            "TSSEQ": [1] * len(rows),
            "TSPARMCD": code,
            "TSPARM": name,
            "TSVAL": value,
        }
    )
