# SPDX-License-Identifier: Apache-2.0
"""A study in SDTM as the steps that a ledger would have recorded: how a trial starts from data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import polars as pl

from radioligand.cdisc import join_supplemental
from radioligand.protocol import Protocol
from radioligand.screening import inputs
from radioligand.service.dose_view import radioligand_of
from radioligand.service.laboratory_view import TEST_OF
from radioligand.service.sdtm_forms import where_of
from radioligand.service.vital_signs import SIGN_OF
from radioligand.subjects import derive_adsl, fields

Study = Mapping[str, pl.DataFrame]
CROSSOVER = "CROSSOVER"  # how EPOCH names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of a patient on its day; `arm` is what the data say of a randomisation."""

    day: date
    kind: str
    subject: str
    site: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    is_signed: bool = False
    arm: str | None = None
    has_crossed: bool = False  # comes after all that happened that day before the crossover


# what happens on one day happens in this order
_ORDER = (
    "consented",
    "screened",
    "screen failed",
    "eligibility signed",
    "randomised",
    "laboratory recorded",
    "adverse event recorded",
    "imaging recorded",
    "questionnaire recorded",
    "visit recorded",
    "progression confirmed",
    "crossover requested",
    "crossover approved",
    "dose planned",
    "labs checked",
    "dose decided",
    "dose ordered",
    "dose received",
    "dose infused",
    "treatment given",
    "treatment ended",
    "left the study",
    "died",
)


def steps(study: Study, *, protocol: Protocol, until: date | None = None) -> list[Step]:
    """Return what a study holds as steps, in the order of their days up to `until`.

    Consent, screening form, signature, randomisation, laboratory values of the portal's tests,
    related and other adverse events, central and local responses, questionnaires, vital signs,
    doses before and after crossover, the end of treatment and of study, death. Records that the
    ledger has no event for are left out.
    """
    joined = join_supplemental(study).frames
    adsl = derive_adsl(joined, protocol=protocol)
    people = {
        row["USUBJID"]: row
        for row in adsl.select("USUBJID", "SUBJID", "SITEID", "RANDDT", "TRT01P").to_dicts()
    }
    found = [
        *_entry(joined, adsl, protocol),
        *_laboratory(joined, people),
        *_adverse_events(joined, people),
        *_responses(joined, people),
        *_questionnaires(joined, people, protocol),
        *_visits(joined, people),
        *_doses(joined, people, protocol),
        *_ends(adsl),
    ]
    consent = {one.subject: one.day for one in found if one.kind == "consented"}
    # what was found before consent, such as an earlier image, enters the record with it
    dated = (
        replace(one, day=max(one.day, consent[one.subject]))
        for one in found
        if one.subject in consent
    )
    kept = [one for one in dated if until is None or one.day <= until]
    return sorted(
        kept, key=lambda one: (one.day, one.subject, one.has_crossed, _ORDER.index(one.kind))
    )


def _of(people: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    row = people[identifier]
    return {"subject": row["SUBJID"], "site": row["SITEID"]}


def _entry(study: Study, adsl: pl.DataFrame, protocol: Protocol) -> Iterator[Step]:
    """Yield consent, form, signature and randomisation of each subject."""
    asked = fields(adsl, protocol=protocol).to_dicts()
    reasons = {row["USUBJID"]: row["DCSREAS"] for row in adsl.to_dicts()}
    for row, form in zip(adsl.to_dicts(), asked, strict=True):
        who: dict[str, Any] = {"subject": row["SUBJID"], "site": row["SITEID"]}
        consent = row["RFICDT"]
        if consent is None:
            continue
        screened = row.get("SCRDT") or consent
        yield Step(
            day=consent, kind="consented", payload={"consent_date": consent.isoformat()}, **who
        )
        filled = {"subject": row["SUBJID"], "fields": _form(form, protocol)}
        randomised = row["RANDDT"]
        yield Step(day=screened, kind="screened", payload={"form": filled}, **who)
        if randomised is None:
            reason = reasons[row["USUBJID"]] or "not recorded"
            yield Step(day=screened, kind="screen failed", reason=reason, **who)
            continue
        yield Step(day=randomised, kind="eligibility signed", is_signed=True, **who)
        yield Step(day=randomised, kind="randomised", is_signed=True, arm=row["TRT01P"], **who)


def _form(known: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    """Return a screening form of what is known, dates of findings with it."""
    form: dict[str, Any] = {}
    for one in inputs(protocol):
        value = known.get(one.field)
        if value is None:
            continue
        entry: dict[str, Any] = {"value": value.isoformat() if one.type == "date" else value}
        if one.unit:
            entry["unit"] = one.unit
        found = known.get(f"{one.field}_date")
        if one.is_dated and found is not None:
            entry["date"] = found.isoformat()
        form[one.field] = entry
    return form


def _laboratory(study: Study, people: Mapping[str, Any]) -> Iterator[Step]:
    lb = study.get("LB")
    if lb is None:
        return
    known = lb.filter(
        pl.col("LBTESTCD").is_in(list(TEST_OF)),
        pl.col("LBSTRESN").is_not_null(),
        pl.col("LBDTC").is_not_null(),
    )
    for (identifier, day), rows in known.group_by(["USUBJID", "LBDTC"], maintain_order=True):
        tests = {
            row["LBTESTCD"]: {
                "value": row["LBSTRESN"],
                "unit": row["LBSTRESU"],
                "low": row.get("LBSTNRLO"),
                "high": row.get("LBSTNRHI"),
            }
            for row in rows.to_dicts()
        }
        when = str(day)[:10]
        yield Step(
            day=date.fromisoformat(when),
            kind="laboratory recorded",
            payload={"date": when, "tests": tests},
            **_of(people, str(identifier)),
        )


def _adverse_events(study: Study, people: Mapping[str, Any]) -> Iterator[Step]:
    ae = study.get("AE")
    for row in ae.to_dicts() if ae is not None else ():
        day = (row["AESTDTC"] or "")[:10]
        if len(day) == 10:
            payload = {
                "term": row["AEDECOD"] or row["AETERM"],
                "date": day,
                "grade": int(row["AETOXGR"]),
                "is_related": (row.get("AERELLU") or row.get("AEREL")) == "Y",
                "is_serious": row["AESER"] == "Y",
            }
            yield Step(
                day=date.fromisoformat(day),
                kind="adverse event recorded",
                payload=payload,
                **_of(people, row["USUBJID"]),
            )


def _responses(study: Study, people: Mapping[str, Any]) -> Iterator[Step]:
    """Yield every image of each reader, and the first progression by central review."""
    rs = study.get("RS")
    if rs is None:
        return
    overall = rs.filter(pl.col("RSTESTCD") == "OVRLRESP", pl.col("RSDTC").str.len_chars() >= 10)
    told = {
        (row["USUBJID"], row["RSEVAL"], row["VISITNUM"]): (row["RSDTC"][:10], row["RSSTRESC"])
        for row in overall.to_dicts()
    }
    measured = _lesions(study)
    confirmed: set[str] = set()
    for key in sorted({*told, *measured}, key=str):
        lesions = measured.get(key, [])
        day, response = told.get(key, (lesions[0]["date"] if lesions else "", "BASELINE"))
        payload = {
            "date": day,
            "evaluator": key[1],
            "response": response,
            "lesions": [{name: one[name] for name in one if name != "date"} for one in lesions],
        }
        on, who = date.fromisoformat(day), _of(people, key[0])
        yield Step(day=on, kind="imaging recorded", payload=payload, **who)
    for key, (day, response) in sorted(told.items(), key=lambda item: item[1][0]):
        is_first = key[0] not in confirmed
        if key[1] == "INDEPENDENT ASSESSOR" and response == "PD" and is_first:
            confirmed.add(key[0])
            yield Step(
                day=date.fromisoformat(day),
                kind="progression confirmed",
                payload={"date": day},
                **_of(people, key[0]),
            )


def _lesions(study: Study) -> dict[tuple[str, str, float], list[dict[str, Any]]]:
    """Return the lesions of each image, by subject, reader and visit."""
    tr, tu = study.get("TR"), study.get("TU")
    if tr is None or tu is None:
        return {}
    places = {
        (row["USUBJID"], row["TUEVAL"], row["TULNKID"]): (row["TUSTRESC"], row["TULOC"])
        for row in tu.to_dicts()
    }
    found: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for row in tr.filter(pl.col("TRDTC").str.len_chars() >= 10).to_dicts():
        kind, location = places.get(
            (row["USUBJID"], row["TREVAL"], row["TRLNKID"]), ("TARGET", "UNKNOWN")
        )
        lesion = {
            "date": row["TRDTC"][:10],
            "link": row["TRLNKID"],
            "kind": kind,
            "location": location,
            "test": row["TRTESTCD"],
            "value": row["TRSTRESN"],
            "result": row["TRSTRESC"],
        }
        found.setdefault((row["USUBJID"], row["TREVAL"], row["VISITNUM"]), []).append(lesion)
    return found


def _questionnaires(study: Study, people: Mapping[str, Any], protocol: Protocol) -> Iterator[Step]:
    """Yield the questionnaires of the protocol's instruments, one a subject and day."""
    qs, plan = study.get("QS"), protocol.quality_of_life
    if qs is None or plan is None:
        return
    answered = qs.filter(pl.col("QSSTRESN").is_not_null(), pl.col("QSDTC").str.len_chars() >= 10)
    found: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for name in (plan.instrument, *(one.instrument for one in plan.modules)):
        wanted = [
            pl.col(key).is_in(list(value) if isinstance(value, tuple) else [value])
            for key, value in where_of(name, protocol).items()
        ]
        for row in answered.filter(*wanted).to_dicts():
            form = found.setdefault((row["USUBJID"], row["QSDTC"][:10]), {})
            form.setdefault(name, {})[str(int(row["QSTESTCD"][-2:]))] = int(row["QSSTRESN"])
    for (identifier, day), answers in found.items():
        yield Step(
            day=date.fromisoformat(day),
            kind="questionnaire recorded",
            payload={"date": day, "answers": answers},
            **_of(people, identifier),
        )


def _visits(study: Study, people: Mapping[str, Any]) -> Iterator[Step]:
    """Yield the vital signs that the portal has a place for, one visit a subject and day."""
    vs, rs = study.get("VS"), study.get("RS")
    found: dict[tuple[str, str], dict[str, float]] = {}
    for prefix, frame in (("VS", vs), ("RS", rs)):
        if frame is None or f"{prefix}STRESN" not in frame.columns:
            continue
        known = frame.filter(
            pl.col(f"{prefix}TESTCD").is_in(list(SIGN_OF)),
            pl.col(f"{prefix}STRESN").is_not_null(),
            pl.col(f"{prefix}DTC").str.len_chars() >= 10,
        )
        for row in known.to_dicts():
            signs = found.setdefault((row["USUBJID"], row[f"{prefix}DTC"][:10]), {})
            signs[row[f"{prefix}TESTCD"]] = float(row[f"{prefix}STRESN"])
    for (identifier, day), signs in found.items():
        yield Step(
            day=date.fromisoformat(day),
            kind="visit recorded",
            payload={"date": day, "signs": signs},
            **_of(people, identifier),
        )


def _doses(study: Study, people: Mapping[str, Any], protocol: Protocol) -> Iterator[Step]:
    """Yield the doses of randomised treatment and, with its approval, of crossover.

    Those of the radioligand come with the steps before them; re-treatment is left out.
    """
    ex = study.get("EX")
    plan = radioligand_of(protocol)
    if ex is None:
        return
    given = ex.filter(
        pl.col("EPOCH").is_in(["TREATMENT", CROSSOVER]),
        pl.col("EXDOSE") > 0,
        pl.col("EXSTDTC").is_not_null(),
    )
    cycles: dict[str, int] = {}
    crossed: set[str] = set()
    for row in given.sort("EXSTDTC", maintain_order=True).to_dicts():
        identifier, day = row["USUBJID"], row["EXSTDTC"][:10]
        on, who = date.fromisoformat(day), _of(people, identifier)
        if row["EPOCH"] == CROSSOVER:
            who["has_crossed"] = True
            if identifier not in crossed:
                yield Step(day=on, kind="crossover requested", **who)
                yield Step(day=on, kind="crossover approved", is_signed=True, **who)
            crossed.add(identifier)
        if plan is None or row["EXTRT"] != plan.name:
            payload = {
                "drug": row["EXTRT"],
                "date": day,
                "amount": row["EXDOSE"],
                "unit": row["EXDOSU"],
                "route": row["EXROUTE"],
            }
            yield Step(day=on, kind="treatment given", payload=payload, **who)
            continue
        cycles[identifier] = cycle = cycles.get(identifier, 0) + 1
        started = row["EXSTDTC"] if len(row["EXSTDTC"]) > 10 else f"{day}T12:00"
        yield from _dose(cycle, on, f"{started}:00+00:00", float(row["EXDOSE"]), plan.amount, who)


def _dose(
    cycle: int,
    on: date,
    started: str,
    activity_gbq: float,
    planned_gbq: float | None,
    who: Mapping[str, Any],
) -> Iterator[Step]:
    said: dict[str, Any] = {"cycle": cycle, "date": on.isoformat()}
    is_half = planned_gbq is not None and activity_gbq < 0.75 * planned_gbq
    decided = {
        "decision": "half" if is_half else "full",
        "activity_gbq": activity_gbq,
        "says": "As the study recorded it.",
    }
    held = {"activity_gbq": activity_gbq}
    order: dict[str, Any] = {"infusion": started, "calibration": started}
    order |= {"activity_at_calibration_gbq": activity_gbq}
    for kind, more in (
        ("dose planned", {}),
        ("labs checked", {"values_of": []}),
        ("dose decided", decided),
        ("dose ordered", held | order),
        ("dose received", held | {"measured": started}),
        ("dose infused", held | {"started": started, "residual_gbq": 0.0}),
    ):
        signed = kind == "dose decided"
        yield Step(day=on, kind=kind, payload=said | more, is_signed=signed, **who)


def _ends(adsl: pl.DataFrame) -> Iterator[Step]:
    for row in adsl.to_dicts():
        who: dict[str, Any] = {"subject": row["SUBJID"], "site": row["SITEID"]}
        if row["RANDDT"] is None:
            continue
        if row["EOTDT"] is not None and row["EOTSTT"] != "ONGOING":
            day = max(row["EOTDT"], row["RANDDT"])
            yield Step(
                day=day,
                kind="treatment ended",
                payload={"date": day.isoformat()},
                reason=row["DCTREAS"] or "not recorded",
                **who,
            )
        if row["DTHDT"] is not None:
            said = {"date": row["DTHDT"].isoformat(), "cause": row["DTHCAUS"] or "UNKNOWN"}
            yield Step(day=row["DTHDT"], kind="died", payload=said, **who)
        elif row["EOSDT"] is not None:
            reason = row["DCSREAS"] or "not recorded"
            said = {"date": row["EOSDT"].isoformat()}
            yield Step(day=row["EOSDT"], kind="left the study", payload=said, reason=reason, **who)
