# SPDX-License-Identifier: Apache-2.0
"""The protocol document: what NETTER-2 says, and how a faulty document is told so."""

import tomllib
from copy import deepcopy
from datetime import date
from importlib.resources import files

import pytest

from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.protocol import ProtocolError, parse_protocol, policies

DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
NETTER_2 = parse_protocol(DOCUMENT, name="netter-2.toml")


def faults(change) -> dict[str, str]:
    """Path and text of every fault of NETTER-2 after `change` was made to its tables."""
    document = deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(document, name="changed.toml")
    return {fault.path: f"{fault.says} {fault.mend}" for fault in caught.value.faults}


@pytest.mark.trial
def test_netter_2_as_published():
    lu, control = NETTER_2.arms
    infusion, acids, with_infusion, after = lu.treatments

    assert (NETTER_2.trial.registry, NETTER_2.trial.sites, NETTER_2.trial.countries) == (
        "NCT03972488",
        45,
        9,
    )
    assert (lu.ratio, control.ratio) == (2, 1)
    assert (infusion.amount, infusion.unit, infusion.cycles) == (7.4, "GBq", 4)
    assert (infusion.every_weeks, infusion.window_weeks, infusion.infusion_minutes) == (8, 1, 30)
    assert (acids.start_minutes, acids.duration_hours) == (-30, 4)
    assert (with_infusion.amount, after.amount, after.every_weeks) == (30, 30, 4)
    assert (control.treatments[0].amount, control.treatments[0].every_weeks) == (60, 4)
    plan = NETTER_2.randomisation
    assert (plan.block_size, plan.entries_per_stratum, plan.forced) == (6, 240, False)
    assert [factor.id for factor in plan.strata] == ["STRGRADE", "STRORIG"]
    steps = next(a for a in NETTER_2.analyses if a.id == "hierarchy").steps
    assert [step.analysis for step in steps] == [
        "pfs", "orr", "ttd-global", "ttd-diarrhoea", "ttd-fatigue", "ttd-pain",
    ]  # fmt: skip
    assert (NETTER_2.cutoff.events, NETTER_2.cutoff.published) == (101, date(2023, 7, 20))
    assert (NETTER_2.planning.events, NETTER_2.planning.subjects) == (99, 222)


@pytest.mark.by_hand
def test_scans_at_week_16_and_24_then_every_12_weeks():
    days = NETTER_2.activity("imaging").planned_days(450)
    assert days == (112, 168, 252, 336, 420)
    assert NETTER_2.activity("quality-of-life").planned_days(170) == (84, 168)


def test_every_policy_is_listed_with_its_default():
    rows = {name: (choice, default, says) for name, choice, default, says in policies(NETTER_2)}

    assert rows["response.confirmation_days"][:2] == ("28", "28")
    assert rows["censoring.ema.missed_assessments"][:2] == ("0", "2")
    assert rows["time to event.median"][:2] == ("r", "r")
    assert rows["time to event.model.ties"][:2] == ("efron", "efron")
    assert rows["response rates.interval"][:2] == ("clopper-pearson", "clopper-pearson")
    assert rows["data.event_dates"][:2] == ("day first, month first", "day first, month first")
    assert rows["data.month_days"][:2] == ("30.4375", "30.4375")
    assert all(says for _, _, says in rows.values())


def test_shipped_by_name_or_read_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes((files("radioligand") / "trials" / "netter-2.toml").read_bytes())

    assert "netter-2" in shipped_protocols()
    assert read_protocol("netter-2") == read_protocol(str(path))


def test_tells_of_a_missing_file_and_of_broken_toml(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("document = = 1")

    with pytest.raises(ProtocolError, match=r"(?s)netter-9.*Shipped: .*netter-2"):
        read_protocol("netter-9")
    with pytest.raises(ProtocolError, match="this is not TOML"):
        read_protocol(str(broken))


def _drop_unit(document):
    del document["arms"][0]["treatments"][0]["unit"]


def _fair_coin(document):
    document["randomisation"] |= {"method": "minimisation", "probability": 0.6}


def _odd_block(document):
    document["randomisation"]["block_size"] = 5


def _one_level(document):
    del document["randomisation"]["strata"][0]["levels"]


def _no_endpoint(document):
    next(a for a in document["analyses"] if a["id"] == "pfs")["endpoint"] = "PSF"


def _unit_of_condition(document):
    next(c for c in document["eligibility"] if c["id"] == "I07")["holds"]["unit"] = "g"


def _no_unit_in_condition(document):
    del next(c for c in document["eligibility"] if c["id"] == "I07")["holds"]["unit"]


def _typo(document):
    document["trial"]["registy"] = document["trial"].pop("registry")


def _wrong_kind(document):
    next(a for a in document["analyses"] if a["id"] == "baseline")["kind"] = "basline"


def _forced(document):
    document["randomisation"]["forced"] = True


def _two_govern(document):
    document["evaluations"][1]["governs"] = True


def _twice(document):
    document["arms"][1]["id"] = "LU"


def _unknown_field(document):
    document["eligibility"][0]["holds"]["field"] = "age"


def _stratified_without_strata(document):
    del document["randomisation"]["strata"]


def _number_without_unit(document):
    del next(v for v in document["variables"] if v["name"] == "KI67")["unit"]


def _bad_condition(document):
    document["eligibility"][0]["holds"] = {"field": "age_years", "at_leats": 15}


def _circle(document):
    variables = {v["name"]: v for v in document["variables"]}
    variables["DIAGDT"]["source"]["until"] = "DIAGDT2"
    document["variables"].append(
        {"name": "DIAGDT2", "label": "x", "type": "date", "first_of": ["DIAGDT"]}
    )


def _two_directions(document):
    document["data"]["event_dates"] = {"day": "last", "month": "first"}


def _operator(document):
    document["eligibility"][0]["holds"] = {"field": "age_years", "is": True}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (_circle, "variables", "need each other Break the circle"),
        (_two_directions, "data.event_dates", "the month is taken as 'first', the day as 'last'"),
        (_operator, "eligibility[I01].holds", "age_years is a number, 'is' asks of flag"),
        (_drop_unit, "arms[LU].treatments[177LU-DOTATATE]", "an amount without its unit"),
        (
            _fair_coin,
            "randomisation.probability",
            "0.6 does not favour balance Use more than 0.667",
        ),
        (_odd_block, "randomisation.block_size", "5 cannot hold the ratio 2:1 Use a multiple of 3"),
        (_one_level, "randomisation.strata[STRGRADE].levels", "required and missing"),
        (_no_endpoint, "analyses[pfs].endpoint", "there is no endpoint 'PSF'"),
        (_unit_of_condition, "eligibility[I07].holds", "ki67_percent is in '%'"),
        (_no_unit_in_condition, "eligibility[I07].holds", "compared without a unit"),
        (_typo, "trial.registy", "unknown key 'registy' Did you mean 'registry'?"),
        (_wrong_kind, "analyses[baseline].kind", "'basline' is not a choice here"),
        (_forced, "randomisation.forced", "is not a choice here Use False"),
        (_two_govern, "evaluations", "2 evaluations govern; one must"),
        (_twice, "arms[LU]", "2 entries share this id"),
        (_unknown_field, "eligibility[I01].holds", "there is no field 'age'"),
        (_stratified_without_strata, "analyses[pfs].test.stratified", "there are no strata"),
        (_number_without_unit, "variables[KI67]", "a number without its unit"),
        (_bad_condition, "eligibility[I01].holds", "unknown word 'at_leats'"),
    ],
)
def test_each_fault_has_path_text_and_mend(change, path, says):
    found = faults(change)
    assert path in found, found
    assert says in found[path]


def test_all_faults_come_in_one_run():
    changes = (_drop_unit, _odd_block, _one_level, _no_endpoint, _typo, _wrong_kind, _twice)

    def all_of_them(document):
        for change in changes:
            change(document)

    found = faults(all_of_them)

    assert len(found) >= len(changes), found


def test_the_message_names_file_path_and_mend():
    document = deepcopy(DOCUMENT)
    _odd_block(document)
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(document, name="mine.toml")
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert "randomisation.block_size: 5 cannot hold the ratio 2:1." in message
    assert "Use a multiple of 3." in message
