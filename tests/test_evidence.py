# SPDX-License-Identifier: Apache-2.0
"""Published results: what is reproduced and how, against R, by law, and what documents may say."""

import json
from collections import Counter
from copy import deepcopy
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radioligand.cli import cli
from radioligand.evidence import (
    METHODS,
    PublishedError,
    counted,
    parse_published,
    read_published,
    reproduce,
)
from radioligand.evidence.calculations import (
    creatinine_mg_per_dl,
    log_log_middle,
    millicuries,
    months,
    peto_p_value,
    ratio_p_value,
)
from radioligand.evidence.comparison import attempt, is_weak
from radioligand.evidence.printing import decimals_of, in_form, numbers_in, overlaps, rounded
from radioligand.io.documents import published_documents

REFERENCE = json.loads((Path(__file__).parent / "reference" / "published.json").read_text())
PUBLISHED = read_published()
ROWS = reproduce(PUBLISHED)
BY_ID = {row.id: row for row in ROWS}
WRITTEN = {
    row.id: row for study in PUBLISHED.studies for group in study.groups for row in group.rows
}


def ids(verdict):
    return {row.id for row in ROWS if row.verdict == verdict}


# --- what is reproduced ---------------------------------------------------------------------------


@pytest.mark.trial
def test_at_least_480_direct_rows_and_75_checks_are_recomputed():
    kinds = Counter(row.kind for row in ROWS)

    assert kinds["direct"] >= 480
    assert kinds["consistency"] >= 75


@pytest.mark.trial
def test_only_these_numbers_cannot_be_reproduced():
    assert ids("no match") == {
        "netter-1.design.subjects-survival",  # 230 by no standard method
        "netter-1.sums.any-event-by-term",  # 105 and 92, elsewhere 106 and 95
        "shrinkage.methods.72-weeks",  # told as 18 months
        "shrinkage.sums.week-72-again-lu",
        "shrinkage.sums.week-72-again-control",
        "board.netter-1.response-lu",  # 19 %, by the paper 18 %
        "board.netter-1.myelodysplastic-syndrome",  # 2.3 % of nobody
        "board.intervals.pancreas-temozolomide",  # outside its own interval
        "board.middles.pancreas-temozolomide",
    }


@pytest.mark.trial
@pytest.mark.parametrize(
    ("row", "method"),
    [
        ("netter-2.design.events", "log-rank events, Schoenfeld"),
        ("netter-2.response.orr-interval-lu", "Clopper–Pearson interval"),
        ("netter-2.response.dcr-interval-control", "Clopper–Pearson interval"),
        ("netter-2.response-text.difference", "difference, Wald interval"),
        ("netter-1.response.interval-lu", "Wald interval"),
        ("netter-1.design.deaths", "log-rank events, Schoenfeld"),
        ("netter-1.efficacy.death-p", "log-rank test by Peto's variance"),
    ],
)
def test_the_papers_methods_give_their_numbers(row, method):
    assert (BY_ID[row].verdict, BY_ID[row].method) == ("match", method)


@pytest.mark.trial
@pytest.mark.parametrize(
    ("row", "method"),
    [
        ("netter-1.design.events", "log-rank events, Lakatos"),
        ("netter-1.design.subjects", "log-rank subjects, Lakatos"),
        ("netter-1.design.boundary", "first boundary, O'Brien–Fleming of equal looks"),
        ("netter-2.response.odds-ratio", "Mantel–Haenszel odds ratio, strata that fit"),
        ("netter-2.exposure.per-cycle-mci", "GBq to mCi, before rounding"),
        ("netter-2.results.locally-advanced", "percentage"),
        ("netter-1.thresholds.leukopenia", "percentage, rounded first"),
    ],
)
def test_other_numbers_need_a_named_alternative(row, method):
    assert (BY_ID[row].verdict, BY_ID[row].method) == ("alternative", method)


@pytest.mark.trial
@pytest.mark.parametrize(
    ("method", "row", "text"),
    [
        ("Clopper–Pearson interval", "netter-1.response.interval-lu", "11–27"),
        ("Clopper–Pearson interval", "netter-1.response.interval-control", "1–9"),
        ("Wald interval", "netter-2.response.orr-interval-control", "2.7–15.9"),
        ("log-rank events, Schoenfeld", "netter-1.design.events", "73"),
        ("log-rank subjects, Schoenfeld", "netter-1.design.subjects", "122"),
        ("log-rank subjects, Lakatos", "netter-1.design.subjects-survival", "228"),
        ("log-rank subjects, Freedman", "netter-1.design.subjects-survival", "235"),
        ("GBq to mCi", "netter-2.exposure.per-cycle-mci", "197"),
        ("odds ratio", "netter-2.response.odds-ratio", "7.34 (3.16–17.04)"),
    ],
)
def test_the_other_method_gives_something_else(method, row, text):
    assert attempt(METHODS[method], WRITTEN[row].inputs, WRITTEN[row].published).text == text


@pytest.mark.trial
def test_chi_square_does_not_give_the_p_values_that_fisher_gives():
    rows = [row for row in WRITTEN.values() if row.method == "Fisher's exact test"]
    test = METHODS["chi-square test"]
    agree = [attempt(test, row.inputs, row.published).agrees for row in rows]

    assert len(rows) == 30
    assert agree.count(True) < 20


@pytest.mark.trial
def test_each_adverse_event_of_netter_1_has_its_own_p_value():
    found = {row.id for row in ROWS if row.id.startswith(("netter-1.safety.", "netter-1.events."))}

    assert sum(name.endswith("-p") for name in found) == 26


@pytest.mark.trial
def test_no_printed_percentage_lies_on_a_half_so_the_rule_for_halves_does_not_matter():
    shares = [row for row in ROWS if row.method in ("percentage", "percentage or <1")]
    places = [decimals_of(numbers_in(row.published)[0][1]) for row in shares]
    by_rule = {
        how: [rounded(row.values[0], n, rounding=how) for row, n in zip(shares, places)]
        for how in ("half up", "half to even", "cut off")
    }

    assert len(shares) > 400
    assert by_rule["half up"] == by_rule["half to even"]
    assert by_rule["half up"] != by_rule["cut off"]


# --- the documents keep their word ----------------------------------------------------------------


def test_every_row_that_departs_from_its_method_says_why_and_no_other_does():
    departs = {row.id for row in ROWS if row.verdict != "match"}
    says = {row.id for row in ROWS if row.reason}

    assert says == departs


def test_alternatives_stand_only_where_the_standard_method_fails():
    assert {row.id for row in WRITTEN.values() if row.alternatives} <= {
        row.id for row in ROWS if row.verdict != "match"
    }


def test_every_number_keeps_its_paper_cutoff_and_reviewer():
    cutoffs = {row.paper: set() for row in ROWS}
    for row in ROWS:
        cutoffs[row.paper].add(row.cutoff)

    assert cutoffs["singh-2024"] == {None, date(2023, 7, 20)}
    assert cutoffs["strosberg-2017"] == {None, date(2015, 7, 24)}
    assert {date(2016, 6, 30), date(2021, 1, 18)} < cutoffs["pavel-2025"]
    assert {row.reviewer for row in ROWS} == {"central", "local", "none"}


@pytest.mark.parametrize(
    ("conflict", "values"),
    [
        ("netter-1-randomised", {"229 (116 and 113)", "231 (117 and 114)"}),
        (
            "netter-1-hazard-ratio",
            {"0.21 (0.13–0.33)", "0.21 (0.14–0.33)", "0.18 (0.11–0.29)"},
        ),
        ("netter-1-control-median", {"8.4 (5.8–9.1)", "8.4", "8.5"}),
        ("netter-1-cutoff", {"24 July 2015", "30 June 2016", "18 January 2021, final"}),
    ],
)
def test_conflicts_stand_side_by_side(conflict, values):
    found = next(one for one in PUBLISHED.conflicts if one.id == conflict)

    assert {one.value for one in found.statements} == values


def test_strata_of_the_odds_ratio_keep_every_printed_margin():
    tables = WRITTEN["netter-2.response.odds-ratio"].alternatives[0].inputs["tables"]
    # grade 2 in the pancreas, elsewhere; grade 3 in the pancreas, elsewhere
    lu = [sum(table[0]) for table in tables]
    control = [sum(table[1]) for table in tables]

    assert (sum(lu), sum(control)) == (151, 75)
    assert (lu[0] + lu[1], lu[0] + lu[2]) == (99, 82)  # grade 2, pancreas
    assert (control[0] + control[1], control[0] + control[2]) == (48, 41)
    assert [sum(table[arm][0] for table in tables) for arm in (0, 1)] == [65, 7]


# --- R --------------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize(("row", "p_value"), REFERENCE["fisher"].items())
def test_fisher_p_values_agree_with_r(row, p_value):
    assert BY_ID[row].values == pytest.approx((p_value,), rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize(("row", "limits"), REFERENCE["intervals"].items())
def test_intervals_agree_with_r(row, limits):
    assert BY_ID[row].values == pytest.approx(tuple(limits), rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("methods", "answers"),
    [
        (("Fisher's exact test",), [(one,) for one in REFERENCE["fisher"].values()]),
        (
            ("Clopper–Pearson interval", "Wald interval"),
            [tuple(one) for one in REFERENCE["intervals"].values()],
        ),
    ],
)
def test_r_has_the_answer_of_every_exact_test_and_interval(methods, answers):
    rows = [row for row in ROWS if row.method in methods]
    unknown = [
        row.id for row in rows if not any(row.values == pytest.approx(one) for one in answers)
    ]

    assert len(rows) >= len(answers)
    assert unknown == []


@pytest.mark.reference
def test_difference_and_odds_ratio_agree_with_r():
    difference = BY_ID["netter-2.response-text.difference"].values
    odds_ratio = BY_ID["netter-2.response.odds-ratio"].values

    assert difference == pytest.approx(tuple(REFERENCE["difference"]), rel=1e-12)
    assert odds_ratio == pytest.approx(tuple(REFERENCE["odds_ratio"]), rel=1e-12)


# --- worked by hand -------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_units():
    assert millicuries(7.4) == pytest.approx(200)
    assert months(72) == pytest.approx(16.5585, abs=5e-5)
    assert creatinine_mg_per_dl(150) == pytest.approx(1.6968)


@pytest.mark.by_hand
def test_what_intervals_tell():
    # log(-log) of 0.5 and 0.768 is -0.36651 and -1.33192; their mean -0.84922 is 65.19 %
    assert log_log_middle(50.0, 76.8) == pytest.approx(65.19, abs=0.01)
    # an interval of 0.5 to 2 about 2: z = log 2 / (log 4 / 3.92) = 1.96
    assert ratio_p_value(2.0, 0.5, 2.0) == pytest.approx(0.05, abs=1e-12)
    # z = log(0.4) * sqrt(40) / 2 = -2.8976
    assert peto_p_value(0.40, 40) == pytest.approx(0.00376, abs=5e-6)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("values", "published", "text"),
    [
        ((53.64,), "54%", "54%"),
        ((12.5,), "13", "13"),
        ((100 * 57 / 200,), "29", "29"),  # 28.499999999999996 in binary
        ((34.963, 51.34), "35.0–51.3", "35.0–51.3"),
        ((0.00042,), "<0.001", "<0.001"),
        ((0.0012,), "<0.001", "0.0012"),
        ((9.91,), "≥10%", "9.9%"),
        ((-12.34,), "−12.3", "−12.3"),
    ],
)
def test_numbers_are_printed_in_the_papers_form(values, published, text):
    assert in_form(values, published) == text


@pytest.mark.by_hand
def test_roundings_differ_on_halves_and_below_one():
    assert [rounded(12.5, 0, rounding=how) for how in ("half up", "half to even", "cut off")] == [
        "13",
        "12",
        "12",
    ]
    assert in_form((0.9,), "1%", rounding="under one as <1") == "<1%"
    assert in_form((0.9,), "1%") == "1%"


@pytest.mark.by_hand
def test_inputs_are_told_in_words():
    assert BY_ID["netter-1.response.p-value"].made_from == "18 of 101, 3 of 100"
    assert BY_ID["netter-1.intervals.hazard-ratio"].made_from == (
        "estimate 0.21, lower 0.13, upper 0.33"
    )
    assert BY_ID["netter-2.sums.treated-control"].made_from == "whole 75, parts 1, 1"


@pytest.mark.by_hand
def test_weak_is_a_row_that_one_event_more_or_less_would_not_change():
    percentage, rate = METHODS["percentage"], METHODS["Clopper–Pearson interval"]

    assert is_weak(percentage, {"events": 121, "n": 226}, "54%")  # 122 is 53.98 %
    assert not is_weak(percentage, {"events": 40, "n": 75}, "53%")
    assert not is_weak(percentage, {"events": 75, "n": 75}, "100%")
    assert not is_weak(rate, {"events": 65, "n": 151}, "35.0–51.3")


# --- laws -----------------------------------------------------------------------------------------

decimal = st.decimals(0, 10_000, places=3, allow_nan=False).map(str)


@pytest.mark.law
@given(decimal, st.integers(0, 3))
def test_a_printed_number_prints_as_itself(number, places):
    unit = Decimal(1).scaleb(-places)
    text = str(Decimal(number).quantize(unit, rounding=ROUND_HALF_UP))

    assert in_form((float(number),), text) == text
    assert overlaps("", text, float(number), float(number))


@pytest.mark.law
def test_what_holds_as_printed_holds_before_rounding():
    matching = [WRITTEN[row.id] for row in ROWS if row.verdict == "match"]
    wider = {row.id: METHODS.get(f"{row.method}, before rounding") for row in matching}
    tried = [row for row in matching if wider[row.id] and len(row.inputs.get("parts", ())) < 4]

    assert len(tried) > 60
    assert [
        row.id for row in tried if not attempt(wider[row.id], row.inputs, row.published).agrees
    ] == []


# --- documents that are refused -------------------------------------------------------------------


@pytest.fixture
def documents():
    return deepcopy(published_documents())


def told(documents) -> str:
    with pytest.raises(PublishedError) as error:
        parse_published(documents)
    return str(error.value)


def first_row(documents, **changes):
    row = documents["netter-2.toml"]["groups"][0]["rows"][0]
    row.update(changes)
    return row


PLACE = "netter-2.toml.groups[summary].rows[excluded]"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"methd": "sum"}, f"{PLACE}.methd: unknown key.\n    Did you mean 'method'?"),
        (
            {"method": "percentag"},
            f"{PLACE}.method: 'percentag' is not a choice here.\n    Did you",
        ),
        ({"paper": "nobody-1999"}, f"{PLACE}.paper: 'nobody-1999' is not a choice here"),
        ({"reviewer": "both"}, f"{PLACE}.reviewer: 'both' is not a choice here"),
        ({"cutoff": "2023"}, f"{PLACE}.cutoff: is no day: '2023'"),
        ({"published": 13}, f"{PLACE}.published: is no text: 13"),
        ({"published": "13 to 15%"}, f"{PLACE}.published: '13 to 15%' holds 2 numbers; the method"),
        ({"inputs": {"events": 35}}, f"{PLACE}.inputs.n: is missing; the method takes a whole"),
        ({"inputs": {"events": 3.5, "n": 9}}, f"{PLACE}.inputs.events: is 3.5; the method takes a"),
        ({"inputs": {"events": 3, "n": 9, "m": 1}}, f"{PLACE}.inputs.m: unknown key"),
        ({"alternatives": [{"method": "sum"}]}, ".alternatives[0].inputs.parts: is missing"),
        ({"alternatives": "sum"}, f"{PLACE}.alternatives: is no list: 'sum'"),
    ],
)
def test_a_row_that_breaks_the_rules_is_told_with_its_place(documents, changes, says):
    first_row(documents, **changes)

    assert says in told(documents)


def test_all_faults_of_all_documents_are_told_at_once(documents):
    del first_row(documents)["says"]
    documents["papers.toml"]["papers"][0]["title"] = "A trial"
    documents["conflicts.toml"]["conflicts"][0]["statements"].pop()
    documents["board.toml"]["study"] = {"id": "board"}
    message = told(documents)

    assert message.startswith("Published results: 4 faults.")
    assert f"{PLACE}.says: this key is required and missing" in message
    assert "papers.toml.papers[strosberg-2017].title: unknown key" in message
    assert "conflicts.toml.conflicts[netter-1-randomised].statements: fewer than two" in message
    assert "board.toml.study.title: this key is required and missing" in message


def test_ids_are_unique(documents):
    group = documents["netter-2.toml"]["groups"][0]
    group["rows"].append(dict(group["rows"][0]))

    assert "netter-2.summary.excluded: 2 entries are row 'netter-2.summary.excluded'" in told(
        documents
    )


def test_a_study_without_rows_and_a_list_of_no_tables_are_refused(documents):
    documents["board.toml"]["groups"] = []
    documents["shrinkage.toml"]["groups"] = ["abstract"]
    message = told(documents)

    assert "board.toml.groups: there is no row" in message
    assert "shrinkage.toml.groups[0]: is no table: 'abstract'" in message


# --- the command ----------------------------------------------------------------------------------


def run(*words):
    return CliRunner().invoke(cli, ["reproduce", *words])


def test_json_is_a_list_of_rows_and_nothing_else():
    rows = json.loads(run("--json").output)

    assert len(rows) == len(ROWS)
    assert {"id", "source", "published", "recomputed", "method", "verdict"} <= rows[0].keys()
    assert {row["verdict"] for row in rows} == {"match", "alternative", "no match"}


def test_one_study_alone():
    rows = json.loads(run("shrinkage", "--json").output)

    assert {row["study"] for row in rows} == {"shrinkage"}


def test_the_terminal_shows_groups_with_counts_and_reasons():
    found = run("shrinkage")
    text = " ".join(found.output.split())

    assert found.exit_code == 0
    assert "Landmarks (shrinkage.methods)" in text
    assert "no landmark reaches" in text
    assert "Where papers differ" in text
    direct = counted(row for row in ROWS if row.study == "shrinkage" and row.kind == "direct")
    assert f"direct: {direct['match']} match, {direct['alternative']} alternative" in text


def test_an_unknown_study_is_one_message_and_status_1():
    found = run("netter-3")

    assert found.exit_code == 1
    assert "netter-3: no such study" in found.output
    assert "There are netter-1, netter-2, shrinkage, board" in found.output


def test_the_page_shows_the_rows_the_conflicts_and_the_methods(tmp_path):
    found = run("netter-1", "--out", str(tmp_path / "page"))
    page = (tmp_path / "page" / "index.html").read_text("utf-8")

    assert found.exit_code == 0
    assert str(tmp_path / "page" / "index.html") in found.output
    for text in ("0.000085", "log-rank events, Lakatos", "229 (116 and 113)", "doi:10.1056"):
        assert text in page
    assert "NETTER-2: median Ki-67" not in page  # no paper of NETTER-1 has a say in it
    assert (tmp_path / "page" / "tables" / "netter-1-events.csv").exists()
    assert len(json.loads((tmp_path / "page" / "results.json").read_text())) == sum(
        row.study == "netter-1" for row in ROWS
    )


def test_the_page_is_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        run("board", "--out", str(tmp_path / name))
    one, two = ((tmp_path / name / "index.html").read_bytes() for name in ("one", "two"))

    assert one == two
