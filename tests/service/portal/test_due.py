# SPDX-License-Identifier: Apache-2.0
"""What is due of a patient and when, worked out by hand from the schedule of NETTER-2."""

from dataclasses import replace
from datetime import date

import pytest

from radioligand.service.due_view import assessments, doses, everything_due, injections
from radioligand.service.events import Event, patient_of
from radioligand.service.office_view import office
from radioligand.service.roles import Role

OCTREOTIDE, LUTETIUM = "OCTREOTIDE LAR", "177LU-DOTATATE"


def told(*records):
    """A patient from (kind, day, payload), with consent and a randomisation on 2026-01-12."""
    arm = records[0]
    first = (
        ("consented", "2026-01-05", {"consent_date": "2026-01-05"}),
        ("randomised", "2026-01-12", {"arm": arm, "strata": {}, "regimen": REGIMEN[arm]}),
    )
    return patient_of(
        "1-001",
        [
            Event(
                number=number,
                at=f"{day}T09:00:00+00:00",
                kind=kind,
                actor="somebody",
                site="1",
                subject="1-001",
                payload={"date": day} | payload,
                reason=None,
                signature=None,
                hash="",
            )
            for number, (kind, day, payload) in enumerate((*first, *records[1:]), start=1)
        ],
    )


REGIMEN = {"LU": "radioligand", "CONTROL": "other"}


def injected(day, amount=60):
    return ("treatment given", day, {"drug": OCTREOTIDE, "amount": amount})


def infused(cycle, day):
    return ("dose infused", day, {"cycle": cycle, "activity_gbq": 7.4})


def days(found):
    return [(one.day.isoformat(), one.state) for one in found]


@pytest.mark.by_hand
def test_without_a_first_injection_it_is_due_at_randomisation_and_then_every_four_weeks(protocol):
    begun = told("CONTROL")
    assert days(injections(begun, protocol=protocol, today=date(2026, 1, 12))) == [
        ("2026-01-12", "due")
    ]
    given = told("CONTROL", injected("2026-01-14"), injected("2026-02-11"))
    assert days(injections(given, protocol=protocol, today=date(2026, 3, 1))) == [
        ("2026-03-11", "planned")
    ]
    assert days(injections(given, protocol=protocol, today=date(2026, 3, 12))) == [
        ("2026-03-11", "overdue")
    ]


@pytest.mark.by_hand
def test_with_the_radioligand_octreotide_goes_with_each_infusion_and_monthly_after_the_last(
    protocol,
):
    first = told("LU", infused(1, "2026-01-20"))
    assert days(injections(first, protocol=protocol, today=date(2026, 1, 20))) == [
        ("2026-01-20", "due")
    ]
    with_it = told("LU", infused(1, "2026-01-20"), injected("2026-01-21", 30))
    assert injections(with_it, protocol=protocol, today=date(2026, 2, 20)) == ()

    whole = [
        one
        for number, day in enumerate(("01-20", "03-17", "05-12", "07-07"), start=1)
        for one in (infused(number, f"2026-{day}"), injected(f"2026-{day}", 30))
    ]
    after = told("LU", *whole)
    # 28 days after 2026-07-07
    assert days(injections(after, protocol=protocol, today=date(2026, 7, 20))) == [
        ("2026-08-04", "planned")
    ]
    ended = told("LU", *whole, ("treatment ended", "2026-07-10", {}))
    assert injections(ended, protocol=protocol, today=date(2026, 9, 1)) == ()


@pytest.mark.by_hand
def test_a_dose_is_due_eight_weeks_after_the_last_with_a_week_around_it(protocol):
    found = doses(told("LU", infused(1, "2026-01-20")), protocol=protocol, today=date(2026, 3, 25))
    assert [(one.day, one.first, one.last, one.state) for one in found] == [
        (date(2026, 3, 17), date(2026, 3, 10), date(2026, 3, 24), "overdue")
    ]


@pytest.mark.by_hand
def test_questionnaires_are_due_every_twelve_weeks_from_the_first_treatment(protocol):
    answers = {"answers": {"EORTC QLQ-C30": {"1": 1}}}
    patient = told(
        "CONTROL",
        ("questionnaire recorded", "2026-01-13", answers),
        injected("2026-01-14"),
    )
    found = assessments(patient, protocol=protocol, today=date(2026, 4, 23), of=("QS",))
    # 84 days after 2026-01-14 are 2026-04-08, two weeks around it until 2026-04-22
    assert [(one.says, one.day.isoformat(), one.state) for one in found[:3]] == [
        ("EORTC QLQ-C30, baseline", "2026-01-14", "done"),
        ("EORTC QLQ-C30, week 12", "2026-04-08", "overdue"),
        ("EORTC QLQ-C30, week 24", "2026-07-01", "planned"),
    ]


@pytest.mark.by_hand
def test_images_end_with_confirmed_progression_and_come_back_when_it_is_withdrawn(protocol):
    progressed = ("progression confirmed", "2026-06-01", {})
    today = date(2026, 7, 15)
    patient = told("LU", progressed)
    found = assessments(patient, protocol=protocol, today=today, of=("TU",))
    # week 16 (until 2026-05-11) passed before the progression; week 24 was still to come
    assert [one.week for one in found] == [0, 16]
    back = told("LU", progressed, ("progression withdrawn", "2026-06-20", {}))
    found = assessments(back, protocol=protocol, today=today, of=("TU",))
    assert [one.week for one in found] == [0, 16, 24, 36, 48]


def test_before_randomisation_and_after_death_nothing_is_due(protocol):
    patient = told("LU", infused(1, "2026-01-20"), ("died", "2026-01-21", {"cause": "OTHER"}))
    alive = [
        one
        for one in everything_due(patient, protocol=protocol, today=date(2026, 2, 1))
        if one.state in ("due", "planned")
    ]
    assert alive == []
    new = replace(patient, randomised_at=None, events=patient.events[:1], facts=frozenset())
    assert everything_due(new, protocol=protocol, today=date(2026, 2, 1)) == ()


@pytest.mark.by_hand
def test_the_office_tells_blinded_readers_no_day_that_follows_treatment(protocol):
    patient = told("LU", infused(1, "2026-01-20"))

    def seen(*, sees_arms):
        return office(
            [patient], {}, protocol=protocol, today=date(2026, 3, 25), sees_arms=sees_arms
        )

    blinded, unblinded = seen(sees_arms=False), seen(sees_arms=True)
    assert [one.says for one in blinded.missing] == ["Tumour assessment (CT or MRI), baseline"]
    # baseline and weeks 4 and 8 of values and of visits; the baseline of the questionnaire
    assert blinded.untold == 7
    late = {one.says for one in unblinded.missing}
    assert {"Dose 2 of the radioligand", "Octreotide LAR 30 mg"} <= late
    assert len(late) == 1 + 7 + 2


def test_the_list_of_a_site_leads_to_the_forms(on_radioligand, laboratory, dose, browser, moments):
    subject = on_radioligand()
    laboratory(subject, PLAT="210", NEUT="3.1", HGB="128", CREATCLR="88")
    dose(subject, 1)
    moments.on(days=30)
    page = browser(Role.COORDINATOR).get("/due").text
    assert f'<a href="/patients/{subject}/treatment">Octreotide LAR 30 mg</a>' in page
    assert f'<a href="/patients/{subject}/laboratory">Haematology and chemistry, week 4</a>' in page
    assert "Dose 2 of the radioligand" in page
    other = browser(Role.COORDINATOR, "2002").get("/due").text
    assert "Nothing is due" in other
