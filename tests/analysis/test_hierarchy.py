"""The chain of tests: where it stops, and p values of one side and of two."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.analysis.hierarchy import converted

CHAIN = {
    "kind": "hierarchy",
    "alpha": 0.025,
    "sided": 1,
    "steps": [
        {"analysis": "pfs", "label": "PFS"},
        {"analysis": "pfs-local", "label": "PFS, local"},
        {"analysis": "os", "label": "OS"},
    ],
}


def logrank_of(identifier: str, endpoint: str, *, sided: int) -> dict:
    return {
        "kind": "time to event",
        "id": identifier,
        "endpoint": endpoint,
        "test": {"stratified": False, "sided": sided},
    }


@pytest.fixture
def chain(results_of, subjects, times):
    """Walk the chain; `better` tells for each endpoint whether LU does better, None: no data."""

    def walk(*better: bool | None, sided: int = 1):
        adsl = subjects(["LU"] * 10 + ["CONTROL"] * 10)
        late, early = list(range(200, 300, 10)), list(range(10, 110, 10))
        frames = [
            times(adsl, late + early if good else early + late, [True] * 20, name=name)
            for name, good in zip(("PFS", "PFSI", "OS"), better)
            if good is not None
        ]
        analyses = [
            logrank_of("pfs", "PFS", sided=sided),
            logrank_of("pfs-local", "PFSI", sided=sided),
            logrank_of("os", "OS", sided=1),
        ]
        # the chain stands first in the document and is walked last
        found = results_of({"ADSL": adsl, "ADTTE": pl.concat(frames)}, CHAIN, *analyses)
        return type(found)(found.frame.filter(analysis="hierarchy"))

    return walk


@pytest.mark.by_hand
def test_chain_stops_at_the_first_that_is_not_significant(chain):
    found = chain(True, False, True)

    verdicts = [found.text("p_value", variable=step["analysis"]) for step in CHAIN["steps"]]
    assert verdicts == ["significant", "not significant", "not tested"]
    assert found.text("stopped_at", variable="pfs-local") == "PFS, local"
    assert found.value("p_value", variable="os") < 0.025  # small, and yet not tested
    assert found.value("alpha", variable="os") == 0.025


@pytest.mark.by_hand
def test_chain_that_rejects_everything_stops_nowhere(chain):
    found = chain(True, True, True)

    assert found.text("stopped_at") == "nowhere: every hypothesis was rejected"


@pytest.mark.by_hand
def test_chain_stops_where_there_is_no_p_value(chain):
    found = chain(True, None, True)

    assert found.text("p_value", variable="pfs-local") == "not tested"
    told = found.text("not_estimable", variable="pfs-local")
    assert told == "not estimable: ADTTE has no records with PARAMCD 'PFSI'"
    assert found.text("p_value", variable="os") == "not tested"


@pytest.mark.by_hand
def test_two_sided_p_values_are_halved_on_the_better_side_alone(chain):
    one, two = chain(True, False, True), chain(True, False, True, sided=2)

    for step in ("pfs", "pfs-local"):
        assert two.value("p_value", variable=step) == pytest.approx(
            one.value("p_value", variable=step)
        )
    assert one.value("p_value", variable="pfs-local") > 0.975


@pytest.mark.law
@given(p=st.floats(0, 1), better=st.booleans())
def test_sides_there_and_back(p, better):
    one_sided = converted(p, 2, 1, better=better)

    assert converted(one_sided, 1, 2, better=better) == pytest.approx(p)
    assert one_sided <= 0.5 if better else one_sided >= 0.5
