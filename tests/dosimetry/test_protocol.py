# SPDX-License-Identifier: Apache-2.0
"""What a document says of dosimetry: the shipped trial, and each fault by name."""

import tomllib
from importlib.resources import files

import pytest

from radioligand.io.documents import read_protocol
from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.protocol.inheritance import inherit


def document(name: str) -> dict:
    return tomllib.loads((files("radioligand") / "trials" / f"{name}.toml").read_text("utf-8"))


def changed(**keys) -> dict:
    whole = inherit(document("dosimetry-prrt"), document("netter-2"))
    table = {**whole["dosimetry"], **keys}
    return {**whole, "dosimetry": {key: value for key, value in table.items() if value is not None}}


def faults(**keys) -> dict[str, str]:
    with pytest.raises(ProtocolError) as told:
        parse_protocol(changed(**keys))
    return {one.path: f"{one.says}. {one.mend}" for one in told.value.faults}


@pytest.mark.by_hand
def test_the_trial_says_what_the_meeting_fixed():
    protocol = read_protocol("dosimetry-prrt")
    dose, standard = protocol.arms
    asked = protocol.dosimetry
    assert standard.treatments[0].amount == 7.4  # 200 mCi
    assert (standard.treatments[0].cycles, standard.treatments[0].every_weeks) == (4, 8)
    assert asked.arms == (dose.id,)
    assert (asked.target.lower_gy, asked.target.upper_gy) == (80, 120)
    origin = {row.path: row.origin for row in protocol.assumptions}
    assert origin["dosimetry.target"] == "source"
    assert origin["dosimetry.limits"] == origin["dosimetry.target.steering"] == "assumed"


@pytest.mark.parametrize("strategy", ["lesion target", "organ limit"])
def test_both_strategies_can_be_chosen(strategy):
    assert parse_protocol(changed(strategy=strategy)).dosimetry.strategy == strategy


def test_the_first_method_that_fits_a_region_counts():
    asked = read_protocol("dosimetry-prrt").dosimetry
    assert asked.method("KIDNEYS", "organ").plausible_gy_per_gbq == (0.15, 1.2)
    assert asked.method("SPLEEN", "organ").plausible_gy_per_gbq is None
    assert asked.method("L1", "lesion").role == "lesion"


METHOD = {"role": "lesion", "integral": "madsen"}


@pytest.mark.parametrize(
    ("keys", "path", "says"),
    [
        ({"arms": ["NOBODY"]}, "dosimetry.arms", "there is no arm 'NOBODY'"),
        ({"limits": []}, "dosimetry.limits", "at least 1 item"),
        ({"target": None}, "dosimetry.target", "lesions shall steer and have no target"),
        (
            {"target": {"lower_gy": 120, "upper_gy": 80, "aim_gy": 100, "steering": "mean"}},
            "dosimetry.target",
            "lower, aim and upper are 120, 100, 80 Gy",
        ),
        ({"methods": [METHOD]}, "dosimetry.methods[0].prior", "takes a half-life from a cohort"),
        (
            {"methods": [{**METHOD, "prior": "x"}]},
            "dosimetry.methods[0].prior",
            "there is no prior 'x'",
        ),
        (
            {"methods": [{"role": "organ", "integral": "map", "prior": "x", "form": "bi"}]},
            "dosimetry.methods[0].form",
            "fits a mono-exponential alone",
        ),
        (
            {"methods": [{"role": "organ", "integral": "trapezoid", "forms": ["mono"]}]},
            "dosimetry.methods[0].forms",
            "has no forms to choose among",
        ),
        (
            {"methods": [{"role": "organ", "plausible_gy_per_gbq": [2.0, 1.0]}]},
            "dosimetry.methods[0].plausible_gy_per_gbq",
            "do not rise",
        ),
        (
            {"limits": [{"region": "K", "quantity": "bed", "limit_gy": 27.0, "citation": "a b"}]},
            "dosimetry.limits[K].alpha_beta_gy",
            "a limit in BED needs it",
        ),
        (
            {"limits": [{"region": "K", "limit_gy": 23.0, "citation": ""}]},
            "dosimetry.limits[0].citation",
            "at least 3 characters",
        ),
        (
            {"limits": [{"region": "K", "limit_gy": 23.0, "alpha_beta_gy": 0, "citation": "a b"}]},
            "dosimetry.limits[0].alpha_beta_gy",
            "greater than 0",
        ),
        (
            {"priors": [{"id": "p", "median_hours": 50.0, "log_sd": 0.2, "citation": ""}]},
            "dosimetry.priors[p].citation",
            "at least 3 characters",
        ),
        ({"missing_cycle": "carry"}, "dosimetry.carry_spread", "without saying how sure"),
        (
            {"half_life_days": 6.71, "half_life_reason": "an old sheet"},
            "dosimetry.half_life_days",
            "6.71 d is no half-life of 177Lu",
        ),
        ({"half_life_days": 6.65}, "dosimetry.half_life_reason", "without a reason"),
    ],
)
def test_each_fault_is_named(keys, path, says):
    found = faults(**keys)
    assert says in found[path]


def test_all_faults_are_told_at_once():
    keys = {"arms", "target", "half_life_days", "half_life_reason"}
    found = faults(target=None, arms=["X"], half_life_days=6.8)
    assert {f"dosimetry.{key}" for key in keys} <= found.keys()
