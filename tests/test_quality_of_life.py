# SPDX-License-Identifier: Apache-2.0
"""QLQ-C30: scores worked by hand, deterioration, visits, laws, and forms that are refused."""

import tomllib
from datetime import date, timedelta
from importlib.resources import files

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.cdisc import DatasetError
from radioligand.protocol import parse_protocol
from radioligand.protocol.records import Protocol
from radioligand.quality_of_life import GI_NET21, SCALE_OF, SCALES, derive_adqs, score

UNTIMED = settings(deadline=None, max_examples=40)
DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
NETTER_2 = parse_protocol(DOCUMENT)
START = date(2020, 3, 1)


def protocol(**changes) -> Protocol:
    return parse_protocol(DOCUMENT | {"quality_of_life": DOCUMENT["quality_of_life"] | changes})


def adsl(first_dose: date | None = START) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "STUDYID": "N2", "USUBJID": ["01"], "TRT01P": "LU", "TRT01A": "LU",
            "RANDDT": [date(2020, 2, 20)],
            "TRTSDT": pl.Series([first_dose], dtype=pl.Date),
        }
    )  # fmt: skip


def qs(*forms: tuple[int | None, dict[int, float | None]], visit: str = "V") -> pl.DataFrame:
    """Forms as (days after the first dose, {item: answer})."""
    rows = [
        ("01", "EORTC QLQ-C30 VERSION 3.0", f"EOR01{item:02d}", answer, f"{visit}{number}",
         None if day is None else (START + timedelta(days=day)).isoformat())
        for number, (day, answers) in enumerate(forms)
        for item, answer in answers.items()
    ]  # fmt: skip
    names = ["USUBJID", "QSCAT", "QSTESTCD", "QSSTRESN", "VISIT", "QSDTC"]
    schema = dict.fromkeys(names, pl.String) | {"QSSTRESN": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def of(adqs: pl.DataFrame, scale: str) -> pl.DataFrame:
    return adqs.filter(PARAMCD=scale).sort("ADT")


# -- scores ----------------------------------------------------------------------------------


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("answers", "scale", "expected"),
    [
        ({29: 7, 30: 7}, "QL2", 100.0),
        ({29: 1, 30: 1}, "QL2", 0.0),
        ({29: 5, 30: 6}, "QL2", 75.0),  # mean 5.5: 4.5 / 6
        ({29: 5}, "QL2", 100 * 4 / 6),  # one of two is half
        ({1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, "PF2", 100.0),
        ({1: 2, 2: 1, 3: 1, 4: 1, 5: 1}, "PF2", 100 * (1 - 0.2 / 3)),
        ({1: 2, 2: 3, 3: 1}, "PF2", 100 * (1 - 1 / 3)),  # three of five
        ({1: 2, 2: 3}, "PF2", None),  # two of five is less than half
        ({10: 2, 12: 3, 18: 4}, "FA", 100 * 2 / 3),
        ({10: 4}, "FA", None),
        ({10: 4, 18: 4}, "FA", 100.0),
        ({21: 1, 22: 2, 23: 3, 24: 4}, "EF", 50.0),
        ({20: 4, 25: 1}, "CF", 50.0),
        ({26: 4, 27: 4}, "SF", 0.0),
        ({6: 1, 7: 2}, "RF2", 100 * (1 - 0.5 / 3)),
        ({14: 1, 15: 4}, "NV", 50.0),
        ({9: 2, 19: 2}, "PA", 100 / 3),
        ({8: 3}, "DY", 200 / 3),
        ({11: 1}, "SL", 0.0),
        ({13: 4}, "AP", 100.0),
        ({16: 2}, "CO", 100 / 3),
        ({17: 3}, "DI", 200 / 3),
        ({28: 4}, "FI", 100.0),
    ],
)
def test_one_score(answers, scale, expected):
    found = of(derive_adqs(qs((0, answers)), adsl(), protocol=NETTER_2), scale)
    assert found["AVAL"].to_list() == [None if expected is None else pytest.approx(expected)]
    assert found["NITEMS"].to_list() == [len(answers)]


@pytest.mark.law
def test_the_fifteen_scales_share_out_the_thirty_items():
    assert sorted(SCALE_OF) == list(range(1, 31))
    assert len(SCALES) == 15


@pytest.mark.law
def test_the_module_shares_out_its_twenty_one_items():
    items = [item for one in GI_NET21.values() for item in one.items]
    assert sorted(items) == list(range(31, 52))
    assert not set(GI_NET21) & set(SCALES)


@pytest.mark.by_hand
def test_a_module_is_scored_beside_the_questionnaire():
    module = {"instrument": "EORTC QLQ-GI.NET21", "where": {"QSCAT": "EORTC QLQ-GI.NET21"}}
    core = qs((0, {17: 2}))
    more = qs((0, {31: 1, 32: 4, 34: 2, 35: 3, 45: 4})).with_columns(
        QSCAT=pl.lit("EORTC QLQ-GI.NET21")
    )

    found = derive_adqs(pl.concat([core, more]), adsl(), protocol=protocol(modules=[module]))

    scores = {name: (value, kind) for name, value, kind in found.select(
        "PARAMCD", "AVAL", "PARCAT1").rows()}  # fmt: skip
    assert scores["DI"] == (pytest.approx(100 / 3), "EORTC QLQ-C30")
    assert scores["ED"] == (50.0, "EORTC QLQ-GI.NET21")  # two of three: mean 2.5
    assert scores["GI"][0] is None  # two of five
    assert scores["BI"][0] == 100.0
    assert set(found["WORSE"]) == {"higher"}
    alone = derive_adqs(pl.concat([core, more]), adsl(), protocol=NETTER_2)
    assert alone["PARAMCD"].to_list() == ["DI"]


answer = st.one_of(st.none(), st.integers(1, 4))
form = st.fixed_dictionaries({item: answer for item in range(1, 29)}).flatmap(
    lambda low: st.fixed_dictionaries(
        {item: st.one_of(st.none(), st.integers(1, 7)) for item in (29, 30)}
    ).map(lambda high: low | high)
)


def scores(answers: dict) -> dict:
    items = pl.DataFrame(
        [("01", START, "V", item, value) for item, value in answers.items()],
        schema={
            "USUBJID": pl.String, "ADT": pl.Date, "VISIT": pl.String, "item": pl.Int64,
            "answer": pl.Float64,
        },
        orient="row",
    )  # fmt: skip
    return dict(score(items).select("PARAMCD", "AVAL").rows())


@pytest.mark.law
@UNTIMED
@given(form)
def test_scores_lie_from_0_to_100_and_need_half_of_their_items(answers):
    found = scores(answers)
    for scale, one in SCALES.items():
        given_ = [item for item in one.items if answers[item] is not None]
        value = found.get(scale)
        assert (value is not None) == (2 * len(given_) >= len(one.items))
        assert value is None or 0 <= value <= 100


@pytest.mark.law
@UNTIMED
@given(form, st.integers(1, 30))
def test_a_higher_answer_lowers_a_function_and_raises_all_else(answers, item):
    top = 7 if item in (29, 30) else 4
    if answers[item] in (None, top):
        return
    scale = SCALE_OF[item]
    before, after = scores(answers).get(scale), scores(answers | {item: answers[item] + 1})[scale]
    if before is None:
        assert after is None
    elif SCALES[scale].kind == "function":
        assert after < before
    else:
        assert after > before


# -- baseline and deterioration --------------------------------------------------------------


@pytest.mark.by_hand
def test_baseline_change_and_the_first_deterioration():
    forms = [
        (-20, {17: 1, 29: 6, 30: 6}),
        (0, {17: 2, 29: 5, 30: 6}),  # the day of the first dose: baseline
        (84, {17: 2, 29: 5, 30: 5}),  # QL2 75 -> 66.7: 8.3 points, not yet
        (168, {17: 3, 29: 4, 30: 5}),  # QL2 58.3: 16.7 points; DI 33.3 -> 66.7
        (252, {17: 1, 29: 1, 30: 1}),
    ]
    adqs = derive_adqs(qs(*forms), adsl(), protocol=NETTER_2)

    global_, diarrhoea = of(adqs, "QL2"), of(adqs, "DI")

    assert global_["ABLFL"].to_list() == [None, "Y", None, None, None]
    assert global_["BASE"].unique().to_list() == [75.0]
    assert global_["CHG"].to_list() == [
        None, None, pytest.approx(-25 / 3), pytest.approx(-50 / 3), -75.0,
    ]  # fmt: skip
    assert global_["ANL01FL"].to_list() == [None, None, "Y", "Y", "Y"]
    assert global_["DETERFL"].to_list() == [None, None, None, "Y", None]
    assert diarrhoea["DETERFL"].to_list() == [None, None, None, "Y", None]
    assert global_["AVISIT"].to_list() == [
        "UNSCHEDULED", "BASELINE", "WEEK 12", "WEEK 24", "WEEK 36",
    ]  # fmt: skip


@pytest.mark.by_hand
def test_ten_points_are_ten_points():
    # PF2 of five items, 100 * (1 - 4/15) = 73.33, against four items, 100 * (1 - 2/12) = 83.33
    forms = [(0, {1: 1, 2: 2, 3: 1, 4: 2}), (84, {1: 2, 2: 2, 3: 2, 4: 1, 5: 2})]
    scales = [{"id": "PF2", "label": "Physical", "worse": "lower"}]
    endpoints = [one for one in DOCUMENT["endpoints"] if not one["id"].startswith("TTD")]
    analyses = [
        one
        for one in DOCUMENT["analyses"]
        if not one["id"].startswith("ttd") and one["id"] != "hierarchy"
    ]
    plan = parse_protocol(
        DOCUMENT
        | {"endpoints": endpoints, "analyses": analyses}
        | {"quality_of_life": DOCUMENT["quality_of_life"] | {"scales": scales}}
    )
    found = of(derive_adqs(qs(*forms), adsl(), protocol=plan), "PF2")
    assert found["CHG"].to_list() == [None, pytest.approx(-10)]
    assert found["DETERFL"].to_list() == [None, "Y"]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("confirmed", "flags"),
    [(False, [None, "Y", None, None, None]), (True, [None, None, None, "Y", None])],
)
def test_a_confirmed_deterioration_stays_for_the_next_form(confirmed, flags):
    forms = [(0, {17: 1}), (84, {17: 3}), (168, {17: 1}), (252, {17: 2}), (336, {17: 4})]
    found = of(derive_adqs(qs(*forms), adsl(), protocol=protocol(confirmed=confirmed)), "DI")
    assert found["DETERFL"].to_list() == flags


@pytest.mark.by_hand
def test_a_deterioration_on_the_last_form_is_not_confirmed():
    forms = [(0, {17: 1}), (84, {17: 4})]
    found = of(derive_adqs(qs(*forms), adsl(), protocol=protocol(confirmed=True)), "DI")
    assert found["DETERFL"].to_list() == [None, None]


@pytest.mark.by_hand
def test_a_baseline_without_room_is_told():
    forms = [
        (0, {17: 4, 29: 1, 30: 1, 9: 2, 19: 2, 11: 4}),
        (84, {17: 1, 29: 7, 30: 7, 9: 1, 19: 1, 11: 1}),
    ]
    adqs = derive_adqs(qs(*forms), adsl(), protocol=NETTER_2)
    room = {scale: of(adqs, scale)["ROOM"].to_list() for scale in ("DI", "QL2", "PA", "SL")}
    assert room == {"DI": ["N", "N"], "QL2": ["N", "N"], "PA": ["Y", "Y"], "SL": [None, None]}


@pytest.mark.by_hand
def test_without_baseline_or_date_nothing_is_counted():
    later = of(derive_adqs(qs((84, {17: 4})), adsl(), protocol=NETTER_2), "DI")
    assert later.select("BASE", "CHG", "ANL01FL", "DETERFL", "ROOM").row(0) == (None,) * 5
    undated = of(
        derive_adqs(qs((0, {17: 1}), (None, {17: 4}), (84, {17: 1})), adsl(), protocol=NETTER_2),
        "DI",
    )
    assert undated.filter(pl.col("ADT").is_null()).select("ANL01FL", "AVISIT").rows() == [
        (None, "UNSCHEDULED")
    ]


@pytest.mark.by_hand
def test_who_was_never_treated_starts_at_randomisation():
    forms = [(-12, {17: 1}), (-10, {17: 2}), (84, {17: 4})]  # randomised 10 days before 1 March
    found = of(derive_adqs(qs(*forms), adsl(None), protocol=NETTER_2), "DI")
    assert found["ABLFL"].to_list() == [None, "Y", None]
    assert found["DETERFL"].to_list() == [None, None, "Y"]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("day", "visit", "away"),
    [
        (70, "WEEK 12", -14),
        (69, "UNSCHEDULED", None),
        (98, "WEEK 12", 14),
        (99, "UNSCHEDULED", None),
    ],
)
def test_visit_windows(day, visit, away):
    found = of(derive_adqs(qs((0, {17: 1}), (day, {17: 1})), adsl(), protocol=NETTER_2), "DI")
    assert found.select("AVISIT", "AWTDIFF").row(1) == (visit, away)


course = st.lists(
    st.tuples(st.integers(-30, 700), st.integers(1, 4), st.integers(1, 7)),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0],
)


@pytest.mark.law
@UNTIMED
@given(course, st.integers(0, 99))
def test_deterioration_is_the_first_of_its_kind_in_any_order_of_rows(drawn, seed):
    rows = qs(*((day, {17: low, 29: high, 30: high}) for day, low, high in drawn))
    adqs = derive_adqs(rows, adsl(), protocol=NETTER_2)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(derive_adqs(shuffled, adsl(), protocol=NETTER_2), adqs)
    for scale, sign in (("DI", 1), ("QL2", -1)):
        forms = of(adqs, scale).filter(pl.col("ANL01FL") == "Y")
        worse = forms.filter(sign * pl.col("CHG") >= 10)
        flagged = forms.filter(pl.col("DETERFL") == "Y")
        assert flagged["ADT"].to_list() == worse["ADT"].to_list()[:1]


# -- refusals --------------------------------------------------------------------------------


def test_tells_of_strange_and_double_answers():
    rows = pl.concat([qs((0, {17: 5, 29: 8, 9: 1.5, 11: 2})), qs((0, {11: 3}))])
    with pytest.raises(DatasetError) as error:
        derive_adqs(rows, adsl(), protocol=NETTER_2)
    told = str(error.value)
    assert "an answer is 1, 2, 3 or 4" in told
    assert "3 of 5 rows break this" in told
    assert "an item is answered once on a form" in told
    assert "2 of 5 rows break this" in told


def test_refuses_a_protocol_without_questionnaire():
    without = NETTER_2.model_copy(update={"quality_of_life": None})
    with pytest.raises(ValueError, match=r"no \[quality_of_life\]"):
        derive_adqs(qs((0, {17: 1})), adsl(), protocol=without)
