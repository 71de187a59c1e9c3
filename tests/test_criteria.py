# SPDX-License-Identifier: Apache-2.0
"""Three-valued conditions: truth tables by hand, laws, and what a condition may not be."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.criteria import (
    Verdict,
    comparisons,
    in_words,
    met,
    parse_condition,
    verdict,
    with_unknown,
)

PATIENT = {
    "ki67_percent": 17.0,
    "grade": "2",
    "prior_prrt": False,
    "weight_kg": None,
    "uptake": 4.0,
    "uptake_date": date(2024, 1, 1),
    "assessed": date(2024, 3, 1),
}


def ask(condition, patient=PATIENT) -> Verdict:
    frame = pl.DataFrame([patient], schema_overrides={"weight_kg": pl.Float64})
    return verdict(frame.select(met(parse_condition(condition))).item())


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "ki67_percent", "between": [10, 55]}, "met"),
        ({"field": "ki67_percent", "between": [17, 17]}, "met"),
        ({"field": "ki67_percent", "above": 17}, "not met"),
        ({"field": "ki67_percent", "at_least": 17}, "met"),
        ({"field": "ki67_percent", "below": 17}, "not met"),
        ({"field": "ki67_percent", "at_most": 17}, "met"),
        ({"field": "grade", "equals": "2"}, "met"),
        ({"field": "grade", "one_of": ["1", "3"]}, "not met"),
        ({"field": "ki67_percent", "one_of": [17, 20]}, "met"),
        ({"field": "weight_kg", "one_of": [40, 50]}, "unknown"),
        ({"field": "prior_prrt", "is": False}, "met"),
        ({"field": "prior_prrt", "is": True}, "not met"),
        ({"field": "weight_kg", "above": 40}, "unknown"),
        ({"field": "weight_kg", "known": True}, "not met"),
        ({"field": "weight_kg", "known": False}, "met"),
        ({"not": {"field": "weight_kg", "above": 40}}, "unknown"),
        # a limit that the source leaves open: unknown only where it matters
        ({"field": "ki67_percent", "above": [10, 15]}, "met"),
        ({"field": "ki67_percent", "above": [15, 17]}, "unknown"),
        ({"field": "ki67_percent", "at_least": [15, 17]}, "met"),
        ({"field": "ki67_percent", "above": [17, 20]}, "not met"),
        ({"field": "ki67_percent", "below": [15, 17]}, "not met"),
        ({"field": "ki67_percent", "below": [17, 18]}, "unknown"),
        ({"field": "ki67_percent", "at_most": [16, 17]}, "unknown"),
        ({"field": "weight_kg", "above": [40, 50]}, "unknown"),
        ({"not": {"field": "grade", "equals": "2"}}, "not met"),
    ],
)
def test_one_comparison(condition, expected):
    assert ask(condition) == expected


YES = {"field": "ki67_percent", "above": 1}
NO = {"field": "ki67_percent", "above": 99}
UNKNOWN = {"field": "weight_kg", "above": 40}


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("parts", "both", "either"),
    [
        ([YES, YES], "met", "met"),
        ([YES, NO], "not met", "met"),
        ([NO, NO], "not met", "not met"),
        ([YES, UNKNOWN], "unknown", "met"),
        ([NO, UNKNOWN], "not met", "unknown"),
        ([UNKNOWN, UNKNOWN], "unknown", "unknown"),
    ],
)
def test_joined_as_kleene_joins(parts, both, either):
    assert ask({"all": parts}) == both
    assert ask({"any": parts}) == either
    assert ask({"all": parts[::-1]}) == both


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("within_days", "expected"),
    [(60, "met"), (59, "unknown")],  # 1 January to 1 March 2024 is 60 days
)
def test_a_finding_older_than_its_window_is_unknown(within_days, expected):
    condition = {
        "field": "uptake",
        "at_least": 3,
        "within_days": within_days,
        "before": "assessed",
    }
    assert ask(condition) == expected


def test_a_finding_after_the_anchor_or_without_a_date_is_unknown():
    condition = {"field": "uptake", "at_least": 3, "within_days": 90, "before": "assessed"}
    later = PATIENT | {"uptake_date": date(2024, 3, 2)}
    undated = PATIENT | {"uptake_date": None}

    assert ask(condition, later) == "unknown"
    frame = pl.DataFrame([undated], schema_overrides={"uptake_date": pl.Date})
    assert frame.select(met(parse_condition(condition))).item() is None


def test_what_a_frame_lacks_is_added_as_unknown():
    condition = parse_condition(
        {
            "all": [
                {"field": "prior_prrt", "is": True},
                {"field": "grade", "one_of": ["1", "2"]},
                {"field": "uptake", "at_least": 3, "within_days": 90, "before": "assessed"},
            ]
        }
    )
    frame = with_unknown(pl.DataFrame({"grade": ["2"]}), [condition])

    assert dict(frame.schema) == {
        "grade": pl.String,
        "prior_prrt": pl.Boolean,
        "uptake": pl.Float64,
        "uptake_date": pl.Date,
        "assessed": pl.Date,
    }
    assert frame["grade"].to_list() == ["2"]
    assert frame.null_count().row(0) == (0, 1, 1, 1, 1)


values = st.one_of(st.none(), st.booleans())
leaves = st.sampled_from(["a", "b", "c"]).map(lambda name: {"field": name, "is": True})
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)


@pytest.mark.law
@given(conditions, st.tuples(values, values, values), st.sampled_from("abc"))
def test_more_missing_data_never_decides(condition, answers, lost):
    """What is met or not met with a gap stays so however the gap is filled."""
    known = dict(zip("abc", answers))
    schema = dict.fromkeys("abc", pl.Boolean)
    expression = met(parse_condition(condition))

    full = pl.DataFrame([known], schema=schema).select(expression).item()
    gap = pl.DataFrame([known | {lost: None}], schema=schema).select(expression).item()

    assert gap is None or gap == full


@pytest.mark.law
@given(conditions)
def test_a_condition_names_the_fields_it_looks_at(condition):
    parsed = parse_condition(condition)
    assert {one.field for one in comparisons(parsed)} <= set("abc")
    assert in_words(parsed)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("ki67 > 3", "a condition is a table"),
        ({"field": "a"}, "found 0"),
        ({"field": "a", "above": 1, "below": 2}, "found 2"),
        ({"above": 1}, "names its field"),
        ({"field": "a", "abowe": 1}, "unknown word 'abowe'"),
        ({"field": "a", "between": [2, 1]}, "2 is above 1"),
        ({"field": "a", "between": [2]}, "two limits"),
        ({"field": "a", "above": [2, 1]}, "above takes two limits, lowest first; 2 is above 1"),
        ({"field": "a", "below": [1, 2, 3]}, "below takes two limits"),
        ({"field": "a", "is": "yes"}, "is cannot take 'yes'"),
        ({"field": "a", "above": True}, "above cannot take True"),
        ({"field": "a", "above": 1, "within_days": 3}, "go together"),
        ({"all": []}, "takes a list of conditions"),
        ({"all": [YES], "any": [NO]}, "stands alone"),
        ({"all": [{"field": "a"}, {"abow": 1}]}, r"all\[0\].*all\[1\]"),
    ],
)
def test_refuses_what_is_no_condition(condition, says):
    with pytest.raises(ValueError, match=says):
        parse_condition(condition)


def test_reads_aloud():
    condition = parse_condition(
        {"all": [{"field": "ki67_percent", "unit": "%", "between": [10, 55]}, {"not": YES}]}
    )
    assert in_words(condition) == "ki67_percent from 10 to 55 % and not ki67_percent above 1"
    open_limit = parse_condition({"field": "ki67_percent", "unit": "%", "above": [10, 15]})
    assert in_words(open_limit) == "ki67_percent above 10–15 %"
