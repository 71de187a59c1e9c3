"""Protocols and scenarios that the tests of virtual trials share."""

import tomllib
from importlib.resources import files

import pytest

from radioligand.protocol import parse_protocol
from radioligand.simulation.scenarios import Scenario, StratumAssumption, parse_scenarios


@pytest.fixture(scope="session")
def document():
    text = (files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8")
    return tomllib.loads(text)


@pytest.fixture(scope="session")
def protocol(document):
    return parse_protocol(document)


STRATA = (
    StratumAssumption(id="2/PANCREAS", share=0.36, hazard_ratio=1.0),
    StratumAssumption(id="2/OTHER", share=0.29, hazard_ratio=1.0),
    StratumAssumption(id="3/PANCREAS", share=0.19, hazard_ratio=1.3),
    StratumAssumption(id="3/OTHER", share=0.16, hazard_ratio=1.3),
)

FULL = {
    "document": 1,
    "title": "fuller",
    "chain": ["primary", "response", "survival"],
    "assume": {
        "delay_months": 2,
        "visits": True,
        "window_days": 7,
        "missed_fraction": 0.08,
        "deaths_among_events": 0.1,
        "progression_to_death_months_control": 18,
        "progression_to_death_months_experimental": 20,
        "progression_to_death_months_crossed": 25,
        "crossover_fraction": 0.4,
        "response_control": 0.1,
        "response_experimental": 0.4,
        "response_follows": 0.5,
    },
    "looks": {"events": [50, 75, 99], "futility_z": [0, 0.5]},
    "strata": [
        {"id": one.id, "share": one.share, "hazard_ratio": one.hazard_ratio} for one in STRATA
    ],
}


@pytest.fixture(scope="session")
def plain() -> Scenario:
    return Scenario(strata=STRATA)


@pytest.fixture(scope="session")
def fuller() -> Scenario:
    return parse_scenarios(FULL)[0]


@pytest.fixture(scope="session")
def changed(document):
    """Make the protocol with other assumptions; a `ratio` of 1 makes arms of one size."""

    def made(*, ratio=2, **planning):
        arms = [dict(arm) for arm in document["arms"]]
        arms[0]["ratio"] = ratio
        given = {**document["planning"], **planning}
        given = {key: value for key, value in given.items() if value is not None}
        given.pop("median_experimental_months", None)
        return parse_protocol({**document, "arms": arms, "planning": given})

    return made
