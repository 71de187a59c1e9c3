"""The run through a protocol's analyses: populations, what a study lacks, and the frame."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.analysis import SCHEMA, analyse, results_json
from radioligand.analysis.results import Origin, frame_of

BASELINE = {"kind": "baseline", "variables": ["SEX"]}
PFS = {
    "kind": "time to event",
    "endpoint": "PFS",
    "test": {"stratified": True, "sided": 1},
    "model": {"stratified": True},
    "follow_up": ["administrative", "reverse"],
}
CHAIN = {
    "kind": "hierarchy",
    "alpha": 0.025,
    "sided": 1,
    "steps": [{"analysis": "time-to-event", "label": "PFS"}],
}
SAFETY = {"grading": "CTCAE 5.0", "dictionary": "MedDRA 26.0", "days_after_last_dose": 30}


# -- populations ------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_safety_counts_by_the_treatment_received(results_of, subjects):
    adsl = subjects(["LU", "LU", "CONTROL"], TRT01A=["LU", "CONTROL", "CONTROL"])
    safety = {**BASELINE, "population": "safety"}

    found = results_of({"ADSL": adsl}, safety)

    assert (found.value("n", arm="LU"), found.value("n", arm="CONTROL")) == (1, 2)


@pytest.mark.by_hand
def test_subjects_without_an_arm_are_named(results_of, subjects):
    adsl = subjects(["LU", "CONTROL", "OTHER"], SEX=["F", "M", "F"])

    found = results_of({"ADSL": adsl}, BASELINE)

    assert found.value("n", arm="ALL") == 2
    told = "1 of 3 subjects have no arm of the protocol in TRT01P and are in no number (003)"
    assert found.text("not_available") == told


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("drop", "says"),
    [
        ("ADSL", "the study has no ADSL"),
        ("FASFL", "ADSL has no FASFL"),
        ("everyone", "no subject is in the Full analysis set (FASFL = 'Y')"),
        ("ADRS", "the study has no ADRS"),
        ("AVALC", "ADRS has no AVALC"),
        ("BOR", "ADRS has no records with PARAMCD 'BOR'"),
    ],
)
def test_what_the_study_lacks_is_a_row(results_of, subjects, drop, says):
    adsl = subjects(["LU", "CONTROL"])
    adrs = pl.DataFrame({"USUBJID": ["001", "002"], "PARAMCD": ["BOR"] * 2, "AVALC": ["PR", "SD"]})
    adam = {"ADSL": adsl, "ADRS": adrs}
    if drop in adam:
        del adam[drop]
    elif drop == "FASFL":
        adam["ADSL"] = adsl.drop("FASFL")
    elif drop == "everyone":
        adam["ADSL"] = adsl.with_columns(FASFL=pl.lit("N"))
    elif drop == "AVALC":
        adam["ADRS"] = adrs.drop("AVALC")
    else:
        adam["ADRS"] = adrs.with_columns(PARAMCD=pl.lit("CBOR"))
    listed = {
        "kind": "response",
        "parameter": "BOR",
        "levels": ["PR", "SD"],
        "objective": ["PR"],
        "control": ["PR", "SD"],
        "sided": 1,
    }

    found = results_of(adam, listed)

    assert found.text("not_available") == says


EVERY_KIND = [
    {"kind": "disposition", "population": "screened"},
    BASELINE,
    {"kind": "exposure", "population": "safety"},
    {
        "kind": "response",
        "parameter": "BOR",
        "levels": ["PR", "SD"],
        "objective": ["PR"],
        "control": ["PR", "SD"],
        "sided": 1,
    },
    PFS,
    {
        "kind": "subgroups",
        "endpoint": "PFS",
        "variables": ["SITE"],
        "model": {"stratified": False},
    },
    {"kind": "sensitivity", "endpoints": ["PFS", "PFSI"]},
    *(
        {"kind": kind, "evaluation": "central", "response": "CBOR"}
        for kind in ("waterfall", "spider", "swimmer")
    ),
    {"kind": "agreement", "evaluations": ["central", "local"]},
    {"kind": "adverse events", "table": "overview", "population": "safety"},
    CHAIN,
]


@pytest.mark.by_hand
def test_study_without_data_is_answered_by_reasons_alone(results_of):
    frame = results_of({}, *EVERY_KIND).frame

    assert frame["analysis"].to_list() == [each["kind"].replace(" ", "-") for each in EVERY_KIND]
    assert set(frame["statistic"]) == {"not_available"}
    assert set(frame["text"]) == {"the study has no ADSL"}


@pytest.mark.by_hand
def test_subjects_alone_answer_what_they_can(results_of, subjects):
    frame = results_of({"ADSL": subjects(["LU", "CONTROL"])}, *EVERY_KIND, safety=SAFETY).frame

    reasons = frame.filter(pl.col("statistic").is_in(["not_available", "not_estimable"]))
    told = dict(reasons.group_by("analysis").agg(pl.col("text").first()).iter_rows())
    assert told.keys() == {each["kind"].replace(" ", "-") for each in EVERY_KIND}
    assert told["exposure"] == "the study has no ADEX"
    assert told["waterfall"] == "the study has no ADTR"
    assert told["swimmer"] == "the study has no ADRS"
    assert told["adverse-events"] == "the study has no ADAE"
    assert told["hierarchy"] == "not estimable: the study has no ADTTE"


@pytest.mark.by_hand
def test_trial_of_one_arm_compares_nothing(results_of, subjects, times, protocol_of):
    adsl = subjects(["LU", "LU"], SITE=["Pancreas", "Rectum"])
    adam = {"ADSL": adsl, "ADTTE": times(adsl, [10, 20], [True, False])}
    listed = [each for each in EVERY_KIND if each["kind"] in ("time to event", "subgroups")]
    arms = [arm.model_dump(exclude_none=True) for arm in protocol_of().arms[:1]]

    found = results_of(adam, *listed, arms=arms, crossover=[])

    reason = "not estimable: the protocol has no experimental arm beside a control arm"
    assert found.of("not_estimable")["text"].to_list() == [reason] * 2


# -- the frame --------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_frame_has_the_order_of_the_document(results_of, subjects, times):
    adsl = subjects(["LU", "CONTROL"], SEX=["F", "M"])
    adtte = times(adsl, [10, 20], [True, True])
    listed = [
        CHAIN,
        BASELINE,
        PFS,
    ]

    frame = results_of({"ADSL": adsl, "ADTTE": adtte}, *listed).frame

    assert frame.schema == SCHEMA
    order = ["hierarchy", "baseline", "time-to-event"]
    assert frame["analysis"].unique(maintain_order=True).to_list() == order
    first = frame.group_by("analysis", maintain_order=True).first()
    assert set(first["statistic"]) == {"n"}


@pytest.mark.by_hand
def test_progress_hears_of_each_analysis(protocol_of, subjects):
    heard: list[str] = []
    protocol = protocol_of({**BASELINE, "title": "Patients"}, {**PFS, "title": "Survival"})

    analyse({"ADSL": subjects(["LU"])}, protocol=protocol, progress=heard.append)

    assert heard == ["Patients", "Survival"]


@pytest.mark.by_hand
def test_json_leaves_nulls_out_and_keeps_every_digit():
    origin = Origin(analysis="pfs", dataset="ADTTE")
    rows = [
        origin.row("median", 0.1 + 0.2, arm="LU", unit="months"),
        origin.row("median", float("nan"), arm="CONTROL"),
        origin.row("n", 3, arm="LU", text="Ünïcode – “quoted”"),
    ]

    assert results_json(frame_of(rows)) == (
        "[\n"
        '{"analysis": "pfs", "dataset": "ADTTE", "arm": "LU", "statistic": "median", '
        '"value": 0.30000000000000004, "unit": "months"},\n'
        '{"analysis": "pfs", "dataset": "ADTTE", "arm": "CONTROL", "statistic": "median", '
        '"text": "NE"},\n'
        '{"analysis": "pfs", "dataset": "ADTTE", "arm": "LU", "statistic": "n", "value": 3.0, '
        '"text": "Ünïcode – “quoted”"}\n'
        "]\n"
    )
    assert results_json(frame_of([])) == "[\n\n]\n"


number = st.one_of(st.none(), st.floats())
word = st.one_of(st.none(), st.text(max_size=5))


@pytest.mark.law
@given(st.lists(st.tuples(number, word, number, word), max_size=5))
def test_json_reads_back_as_the_frame(rows):
    origin = Origin(analysis="any")
    frame = frame_of(
        origin.row("x", value, arm=arm, time_days=None if time != time else time, text=text)
        for value, arm, time, text in rows
        if time is None or abs(time) < float("inf")
    )

    again = pl.DataFrame(json.loads(results_json(frame)), schema=SCHEMA)

    assert again.equals(frame)
    assert results_json(again) == results_json(frame)
