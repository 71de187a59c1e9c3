# SPDX-License-Identifier: Apache-2.0
"""Pages on which a recorded value is put right: by an appended record that says why."""

from starlette.responses import Response

from radioligand.service.corrections_view import (
    CENTRAL,
    can_be_corrected,
    changes,
    fields_of,
    infused_gbq,
    own_records,
)
from radioligand.service.deeds import UnfitError, key_of, patient_asked, recorded
from radioligand.service.events import Event, Patient, value_at
from radioligand.service.pages_findings import consent_day
from radioligand.service.portal import Ask, NotGivenError, Page, sent_to, shown
from radioligand.service.refusals import RefusalError
from radioligand.service.roles import Action


def show_correction(ask: Ask) -> Response:
    """The values of one record as they are now, to be put right."""
    patient = patient_asked(ask)
    return _form(ask, patient, _event(ask, patient))


def _event(ask: Ask, patient: Patient) -> Event:
    """Return the record of the address, with its values as corrected so far."""
    is_central = ask.may(Action.READ_CENTRALLY)
    for own, one in own_records(patient, is_central=is_central).items():
        if str(own) == ask.path["number"] and can_be_corrected(one, patient, is_central=is_central):
            return one
    raise NotGivenError(404, "There is no such record to correct.")


def _form(ask: Ask, patient: Patient, event: Event, says: str = "") -> Response:
    earlier = [
        one
        for one in patient.events
        if one.kind == "data corrected" and one.payload["corrects"] == event.number
    ]
    context = {
        "patient": patient,
        "event": event,
        "number": ask.path["number"],
        "fields": fields_of(event, ask.portal.protocol),
        "earlier": earlier,
        "form": ask.form,
        "key": ask.form.get("key") or ask.key,
        "path": "reading-corrections" if ask.may(Action.READ_CENTRALLY) else "corrections",
        "says": says,
    }
    return shown(ask, "correction.html", context, status=422 if says else 200)


def correct(ask: Ask) -> Response:
    """Append the correction; the first record stays as it is."""
    patient = patient_asked(ask)
    event = _event(ask, patient)
    reason = ask.form.get("reason", "").strip()
    try:
        if len(reason) < 3:
            raise UnfitError("A correction needs its reason.")
        was, now = changes(event, ask.form, patient, protocol=ask.portal.protocol, now=ask.now)
        said = {"corrects": event.number, "kind": event.kind, "was": was, "now": now}
        recorded(ask, "data corrected", patient, said, reason=reason)
        _follow(ask, event, reason)
    except (ValueError, RefusalError) as error:
        return _form(ask, patient, event, str(error))
    return sent_to(f"/patients/{patient.subject}")


def _follow(ask: Ask, event: Event, reason: str) -> None:
    """Record what follows of a correction: consent on the form, activity, confirmed progression."""
    patient = patient_asked(ask)
    if event.kind == "consented":
        _follow_consent(ask, patient, reason)
    if event.kind == "dose received":
        _follow_receipt(ask, patient, event, reason)
    if event.kind == "imaging recorded" and event.payload["evaluator"] == CENTRAL:
        _follow_reading(ask, patient, reason)


def _follow_consent(ask: Ask, patient: Patient, reason: str) -> None:
    day = consent_day(patient)
    path = "form/fields/consent_date"
    for one in patient.events:
        was = value_at(one.payload, path) if one.kind == "screened" else None
        if was and was["value"] != day:
            said = {"corrects": one.number, "kind": one.kind}
            values = {"was": {path: was}, "now": {path: {**was, "value": day}}}
            _append(ask, "data corrected", patient, said | values, reason)


def _follow_receipt(ask: Ask, patient: Patient, receipt: Event, reason: str) -> None:
    cycle = receipt.payload["cycle"]
    for one in patient.events:
        if one.kind != "dose infused" or one.payload["cycle"] != cycle:
            continue
        was, now = one.payload["activity_gbq"], infused_gbq(one.payload, patient)
        if was != now:
            said = {"corrects": one.number, "kind": one.kind}
            values = {"was": {"activity_gbq": was}, "now": {"activity_gbq": now}}
            _append(ask, "data corrected", patient, said | values, reason)


def _follow_reading(ask: Ask, patient: Patient, reason: str) -> None:
    days = [
        one.payload["date"]
        for one in patient.events
        if one.kind == "imaging recorded"
        and (one.payload["evaluator"], one.payload["response"]) == (CENTRAL, "PD")
    ]
    confirmed = [
        one.payload["date"] for one in patient.events if one.kind == "progression confirmed"
    ]
    holds = "progression confirmed" in patient.facts
    if not days and holds:
        _append(ask, "progression withdrawn", patient, {"date": confirmed[-1]}, reason)
    elif days and not (holds and confirmed[-1] == min(days)):
        _append(ask, "progression confirmed", patient, {"date": min(days)}, reason)


def _append(ask: Ask, kind: str, patient: Patient, payload: dict[str, object], reason: str) -> None:
    key, about = key_of(ask), payload.get("corrects", "")
    ask.portal.ledger.record(
        kind,
        actor=ask.signed_in.account.name,
        subject=patient.subject,
        site=patient.site,
        payload=payload,
        reason=reason,
        key=f"{key[:70]}:{kind}{about}" if key else None,
    )


HERE = "/patients/{subject}"
PAGES = tuple(
    page
    for path, action in (
        ("corrections", Action.CORRECT),
        ("reading-corrections", Action.READ_CENTRALLY),
    )
    for page in (
        Page(path=f"{HERE}/{path}/{{number}}", method="GET", action=action, answer=show_correction),
        Page(path=f"{HERE}/{path}/{{number}}", method="POST", action=action, answer=correct),
    )
)
