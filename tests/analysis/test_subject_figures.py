"""Figures of one mark a subject: what a waterfall, a spider and a swimmer are drawn from."""

from datetime import date, timedelta

import polars as pl
import pytest

RANDOMISED = date(2021, 1, 1)


@pytest.fixture
def course(results_of, subjects):
    """001 responds and progresses, 002 grows and dies, 003 has no scan."""

    def day(number: int) -> date:
        return RANDOMISED + timedelta(days=number)

    adsl = subjects(
        ["LU", "CONTROL", "LU"],
        DTHDT=[None, day(150), None],
        EOSDT=[None, day(150), day(30)],
        LSTALVDT=[day(400), day(150), day(30)],
    )
    sums = [
        # complete, best, progression
        ("001", day(-10), 0.0, "Y", None, None),
        ("001", day(112), -40.0, "Y", None, None),
        ("001", day(140), -70.0, None, None, None),
        ("001", day(168), -55.0, "Y", "Y", None),
        ("001", day(252), -30.0, "Y", None, "Y"),
        ("001", day(336), -60.0, "Y", None, None),
        ("002", day(-5), 0.0, "Y", None, None),
        ("002", day(112), 30.0, "Y", "Y", "Y"),
    ]
    flags = ["ANL01FL", "ANL02FL", "PDFL"]
    adtr = pl.DataFrame(sums, schema=["USUBJID", "ADT", "PCHG", *flags], orient="row").with_columns(
        PARAMCD=pl.lit("SDIAM")
    )
    responses = [
        ("001", "CBOR", "PR", day(112)),
        ("002", "CBOR", "PD", day(112)),
        ("001", "CRSP", "Y", day(112)),
        ("001", "PD", "Y", day(252)),
        ("002", "PD", "Y", day(112)),
        ("003", "PD", "N", None),
    ]
    adrs = pl.DataFrame(responses, schema=["USUBJID", "PARAMCD", "AVALC", "ADT"], orient="row")
    adex = pl.DataFrame(
        {
            "USUBJID": ["001", "001", "001", "001"],
            "PARAMCD": ["DOSE"] * 4,
            "PARCAT2": ["177LU"] * 3 + ["OCTREOTIDE"],
            "EPOCH": ["TREATMENT", "TREATMENT", "RE-TREATMENT", "TREATMENT"],
            "CYCLE": [2, 1, 1, 1],
            "ASTDT": [day(60), day(4), day(300), day(5)],
        }
    )
    adam = {"ADSL": adsl, "ADTR": adtr, "ADRS": adrs, "ADEX": adex}

    def draw(kind: str, **options: object):
        listed = {"kind": kind, "evaluation": "central", "response": "CBOR", **options}
        return results_of(adam, listed)

    return draw


@pytest.mark.by_hand
def test_waterfall_shows_the_best_change_that_counts(course):
    found = course("waterfall")

    bars = found.of("best_change")
    assert bars.select("subject", "arm", "value", "text").rows() == [
        ("002", "CONTROL", 30.0, "PD"),
        ("001", "LU", -55.0, "PR"),
    ]
    assert found.value("missing", arm="LU") == 1


@pytest.mark.by_hand
def test_spider_shows_complete_sums_from_day_0_to_progression(course):
    lines = course("spider").of("change", subject="001")

    assert lines.select("time_days", "value").rows() == [
        (0, 0),
        (112, -40),
        (168, -55),
        (252, -30),
    ]
    assert set(lines["text"]) == {"PR"}


@pytest.mark.by_hand
def test_swimmer_tells_each_course(course):
    found = course("swimmer")

    def days(statistic: str, subject: str) -> list[float]:
        return found.of(statistic, subject=subject)["time_days"].to_list()

    assert found.of("duration")["subject"].to_list() == ["001", "002", "003"]
    assert days("duration", "001") == [365]  # to the cutoff, although seen later
    assert days("response_start", "001") == [112]
    assert days("response_end", "001") == [252]
    assert days("progression", "001") == [252]
    assert days("ongoing", "001") == [365]
    assert days("cycle", "001") == [4, 60]
    assert days("death", "002") == [150]
    assert days("ongoing", "002") == []
    assert days("duration", "003") == [30]
    assert days("ongoing", "003") == []


@pytest.mark.by_hand
@pytest.mark.parametrize("kind", ["waterfall", "spider", "swimmer"])
def test_figure_of_too_many_subjects_is_left_out(course, kind):
    found = course(kind, at_most=2)

    told = "left out: 3 subjects, and the figure is for 2 at most"
    assert found.text("not_available") == told
    assert found.frame["subject"].null_count() == found.frame.height
