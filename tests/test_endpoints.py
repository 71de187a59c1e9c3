# SPDX-License-Identifier: Apache-2.0
"""Times to event: the general mechanism, and each step of a censoring convention, by hand."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.endpoints import derive_adtte, missed_assessments, unavailable
from radioligand.protocol import Protocol, ProtocolError, parse_protocol

START = date(2024, 1, 1)
PLANNED = (112, 168, 252, 336, 420)  # weeks 16 and 24, then every 12

RANDOMISED = {"says": "Randomisation", "dataset": "ADSL", "date": "RANDDT"}
PROGRESSION = {"says": "Progression", "dataset": "ADRS", "where": {"PARAMCD": "PD", "AVALC": "Y"}}
DEATH = {"says": "Death", "dataset": "ADSL", "date": "DTHDT"}
LAST = {"says": "Last assessment", "because": "No event", "dataset": "ADRS"}
LAST |= {"where": {"PARAMCD": "LADQ"}}
NEVER = {"says": "Randomisation", "because": "No assessment", "code": 5} | RANDOMISED
ALIVE = {"says": "Last contact", "because": "Alive", "dataset": "ADSL", "date": "LSTALVDT"}

PFS = {"id": "PFS", "label": "PFS", "start": RANDOMISED, "events": [PROGRESSION, DEATH]}
PFS |= {"censors": [LAST, NEVER], "evaluation": "central"}
OS = {"id": "OS", "label": "OS", "start": RANDOMISED, "events": [DEATH]}
OS |= {"censors": [ALIVE, NEVER]}


def protocol(*endpoints: dict[str, Any], **more: Any) -> Protocol:
    """Return a trial with these endpoints; `more` replaces whole tables of the document."""
    source = {"dataset": "DM", "date": "RFSTDTC"}
    document = {
        "document": 1,
        "trial": {
            **{"id": "small", "name": "SMALL", "title": "A small trial", "registry": "none"},
            **{"phase": 3, "design": "randomised"},
        },
        "arms": [{"id": "A", "label": "A", "short": "A", "ratio": 1, "role": "control"}],
        "schedule": [
            {
                **{"id": "imaging", "label": "Scans", "domains": ["TR"], "window_days": 7},
                **{"weeks": [16, 24], "then_every_weeks": 12},
            }
        ],
        "data": dict.fromkeys(("randomised", "first_treatment", "last_treatment", "death"), source),
        "populations": [
            {
                **{"id": "full", "flag": "FASFL", "label": "All", "analysed_as": "randomised"},
                "holds": {"field": "RANDDT", "known": True},
            }
        ],
        "evaluations": [
            {"id": "central", "label": "Central", "suffix": "", "where": {}, "governs": True}
        ],
        "censoring": [
            {"id": "strict", "label": "Strict"},
            {
                **{"id": "every", "label": "Every event counts"},
                **{"new_therapy": "ignore", "missed_assessments": 0},
            },
        ],
    }
    return parse_protocol(document | {"endpoints": list(endpoints)} | more)


def on(day: int | None) -> date | None:
    return None if day is None else START + timedelta(days=day)


def adsl(**days: int | None) -> pl.DataFrame:
    """Return one subject; its dates are days after randomisation."""
    dates = {"RANDDT": 0, "DTHDT": None, "NACTDT": None, "LSTALVDT": None} | days
    row = {"STUDYID": "S", "USUBJID": "1", "FASFL": "Y"}
    frame = pl.DataFrame([row | {name: on(day) for name, day in dates.items()}])
    return frame.with_columns(pl.col(list(dates)).cast(pl.Date))


def adrs(*visits: tuple[int, str], baseline: str = "Y") -> pl.DataFrame:
    """Return ADRS of one subject from its overall responses (day, response)."""
    rows = [("OVR", day, word, None if word == "NE" else "Y") for day, word in visits]
    progression = [day for day, word in visits if word == "PD"]
    first = progression[0] if progression else None
    adequate = [row for row in rows if row[3] and (first is None or row[1] <= first)]
    rows.append(("PD", first, "N" if first is None else "Y", None))
    rows.append(("LADQ", *(adequate[-1][1:3] if adequate else (None, None)), None))
    rows += [("LSTA", None, None, None), ("BLASS", None, baseline, None)]
    return pl.DataFrame(
        [
            ("1", number, code, on(day), word, flag)
            for number, (code, day, word, flag) in enumerate(rows, 1)
        ],
        schema={
            "USUBJID": pl.String,
            "ASEQ": pl.Int64,
            "PARAMCD": pl.String,
            "ADT": pl.Date,
            "AVALC": pl.String,
            "ANL03FL": pl.String,
        },
        orient="row",
    )


def pfs(
    *visits: tuple[int, str],
    convention: str = "strict",
    baseline: str = "Y",
    cutoff: int | None = None,
    **days: int | None,
) -> dict[str, Any]:
    """Return the row of PFS of one subject."""
    plan = protocol(PFS | {"censoring": convention})
    rows = derive_adtte(
        adsl(**days), adrs(*visits, baseline=baseline), None, protocol=plan, cutoff=on(cutoff)
    )
    return rows.to_dicts()[0]


def ended(*visits: tuple[int, str], **more: Any) -> tuple[int, int, str]:
    """Return the last day (day 0: randomisation), CNSR and the step that decided."""
    row = pfs(*visits, **more)
    return row["AVAL"] - 1, row["CNSR"], row["RULE"].split(".")[1]


# -- missed assessments -----------------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("last", "event", "missed"),
    [
        (0, 119, 0),  # the window of week 16 ends on day 119: it could still be scanned
        (0, 120, 1),
        (0, 175, 1),
        (0, 176, 2),
        (112, 175, 0),
        (105, 176, 1),  # scanned on the first day of the window of week 16: only week 24 missed
        (104, 176, 2),  # scanned before it: week 16 was missed
        (168, 259, 0),  # from here every 12 weeks: week 36, day 252
        (168, 260, 1),
        (168, 343, 1),
        (168, 344, 2),
        (175, 344, 2),  # a late scan at week 24
        (252, 428, 2),
        (300, 200, 0),
    ],
)
def test_missed_assessments(last: int, event: int, missed: int) -> None:
    found = missed_assessments([last], [event], planned=PLANNED, window_days=7)
    assert found.tolist() == [missed]


@pytest.mark.law
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 30))
def test_missed_assessments_counts_windows_between(last: int, event: int, window: int) -> None:
    plainly = sum(last < p - window and p + window < event for p in PLANNED)
    found = missed_assessments([last], [event], planned=PLANNED, window_days=window)
    assert found.tolist() == [plainly]


# -- the steps of a convention ----------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("visits", "more", "expected"),
    [
        ([(112, "SD"), (168, "PD")], {}, (168, 0, "event")),
        ([(112, "SD"), (168, "SD")], {}, (168, 1, "censored")),
        ([(112, "SD"), (168, "NE")], {}, (112, 1, "censored")),
        ([(112, "SD")], {"DTHDT": 150}, (150, 0, "event")),
        ([(112, "PD")], {"DTHDT": 100}, (100, 0, "event")),  # the earlier of the two
        # 1: baseline
        ([(112, "PD")], {"baseline": "N"}, (0, 4, "no_baseline")),
        ([], {"baseline": "N", "DTHDT": 50}, (0, 4, "no_baseline")),
        # 2: after baseline
        ([], {}, (0, 5, "no_post_baseline")),
        ([(112, "NE")], {}, (0, 5, "no_post_baseline")),
        ([], {"DTHDT": 175}, (175, 0, "event")),
        ([], {"DTHDT": 176}, (0, 5, "no_post_baseline")),
        # 3: new therapy
        ([(112, "SD"), (168, "PD")], {"NACTDT": 168}, (112, 2, "new_therapy")),
        ([(112, "SD"), (168, "PD")], {"NACTDT": 169}, (168, 0, "event")),
        ([(112, "SD"), (168, "SD")], {"NACTDT": 150}, (112, 2, "new_therapy")),
        ([(112, "PD")], {"NACTDT": 60}, (0, 2, "new_therapy")),
        ([(112, "SD")], {"NACTDT": 112, "DTHDT": 130}, (0, 2, "new_therapy")),
        # 4: missed assessments
        ([(112, "SD"), (168, "SD"), (344, "PD")], {}, (168, 3, "missed_assessments")),
        ([(112, "SD"), (168, "SD"), (343, "PD")], {}, (343, 0, "event")),
        ([(112, "SD"), (168, "SD"), (252, "NE"), (344, "PD")], {}, (168, 3, "missed_assessments")),
        ([(112, "SD")], {"DTHDT": 260}, (112, 3, "missed_assessments")),
        ([(180, "PD")], {}, (0, 3, "missed_assessments")),
        # new therapy is asked before missed assessments
        ([(112, "SD"), (344, "PD")], {"NACTDT": 340}, (112, 2, "new_therapy")),
    ],
)
def test_strict_convention(
    visits: list[tuple[int, str]], more: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    assert ended(*visits, **more) == expected


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("visits", "more", "expected"),
    [
        ([(112, "SD"), (168, "PD")], {"NACTDT": 120}, (168, 0, "event")),
        ([(112, "SD"), (168, "SD")], {"NACTDT": 120}, (168, 1, "censored")),
        ([(112, "SD")], {"DTHDT": 400}, (400, 0, "event")),
        ([], {"DTHDT": 176}, (0, 5, "no_post_baseline")),
    ],
)
def test_convention_by_which_every_event_counts(
    visits: list[tuple[int, str]], more: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    assert ended(*visits, convention="every", **more) == expected


@pytest.mark.by_hand
def test_a_row_tells_how_it_came_about() -> None:
    row = pfs((112, "SD"), (168, "SD"), (344, "PD"))
    assert row == {
        **{"STUDYID": "S", "USUBJID": "1", "ASEQ": 1, "PARAMCD": "PFS", "PARAM": "PFS"},
        **{"PARCAT2": "Central", "STARTDT": START, "ADT": on(168), "AVAL": 169, "AVALU": "DAYS"},
        **{"CNSR": 3, "EVNTDESC": "Event after missed assessments"},
        **{"CNSDTDSC": "Last adequate assessment", "RULE": "strict.missed_assessments"},
        **{"EVNTDT": on(344), "CENSDT": on(168), "GAPDAYS": 176},
        **{"SRCDOM": "ADRS", "SRCVAR": "ADT", "SRCSEQ": 2},
    }
    event = pfs((112, "SD"), (168, "PD"))
    assert (event["EVNTDESC"], event["CNSDTDSC"]) == ("Progression", None)
    assert (event["EVNTDT"], event["CENSDT"], event["GAPDAYS"]) == (on(168), on(112), 56)
    untreated = pfs((112, "PD"), NACTDT=60)
    assert (untreated["SRCDOM"], untreated["SRCVAR"]) == ("ADSL", "RANDDT")


@pytest.mark.by_hand
def test_what_happens_after_the_cutoff_is_not_known() -> None:
    assert ended((112, "SD"), (168, "PD"), cutoff=168) == (168, 0, "event")
    assert ended((112, "SD"), DTHDT=150, cutoff=149) == (112, 1, "censored")
    assert ended((112, "SD"), NACTDT=150, cutoff=149) == (112, 1, "censored")


courses = st.lists(
    st.tuples(st.integers(20, 500), st.sampled_from(["SD", "PR", "NE", "PD"])),
    max_size=6,
    unique_by=lambda visit: visit[0],
).map(sorted)
maybe = st.none() | st.integers(1, 600)


@pytest.mark.law
@settings(deadline=None, max_examples=40)
@given(courses, maybe, maybe, st.none() | st.integers(0, 600))
def test_the_strict_convention_never_ends_later(
    visits: list[tuple[int, str]], death: int | None, therapy: int | None, cutoff: int | None
) -> None:
    known = [visit for visit in visits if cutoff is None or visit[0] <= cutoff]
    days = {"DTHDT": death, "NACTDT": therapy, "cutoff": cutoff}
    strict, every = (pfs(*known, convention=name, **days) for name in ("strict", "every"))
    assert START <= strict["ADT"] <= every["ADT"]
    assert cutoff is None or every["ADT"] <= on(cutoff)
    for row in (strict, every):
        assert (row["CNSR"] == 0) == (row["ADT"] == row["EVNTDT"] and row["CNSDTDSC"] is None)
        assert row["CNSR"] == 0 or row["ADT"] == row["CENSDT"]


# -- the general mechanism --------------------------------------------------------------------


def times(*endpoints: dict[str, Any], cutoff: date | None = None, **days: int | None) -> list[Any]:
    rows = derive_adtte(adsl(**days), adrs(), None, protocol=protocol(*endpoints), cutoff=cutoff)
    return rows.select("AVAL", "CNSR", "EVNTDESC", "CNSDTDSC", "RULE").rows()


@pytest.mark.by_hand
def test_survival_from_adsl() -> None:
    assert times(OS, DTHDT=99, LSTALVDT=99) == [(100, 0, "Death", None, "event")]
    assert times(OS, LSTALVDT=99) == [(100, 1, "Alive", "Last contact", "censored")]
    assert times(OS) == [(1, 5, "No assessment", "Randomisation", "censored")]
    uncounted = OS | {"count_first_day": False}
    assert times(uncounted, DTHDT=99) == [(99, 0, "Death", None, "event")]


@pytest.mark.by_hand
def test_who_lives_beyond_the_cutoff_is_censored_there() -> None:
    alive = times(OS, DTHDT=99, LSTALVDT=99, cutoff=on(60))
    assert alive == [(61, 1, "Alive", "Last contact", "censored")]


@pytest.mark.by_hand
def test_ties_the_first_event_and_the_last_censoring_listed() -> None:
    surgery = {"says": "Surgery", "dataset": "ADSL", "date": "DTHDT"}
    assert times(OS | {"events": [surgery, DEATH]}, DTHDT=9)[0][2] == "Surgery"
    assert times(OS, LSTALVDT=0) == [(1, 5, "No assessment", "Randomisation", "censored")]


@pytest.mark.by_hand
def test_a_date_before_the_start_is_the_start() -> None:
    assert times(OS, DTHDT=-5) == [(1, 0, "Death", None, "event")]


@pytest.mark.by_hand
def test_a_duration_is_for_those_who_have_its_start() -> None:
    response = {"says": "Response", "dataset": "ADRS", "where": {"PARAMCD": "RSP", "AVALC": "Y"}}
    duration = PFS | {"id": "DOR", "label": "DOR", "start": response}
    rows = adrs((112, "PR"), (168, "PD"))
    responder = rows.filter(PARAMCD="PD").with_columns(PARAMCD=pl.lit("RSP"), ADT=on(112))
    plan = protocol(duration)
    assert derive_adtte(adsl(), rows, None, protocol=plan).is_empty()
    found = derive_adtte(adsl(), pl.concat([rows, responder]), None, protocol=plan)
    assert found.select("STARTDT", "AVAL", "CNSR").rows() == [(on(112), 57, 0)]


@pytest.mark.by_hand
def test_deterioration_from_questionnaires() -> None:
    worse = {"says": "Worse", "dataset": "ADQS", "where": {"PARAMCD": "FA", "DETERFL": "Y"}}
    last = {"says": "Last form", "because": "Not worse", "dataset": "ADQS"}
    last |= {"where": {"PARAMCD": "FA", "ANL01FL": ["Y", "N"]}}
    endpoint = OS | {"id": "TTD", "events": [worse], "censors": [last]}
    forms = pl.DataFrame(
        {
            **{"USUBJID": ["1"] * 3, "PARAMCD": ["FA"] * 3, "ASEQ": [1, 2, 3]},
            **{"ADT": [on(0), on(84), on(168)], "ANL01FL": ["Y"] * 3},
            "DETERFL": [None, None, "Y"],
        }
    )
    scales = [{"id": one, "label": one, "worse": "higher"} for one in ("FA", "PA")]
    quality = {"instrument": "EORTC QLQ-C30", "activity": "imaging", "threshold": 10.0}
    plan = protocol(endpoint, quality_of_life=quality | {"scales": scales})
    found = derive_adtte(adsl(), None, forms, protocol=plan)
    assert found.select("AVAL", "CNSR", "SRCDOM", "SRCSEQ").rows() == [(169, 0, "ADQS", 3)]
    found = derive_adtte(adsl(), None, forms.head(2), protocol=plan)
    assert found.select("AVAL", "CNSR", "SRCDOM", "SRCSEQ").rows() == [(85, 1, "ADQS", 2)]


@pytest.mark.by_hand
def test_a_population_bounds_an_endpoint() -> None:
    outside = adsl(DTHDT=5).with_columns(FASFL=pl.lit("N"))
    plan = protocol(OS | {"population": "full"})
    assert derive_adtte(outside, None, None, protocol=plan).is_empty()


def test_endpoints_without_their_datasets_are_left_out_and_named() -> None:
    plan = protocol(OS, PFS)
    assert unavailable(plan, {"ADSL": adsl()}) == {"PFS": "ADRS could not be derived"}
    unread = {"ADSL": adsl(), "ADRS": adrs().filter(PARAMCD="PD")}
    assert unavailable(plan, unread) == {"PFS": "ADRS holds no responses by Central"}
    assert unavailable(plan, {"ADSL": adsl(), "ADRS": adrs()}) == {}
    found = derive_adtte(adsl(DTHDT=9), None, None, protocol=plan)
    assert found["PARAMCD"].to_list() == ["OS"]


def test_refuses_to_count_missed_assessments_without_a_schedule() -> None:
    plan = protocol(PFS | {"censoring": "strict"}, schedule=[])
    with pytest.raises(ProtocolError, match="no activity images tumours"):
        derive_adtte(adsl(), adrs((112, "SD")), None, protocol=plan)
