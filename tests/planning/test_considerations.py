# SPDX-License-Identifier: Apache-2.0
"""Box 1 of the planning meeting: NETTER-1 and NETTER-2 judged by hand, and each rule both ways."""

import json

import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.criteria import Comparison
from radioligand.io.documents import read_protocol
from radioligand.planning import design_findings

NETTER_1, NETTER_2 = read_protocol("netter-1"), read_protocol("netter-2")
DDR, IMMUNOTHERAPY = read_protocol("prrt-ddr"), read_protocol("prrt-immunotherapy")


def verdicts(protocol) -> dict[str, str]:
    return {one.rule: one.verdict for one in design_findings(protocol)}


def findings(protocol) -> dict[str, str]:
    return {one.rule: one.finding for one in design_findings(protocol)}


def without(protocol, *fields):
    """The protocol with no criterion and no stratum that rests on the fields."""

    def asks(holds):
        return any(field in repr(holds) for field in fields)

    plan = protocol.randomisation
    kept = tuple(one for one in plan.strata if not any(asks(level.holds) for level in one.levels))
    return protocol.model_copy(
        update={
            "eligibility": tuple(one for one in protocol.eligibility if not asks(one.holds)),
            "randomisation": plan.model_copy(update={"strata": kept}),
        }
    )


@pytest.mark.by_hand
def test_netter_1():
    # midgut alone; Ki-67 of 20 % at most; strata by uptake and time on octreotide; no questionnaire
    assert verdicts(NETTER_1) == {
        "origin": "met",
        "differentiation": "met",
        "grade": "met",
        "prior-therapy": "met",
        "crossover": "does not apply",
        "receptors": "met",
        "progression-free-survival": "met",
        "overall-survival": "does not apply",
        "biomarkers": "not met",
        "reported-by-patients": "not met",
    }
    assert findings(NETTER_1)["origin"] == "midgut tumours alone are eligible"
    assert findings(NETTER_1)["grade"].startswith("grades 1 and 2 alone are eligible")


@pytest.mark.by_hand
def test_netter_2():
    # pancreas and other pooled and stratified, as are grades 2 and 3; QLQ-C30
    assert verdicts(NETTER_2) == {
        **verdicts(NETTER_1),
        "reported-by-patients": "met",
    }
    assert findings(NETTER_2)["origin"] == "stratified by tumour origin"
    assert findings(NETTER_2)["grade"] == "stratified by tumour grade"
    assert "prior_systemic_therapy" in findings(NETTER_2)["prior-therapy"]
    assert "embolisation" not in findings(NETTER_2)["prior-therapy"]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("origin", ("primary_site",)),
        ("differentiation", ("differentiation",)),
        ("grade", ("ki67_percent",)),
        ("prior-therapy", ("prior_", "weeks_since")),
        ("receptors", ("uptake",)),
    ],
)
def test_a_protocol_that_asks_for_nothing_does_not_meet_it(rule, fields):
    assert verdicts(without(NETTER_2, *fields))[rule] == "not met"


@pytest.mark.by_hand
def test_cohorts_stand_for_strata():
    sabr = read_protocol("sabr-prrt")
    pooled = sabr.model_copy(
        update={"randomisation": sabr.randomisation.model_copy(update={"strata": ()})}
    )

    assert findings(pooled)["origin"] == "enrolled in cohorts: Pancreatic NET, Extrapancreatic NET"
    assert verdicts(pooled)["grade"] == "not met"
    assert verdicts(pooled.model_copy(update={"cohorts": ()}))["origin"] == "not met"


@pytest.mark.by_hand
def test_a_score_of_the_hottest_lesion_says_nothing_of_the_others():
    holds = Comparison(field="highest_uptake_score", operator="at_least", value=3, unit="points")
    criterion = NETTER_2.eligibility[0].model_copy(update={"holds": holds})
    protocol = without(NETTER_2, "uptake")
    protocol = protocol.model_copy(update={"eligibility": (*protocol.eligibility, criterion)})

    assert verdicts(protocol)["receptors"] == "not met"


@pytest.mark.by_hand
def test_a_placebo_asks_for_crossover():
    drug = NETTER_2.arms[1].treatments[0].model_copy(update={"name": "Placebo"})
    control = NETTER_2.arms[1].model_copy(update={"treatments": (drug,)})
    blinded = NETTER_2.model_copy(update={"arms": (NETTER_2.arms[0], control)})

    assert verdicts(blinded)["crossover"] == "met"
    assert verdicts(blinded.model_copy(update={"crossover": ()}))["crossover"] == "not met"


@pytest.mark.by_hand
def test_the_endpoint_goes_by_phase_and_differentiation():
    by_survival = NETTER_2.planning.model_copy(update={"endpoint": "OS"})
    changed = NETTER_2.model_copy(update={"planning": by_survival})
    assert verdicts(changed)["progression-free-survival"] == "not met"
    assert verdicts(IMMUNOTHERAPY)["progression-free-survival"] == "does not apply"  # phase II
    assert verdicts(DDR)["progression-free-survival"] == "met"

    poor = Comparison(field="differentiation", operator="equals", value="POORLY DIFFERENTIATED")
    criterion = NETTER_2.eligibility[0].model_copy(update={"holds": poor})
    carcinoma = without(changed, "differentiation", "ki67_percent")
    carcinoma = carcinoma.model_copy(update={"eligibility": (*carcinoma.eligibility, criterion)})
    found = verdicts(carcinoma)
    assert found["overall-survival"] == found["differentiation"] == "met"
    assert found["progression-free-survival"] == found["grade"] == "does not apply"


@pytest.mark.by_hand
def test_specimens_on_the_schedule():
    taken = NETTER_2.schedule[0].model_copy(update={"id": "blood", "domains": ("BE", "GF")})
    protocol = NETTER_2.model_copy(update={"schedule": (*NETTER_2.schedule, taken)})
    assert verdicts(protocol)["biomarkers"] == "met"


def test_the_command_lists_findings_and_exits_with_0():
    done = CliRunner().invoke(cli, ["check", "netter-1", "--design"])
    assert done.exit_code == 0, done.output
    assert "✗ reported-by-patients: the document plans no questionnaire" in done.output
    assert "Box 1" in done.output

    done = CliRunner().invoke(cli, ["check", "net-retreat", "--design", "--json"])
    told = json.loads(done.output)
    assert told["faults"] == []
    assert {one["rule"] for one in told["design"]} == set(verdicts(NETTER_2))
    assert all("Box 1" in one["source"] for one in told["design"])
    assert {"path", "origin", "says"} == set(told["assumptions"][0])
    assert (
        "assumed  planning" in CliRunner().invoke(cli, ["check", "net-retreat", "--design"]).output
    )
