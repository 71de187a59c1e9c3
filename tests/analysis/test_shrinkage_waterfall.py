# SPDX-License-Identifier: Apache-2.0
"""The waterfall of best changes: which bars are shown, and why a deep one is no response."""

import polars as pl
import pytest

WATERFALL = {
    "kind": "shrinkage waterfall",
    "evaluation": "local",
    "until": "PFSI",
    "response": "CBOR",
    "percent": 30,
}


@pytest.fixture
def waterfall(results_of, subjects, scans, dated, responses):
    """Ask for the waterfall of subjects, given by sums, ends and responses."""

    def ask(arms, sums, ends, said, *, unscheduled=False, **options):
        named = [f"{i:03}" for i in range(1, len(arms) + 1)]
        stable = [(name, "BOR", None, "SD") for name in named]
        told = {(row[0], row[1]) for row in said if row[2] is None}
        rows = [row for row in stable if row[:2] not in told]
        adam = {
            "ADSL": subjects(arms),
            "ADTR": scans(*sums),
            "ADTTE": dated(*ends),
            "ADRS": responses(*rows, *said, ("none", "CBOR", None, "NE")),
        }
        if unscheduled:  # visits of one name and number, told apart by their dates
            visit = {"VISIT": pl.lit("UNSCHEDULED"), "VISITNUM": pl.lit(99.0)}
            adam |= {name: adam[name].with_columns(**visit) for name in ("ADTR", "ADRS")}
        return results_of(adam, {**WATERFALL, **options})

    return ask


@pytest.mark.by_hand
def test_bars_are_of_the_measured_whose_best_response_is_not_progression(waterfall):
    found = waterfall(
        ["LU", "LU", "LU", "CONTROL", "CONTROL"],
        [
            *(("001", 84, -10.0), ("001", 168, -40.0)),
            ("002", 84, 30.0),
            *(("004", 84, 5.0), ("004", 168, -35.0), ("004", 252, -50.0)),
        ],
        [
            *(("001", 300, True), ("002", 84, True), ("003", 90, False)),
            *(("004", 170, False), ("005", 1, False)),
        ],
        [
            ("001", "CBOR", None, "PR"),
            ("002", "BOR", None, "PD"),
            ("002", "CBOR", None, "PD"),
            ("004", "OVR", 168, "PR"),
            ("004", "CBOR", None, "SD"),
        ],
    )
    bars = found.of("best_change").select("subject", "arm", "value", "text").rows()
    assert bars == [("004", "CONTROL", -35.0, "SD"), ("001", "LU", -40.0, "PR")]
    assert found.value("excluded", arm="LU", level="best response is progression") == 1
    assert found.value("excluded", arm="ALL", level="no measurement") == 2
    counts = {
        level: found.value("count", arm="ALL", variable="shrinkage", level=level)
        for level in ("any", "far", "response", "after")
    }
    assert counts == {"any": 2, "far": 2, "response": 1, "after": 0}
    assert found.text("not_response", arm="CONTROL", subject="004") == (
        "not confirmed: no later assessment"
    )
    points = found.of("change_by_time").select("subject", "time_days", "text").rows()
    assert points == [("004", 171.0, "censored"), ("001", 301.0, "event")]


@pytest.mark.by_hand
def test_a_shrinkage_seen_only_after_progression_is_counted_apart(waterfall):
    found = waterfall(
        ["LU"],
        [("001", 84, -5.0), ("001", 252, -45.0)],
        [("001", 168, True)],
        [("001", "CBOR", None, "SD")],
    )
    assert found.value("best_change", arm="LU", subject="001") == -5
    assert found.value("count", arm="LU", variable="shrinkage", level="after") == 1
    assert found.of("not_response").is_empty()


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            [("OVR", 84, "PD"), ("NEWLES", 84, "Y"), ("NTGRESP", 84, "PD")],
            "a new lesion at that visit",
        ),
        (
            [("OVR", 84, "PD"), ("NEWLES", 84, "N"), ("NTGRESP", 84, "PD")],
            "progression of non-target lesions at that visit",
        ),
        ([("OVR", 84, "PD"), ("NEWLES", 84, "N")], "growth from the nadir at that visit"),
        ([("OVR", 84, "SD")], "stable disease by the rules of that visit"),
        ([("OVR", 84, "NE")], "overall response of that visit not evaluable"),
        ([], "overall response of that visit not evaluable"),
        ([("OVR", 84, "PR*")], "after progression or new anticancer therapy"),
        ([("OVR", 84, "PR")], "not confirmed: no later assessment"),
        (
            [("OVR", 84, "PR"), ("OVR", 168, "SD"), ("OVR", 252, "PD")],
            "not confirmed: progression at a later assessment",
        ),
        (
            [("OVR", 84, "PR"), ("OVR", 100, "PR")],
            "not confirmed: response not held long enough",
        ),
    ],
)
def test_why_a_bar_beyond_thirty_percent_is_no_response(waterfall, said, reason):
    found = waterfall(
        ["LU"],
        [("001", 84, -32.0)],
        [("001", 300, True)],
        [("001", "CBOR", None, "SD"), *(("001", *one) for one in said)],
    )
    assert found.text("not_response", arm="LU", subject="001") == reason
    counted = found.of("count", arm="LU", variable="not_response")
    assert counted.select("level", "value").rows() == [(reason, 1.0)]


@pytest.mark.by_hand
def test_a_response_at_a_later_visit_is_judged_and_not_the_first_deep_sum(waterfall):
    found = waterfall(
        ["LU"],
        [("001", 84, -31.0), ("001", 168, -36.0)],
        [("001", 300, True)],
        [("001", "CBOR", None, "SD"), ("001", "OVR", 84, "NE"), ("001", "OVR", 168, "PR")],
    )
    assert found.text("not_response", arm="LU", subject="001") == (
        "not confirmed: no later assessment"
    )


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (98, "not confirmed: progression at a later assessment"),  # PR is the nearer record
        (160, "growth from the nadir at that visit"),
    ],
)
def test_of_several_records_under_one_visit_the_nearest_counts(waterfall, day, reason):
    found = waterfall(
        ["LU"],
        [("001", day, -32.0)],
        [("001", 300, True)],
        [("001", "CBOR", None, "SD"), ("001", "OVR", 97, "PR"), ("001", "OVR", 161, "PD")],
        unscheduled=True,
    )
    assert found.text("not_response", arm="LU", subject="001") == reason


@pytest.mark.by_hand
def test_no_change_is_no_shrinkage(waterfall):
    found = waterfall(
        ["LU", "LU"],
        [("001", 84, 0.0), ("002", 84, -0.1)],
        [("001", 300, True), ("002", 300, False)],
        [("001", "CBOR", None, "SD"), ("002", "CBOR", None, "SD")],
    )
    assert found.value("count", arm="LU", variable="shrinkage", level="any") == 1


@pytest.mark.by_hand
def test_of_too_many_subjects_the_counts_remain(waterfall):
    found = waterfall(
        ["LU", "LU"],
        [("001", 84, -40.0)],
        [("001", 300, True)],
        [("001", "CBOR", None, "PR")],
        at_most=1,
    )
    assert found.text("not_available") == "left out: 2 subjects, and the figure is for 1 at most"
    assert found.of("best_change").is_empty()
    assert found.value("count", arm="LU", variable="shrinkage", level="far") == 1
