# SPDX-License-Identifier: Apache-2.0
"""Pages of what the schedule asks for: the list of what is due, questionnaires, visits, the end."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from radioligand.quality_of_life.instruments import INSTRUMENTS, highest_answers
from radioligand.service.deeds import (
    UnfitError,
    day_typed,
    number_typed,
    patients_seen,
    recorded,
)
from radioligand.service.due_view import SOON_DAYS, Due, assessments, everything_due
from radioligand.service.events import Patient
from radioligand.service.pages_findings import consent_day, deed, page, pair
from radioligand.service.portal import Ask, Page, shown
from radioligand.service.roles import Action
from radioligand.service.vital_signs import SIGNS

ENDS = (
    "COMPLETED",
    "WITHDRAWAL BY SUBJECT",
    "LOST TO FOLLOW-UP",
    "PHYSICIAN DECISION",
    "STUDY TERMINATED BY SPONSOR",
)


# -- what is due ----------------------------------------------------------------------------------


def show_due(ask: Ask) -> Response:
    """Everything that is overdue, or due within four weeks, of the patients of the site."""
    found = [
        (patient.subject, due)
        for patient in patients_seen(ask)
        for due in everything_due(patient, protocol=ask.portal.protocol, today=ask.today)
        if _is_near(due, ask)
    ]
    rows = sorted(found, key=lambda row: (row[1].day, row[0]))
    return shown(ask, "due.html", {"rows": rows, "days": SOON_DAYS})


def _is_near(due: Due, ask: Ask) -> bool:
    return due.state in ("due", "overdue") or (
        due.state == "planned" and (due.day - ask.today).days <= SOON_DAYS
    )


# -- questionnaires -------------------------------------------------------------------------------


def instruments_of(ask: Ask) -> tuple[str, ...]:
    """Return the questionnaires that the protocol names: the core and its modules."""
    plan = ask.portal.protocol.quality_of_life
    return (plan.instrument, *(one.instrument for one in plan.modules)) if plan else ()


def _items(name: str) -> list[tuple[int, str, int]]:
    """Return number, scale and highest answer of each item, in the order of the paper form."""
    most = highest_answers(name)
    scales = {item: one.label for one in INSTRUMENTS[name].values() for item in one.items}
    return [(item, scales[item], most[item]) for item in sorted(most)]


def _questionnaire(ask: Ask, patient: Patient) -> dict[str, Any]:
    due = assessments(patient, protocol=ask.portal.protocol, today=ask.today, of=("QS",))
    return {"instruments": [(name, _items(name)) for name in instruments_of(ask)], "due": due}


def _record_questionnaire(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date of the questionnaire", not_before=consent_day(patient))
    answers: dict[str, dict[str, int]] = {}
    for name in instruments_of(ask):
        for item, _, most in _items(name):
            text = ask.form.get(f"{name} {item}", "").strip()
            if not text:
                continue
            if text not in {str(one) for one in range(1, most + 1)}:
                raise UnfitError(f"Item {item}: an answer is a whole number from 1 to {most}.")
            answers.setdefault(name, {})[str(item)] = int(text)
    if not answers:
        raise UnfitError("No answer was filled in.")
    recorded(ask, "questionnaire recorded", patient, {"date": day, "answers": answers})


show_questionnaire = page("questionnaire.html", _questionnaire)
record_questionnaire = deed(show_questionnaire, _record_questionnaire)


# -- visits ---------------------------------------------------------------------------------------


def _visit(ask: Ask, patient: Patient) -> dict[str, Any]:
    due = assessments(patient, protocol=ask.portal.protocol, today=ask.today, of=("VS",))
    return {"signs": SIGNS, "due": due}


def _record_visit(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date of the visit", not_before=consent_day(patient))
    signs: dict[str, float] = {}
    faults = []
    for one in SIGNS:
        if not ask.form.get(one.code, "").strip():
            continue
        limits: Mapping[str, float] = {"lowest": one.lowest, "highest": one.highest}
        try:
            signs[one.code] = number_typed(ask, one.code, label=one.label, **limits)
        except UnfitError as error:
            faults.append(str(error))
    if faults:
        raise UnfitError(" ".join(faults))
    if not signs:
        raise UnfitError("No value was filled in.")
    recorded(ask, "visit recorded", patient, {"date": day, "signs": signs})


show_visit = page("visit.html", _visit)
record_visit = deed(show_visit, _record_visit)


# -- the end of the study -------------------------------------------------------------------------


def _leave(ask: Ask, patient: Patient) -> None:
    day = day_typed(ask, "date", label="Date", not_before=consent_day(patient))
    reason = ask.form.get("reason", "")
    if reason not in ENDS:
        raise UnfitError("Choose one of the reasons.")
    recorded(ask, "left the study", patient, {"date": day}, reason=reason)


show_leaving = page("leaving.html", lambda ask, patient: {"reasons": ENDS})
leave = deed(show_leaving, _leave)

PAGES = (
    Page(path="/due", method="GET", action=Action.SEE_DUE, answer=show_due),
    *pair("questionnaire", Action.RECORD, show_questionnaire, record_questionnaire),
    *pair("visit", Action.RECORD, show_visit, record_visit),
    *pair("leaving", Action.DECIDE_DOSE, show_leaving, leave),
)
