# SPDX-License-Identifier: Apache-2.0
"""radioligand plan as a user meets it: what it prints, what it writes, what it refuses."""

import csv
import json
import re
import tomllib
from copy import deepcopy
from datetime import date
from importlib.resources import files

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.datasets import write_study
from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.planning import cohort_plans, cohort_stops, plan, plan_results, power_at
from radioligand.protocol import ProtocolError, parse_protocol

DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
DEATH = """
[[planning.also]]
endpoint = "OS"
hazard_ratio = 0.64
median_control_months = 32.0
alpha = 0.05
sided = 2
power = 0.8
accrual_months = 18.0
follow_up_months = 60.0
interim = { events = [40, 158], planned_events = [79, 158], spending = "classical-obrien-fleming" }

[[planning.rates]]
label = "Objective response"
control = 0.09
experimental = 0.43
alpha = 0.025
sided = 1
power = 0.9
"""


def run(*words: object, status: int = 0):
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """NETTER-2 with a further endpoint that has looks, and a rate."""
    text = (files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8")
    head, mark, tail = text.partition("# -- analyses")
    path = tmp_path_factory.mktemp("protocol") / "more.toml"
    path.write_text(f"{head}{DEATH}\n{mark}{tail}", "utf-8")
    return path


@pytest.fixture(scope="module")
def design(document, tmp_path_factory):
    out = tmp_path_factory.mktemp("design") / "report"
    run("plan", document, "--out", out)
    return out


@pytest.mark.trial
def test_json_holds_the_contract():
    found = json.loads(run("plan", "netter-2", "--json").output)

    assert (found["events"], found["subjects"]) == (99, 222)
    assert found["power"] == pytest.approx(0.9017, abs=1e-4)
    assert found["duration_months"] == pytest.approx(34.87, abs=0.01)
    (last,) = found["boundaries"]
    assert (last["events"], last["fraction"]) == (99, 1.0)
    assert last["z"] == pytest.approx(1.959964)
    assert last["nominal_p"] == pytest.approx(0.025)
    assert (found["also"], found["rates"], found["prediction"]) == ([], [], None)


def test_rules_that_the_plan_does_not_count_on_are_told(tmp_path):
    text = (files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8")
    rules = "[adaptation.resizing]\nevents = 60\nmost_events = 150\n"
    path = tmp_path / "changing.toml"
    path.write_text(f"{text}\n{rules}", "utf-8")

    told = " ".join(run("plan", path).stdout.split())
    found = json.loads(run("plan", path, "--json").output)["adaptation"]["resizing"]

    assert "At 60 events, expected in month" in told
    assert "events rise to 150 at most if the conditional power is from 30 % to below 90 %" in told
    assert "do not count on these rules; the virtual trials do" in told
    assert f"in {100 * found['raised']:.3g} % of trials if the effect is as assumed" in told


def test_without_options_the_wording_is_printed():
    lines = run("plan", "netter-2").output
    told = re.sub(r"\s+", " ", lines)

    assert "99 events give 90.2 % power" in told
    assert "222 subjects will be allocated 2:1 over 22.2 months" in told
    assert max(map(len, lines.splitlines())) <= 100


def test_a_design_report_is_written_whole(design):
    names = {str(path.relative_to(design)) for path in design.rglob("*") if path.is_file()}

    assert {"index.html", "plan.json", "results.json", "provenance.json"} <= names
    for part in ("assumptions", "size", "methods", "looks", "sensitivity"):
        assert {f"tables/{part}-pfs.csv", f"tables/{part}-os.csv"} <= names
    for part in ("curves", "power", "timeline"):
        assert f"figures/{part}-pfs.svg" in names
    assert "figures/looks-os-figure.svg" in names
    assert "figures/looks-pfs-figure.svg" not in names
    assert "tables/rates.csv" in names


def test_figures_of_several_arms_say_whose_they_are(tmp_path):
    run("plan", "prrt-resistant", "--out", tmp_path / "several")
    run("plan", "netter-2", "--out", tmp_path / "two")
    several, two = (
        (tmp_path / one / "index.html").read_text("utf-8") for one in ("several", "two")
    )

    for words in ("The same curve is assumed of every experimental arm.", "events those of one"):
        assert words in several
        assert words not in two


def test_the_design_page_asks_for_nothing_and_speaks_of_no_data(design):
    page = (design / "index.html").read_text("utf-8")

    for loads in ('src="http', 'href="http', "url(http", "@import"):
        assert loads not in page
    for absent in ("Simulated data", "Findings in the data", "Data cutoff", "Not analysed"):
        assert absent not in page
    assert "Wording for the protocol" in page
    assert "the nominal two-sided levels are 0.000085, 0.048" in page


@pytest.mark.by_hand
def test_tables_of_the_design_hold_what_was_planned(design):
    def table(name):
        text = (design / "tables" / f"{name}.csv").read_text("utf-8-sig")
        return {line[0]: line[1:] for line in csv.reader(text.splitlines())}

    assert table("size-pfs")["Events"] == ["99", "Schoenfeld, 98.41 before rounding"]
    assert table("size-pfs")["Analysis expected"][0] == "34.9 months"
    assert table("assumptions-pfs")["Median, 177Lu-DOTATATE"] == ["30 months"]
    assert table("methods-pfs")["Freedman"][1] == "85"
    looks = table("looks-os")
    assert looks["Look"][2:4] == ["z", "Nominal p"]
    assert looks["40 events"][3] == "0.000085"
    # 43 and 9 % at 2:1, one-sided 2.5 %: rpact's 74.66 for its two-sided 5 %
    assert table("rates")["Objective response"][2] == "75"


def test_the_same_design_twice_gives_the_same_bytes(document, design, tmp_path):
    run("plan", document, "--out", tmp_path / "again")
    for name in ("index.html", "plan.json", "results.json"):
        assert (tmp_path / "again" / name).read_bytes() == (design / name).read_bytes()


@pytest.fixture(scope="module")
def so_far(tmp_path_factory):
    """ADSL and ADTTE of 140 subjects, 60 with an event, as known at the end of 2023."""
    folder = tmp_path_factory.mktemp("adam")
    ids = [f"S{place:03}" for place in range(140)]
    adsl = pl.DataFrame({"USUBJID": ids, "RANDDT": [date(2022, 1, 1 + p % 28) for p in range(140)]})
    adtte = pl.DataFrame(
        {
            "USUBJID": ids,
            "PARAMCD": "PFS",
            "AVAL": [300] * 140,
            "CNSR": [0] * 60 + [1] * 80,
            "ADT": [date(2022, 11, 1)] * 60 + [date(2023, 12, 1)] * 80,
        }
    )
    write_study({"ADSL": adsl, "ADTTE": adtte}, folder)
    return folder


def test_the_trial_so_far_predicts_when_the_protocol_has_its_events(so_far):
    words = ("plan", "netter-2", "--adam", so_far, "--cutoff", "2023-12-31")
    found = json.loads(run(*words, "--json").output)["prediction"]

    assert (found["events"], found["events_so_far"]) == (101, 60)
    assert "2023-12-31" < found["lower"] < found["date"] < found["upper"]
    told = re.sub(r"\s+", " ", run(*words).output)
    assert "60 of 101 events by 2023-12-31, 80 subjects followed, 0 lost, 0 to enter" in told
    assert f"event 101 is predicted on {found['date']}" in told


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("plan", "netter-9"), 1, "no shipped protocol"),
        (("plan", "netter-2", "--cutoff", "2023-12-31"), 2, "together, or neither"),
        (("plan", "netter-2", "--adam", ".", "--cutoff", "soon"), 2, "no date such as 2023-07-20"),
    ],
)
def test_refuses_with_a_message(words, status, says):
    assert says in run(*words, status=status).output


def test_datasets_that_are_missing_are_named(so_far, tmp_path):
    write_study({"ADSL": pl.DataFrame({"USUBJID": ["1"]})}, tmp_path)
    words = ("plan", "netter-2", "--adam", tmp_path, "--cutoff", "2023-12-31")
    assert "no ADTTE; derive the study first" in run(*words, status=1).output


# --- power against the hazard ratio ---------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_protocols())
def test_the_figure_of_power_tells_the_power_of_the_plan(name):
    protocol = read_protocol(name)
    found = plan_results(plan(protocol), protocol=protocol).filter(statistic="power")

    for one in plan(protocol):
        level = f"{one.given.hazard_ratio:.6g}"
        own = found.filter(analysis=f"power-{one.name}", level=level)["value"]
        assert own.to_list() == [pytest.approx(one.power)]


@pytest.mark.law
def test_power_without_effect_is_the_level():
    by_lakatos, with_looks = plan(read_protocol("netter-1"))

    assert power_at(by_lakatos, 1.0) == pytest.approx(0.025, abs=1e-3)
    assert power_at(with_looks, 1.0) == pytest.approx(0.025, abs=1e-3)


# --- cohorts that stop ----------------------------------------------------------------------------


@pytest.mark.by_hand
def test_cohorts_that_stop_leave_fewer_subjects_to_the_test_of_all():
    protocol = read_protocol("sabr-prrt")
    together, cohorts = plan(protocol)[0], cohort_plans(protocol)

    subjects, month = cohort_stops(cohorts, together)

    # at 18 of 36 events z has the mean |log 0.64| sqrt(18) / 2 = 0.947; it stops from 1.476 on and
    # at 0 or below with 1 - phi(0.529) + phi(-0.947) = 0.470. By then, months 19.5 and 24.7, 53.7
    # of 72 and 55.5 of 58 are in: 18.3 and 2.5 would be lost
    assert subjects == pytest.approx(130 - 0.470 * (18.3 + 2.5), abs=0.1)
    assert together.analysis_months + 3 < month < together.event_months[1]
    told = run("plan", "sabr-prrt").output
    assert f"{subjects:.0f} subjects are then expected in place of 130" in " ".join(told.split())
    found = json.loads(run("plan", "sabr-prrt", "--json").output)["cohort_stops"]
    assert found == {"subjects": pytest.approx(subjects), "month": pytest.approx(month)}


# --- faults of the assumptions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"endpoint": "XXX"}, "planning.endpoint", "there is no endpoint 'XXX'"),
        ({"hazard_ratio": 0.6}, "planning.hazard_ratio", "make a hazard ratio of 0.500, not 0.6"),
        ({"accrual_months": None}, "planning", "do not fix how many"),
        (
            {"ramp_months": 3.0, "site_activation": {"sites": 3, "per_month": 1.0}},
            "planning",
            "told by ramp_months and site_activation",
        ),
        (
            {"accrual_steps": [{"from_month": 2.0, "per_month": 4.0}]},
            "planning.accrual_steps",
            "begin at",
        ),
        ({"interim": {"events": [99, 50]}}, "planning.interim.events", "do not rise"),
        (
            {"interim": {"events": [50, 99], "planned_events": [40, 99]}},
            "planning.interim.planned_events",
            "only a classical shape",
        ),
        ({"method": "freedman", "margin": 1.2}, "planning.margin", "has no margin"),
        (
            {"also": [{"endpoint": "OS", "rates": []}]},
            "planning.also",
            "holds further endpoints or rates",
        ),
    ],
)
def test_faults_of_the_assumptions_are_told(changes, path, says):
    document = deepcopy(DOCUMENT)
    table = document["planning"]
    for key, value in changes.items():
        table.pop(key, None)
        if value is not None:
            table[key] = value

    with pytest.raises(ProtocolError) as caught:
        parse_protocol(document, name="changed.toml")

    told = {fault.path: fault.says for fault in caught.value.faults if says in fault.says}
    assert path in told
