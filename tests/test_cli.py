# SPDX-License-Identifier: Apache-2.0
"""The commands as a user meets them: what they write, what they refuse, how fast they greet."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.datasets import read_study, write_study


def run(*words: object, status: int = 0):
    """Run a command in this process; its output, after its exit status was as expected."""
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exit_code == status, done.output
    if status == 1:
        assert "Traceback" not in done.output
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "report"
    run("demo", "netter-2", "--out", out, "--json")
    return out


def test_demo_writes_all_that_is_promised(demo):
    names = {str(path.relative_to(demo)) for path in demo.rglob("*") if path.is_file()}

    assert {"index.html", "results.parquet", "results.json", "provenance.json"} <= names
    for dataset in ("adsl", "adex", "adtr", "adrs", "adtte", "adae", "adlb", "adqs"):
        assert f"adam/{dataset}.parquet" in names
    for dataset in ("dm", "ds", "ex", "ae", "lb", "tu", "tr", "rs", "qs", "suppdm"):
        assert f"sdtm/{dataset}.parquet" in names
    assert {"tables/baseline.csv", "figures/pfs-curve.svg", "figures/best-change.svg"} <= names


def test_the_page_says_that_the_data_are_simulated_and_asks_for_nothing(demo):
    page = (demo / "index.html").read_text("utf-8")

    assert "Simulated data" in page
    for loads in ('src="http', "src='http", 'href="http', "url(http", "@import"):
        assert loads not in page


def test_results_are_the_same_again_and_from_the_written_study(demo, tmp_path):
    provenance = json.loads((demo / "provenance.json").read_text())
    again, read = tmp_path / "again", tmp_path / "read"

    run("demo", "netter-2", "--out", again, "--json")
    run("analyse", "netter-2", demo / "sdtm", "--out", read, "--cutoff", provenance["cutoff"])

    results = (demo / "results.json").read_bytes()
    assert (again / "results.json").read_bytes() == results
    assert (read / "results.json").read_bytes() == results
    assert (again / "provenance.json").read_bytes() == (demo / "provenance.json").read_bytes()


def test_another_seed_is_another_study(demo, tmp_path):
    run("demo", "netter-2", "--out", tmp_path / "two", "--seed", 2, "--json")
    assert (tmp_path / "two" / "results.json").read_bytes() != (demo / "results.json").read_bytes()


@pytest.mark.parametrize("format", ["xpt", "csv", "json", "ndjson"])
def test_a_study_gives_the_same_results_in_every_format(demo, tmp_path, format):
    cutoff = json.loads((demo / "provenance.json").read_text())["cutoff"]
    write_study(read_study(demo / "sdtm"), tmp_path / "sdtm", format=format)

    run("analyse", "netter-2", tmp_path / "sdtm", "--out", tmp_path / "out", "--cutoff", cutoff)

    results = (tmp_path / "out" / "results.json").read_bytes()
    assert results == (demo / "results.json").read_bytes()


def test_the_cutoff_is_the_101st_event(demo):
    cutoff = date.fromisoformat(json.loads((demo / "provenance.json").read_text())["cutoff"])
    tte = pl.read_parquet(demo / "adam" / "adtte.parquet").filter(PARAMCD="PFS")

    assert (tte["CNSR"] == 0).sum() == 101
    assert tte["ADT"].max() <= cutoff


def test_a_cutoff_that_waits_for_more_events_than_there_are_says_so(demo, tmp_path):
    study = read_study(demo / "sdtm")
    few = study["DM"]["USUBJID"].head(20).to_list()
    small = {
        name: frame.filter(pl.col("USUBJID").is_in(few)) if "USUBJID" in frame.columns else frame
        for name, frame in study.items()
    }
    write_study(small, tmp_path / "sdtm", format="parquet")
    words = ("analyse", "netter-2", tmp_path / "sdtm", "--out", tmp_path / "out")

    said = run(*words, "--cutoff", "events", status=1).output

    assert "the cutoff waits for 101" in said
    run(*words)  # a small study is analysed all the same


def test_key_lines_agree_with_the_results_frame(demo, tmp_path):
    done = run("analyse", "netter-2", demo / "sdtm", "--out", tmp_path / "out")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("(simulated data: no real patients)")
    assert [line.split("  ")[0].strip() for line in lines[1:]] == [
        "Subjects",
        "Events",
        "Median, months",
        "Hazard ratio",
        "Objective response",
        "p value",
    ]
    frame = pl.read_parquet(tmp_path / "out" / "results.parquet").filter(analysis="pfs")
    ratio = frame.filter(statistic="hazard_ratio")["value"].item()
    assert f"{ratio:.3f}" in lines[4]


def test_every_derived_study_keeps_its_invariants(demo):
    done = run("verify", demo / "adam", "--protocol", "netter-2", "--json")
    rows = json.loads(done.stdout)
    assert len(rows) >= 12
    assert all(row["checked"] > 0 and row["broken"] == 0 for row in rows)


def test_verify_tells_of_a_broken_study(demo, tmp_path):
    for path in (demo / "adam").iterdir():
        frame = pl.read_parquet(path)
        if path.stem == "adtte":
            longer = (pl.col("PARAMCD") == "PFS") & (pl.col("USUBJID") == pl.col("USUBJID").first())
            frame = frame.with_columns(AVAL=pl.when(longer).then(9999.0).otherwise("AVAL"))
        frame.write_parquet(tmp_path / path.name)

    done = run("verify", tmp_path, status=1)

    assert "✗ progression-free survival is not longer than survival" in done.output


# -- refusals ------------------------------------------------------------------------------------


def test_a_faulty_study_is_told_once_and_nothing_is_written(demo, tmp_path):
    study = read_study(demo / "sdtm")
    study["TR"] = study["TR"].with_columns(TRSTRESU=pl.lit("cm"))
    study["DM"] = pl.concat([study["DM"], study["DM"].head(1)])
    study["AE"] = study["AE"].with_columns(AETOXGR=pl.lit("7"))
    (tmp_path / "sdtm").mkdir()
    for name, frame in study.items():
        frame.write_parquet(tmp_path / "sdtm" / f"{name.lower()}.parquet")

    done = run("analyse", "netter-2", tmp_path / "sdtm", "--out", tmp_path / "out", status=1)

    for word in ("TRSTRESU", "DM", "AETOXGR"):
        assert word in done.output
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["sdtm"]


def test_a_folder_of_something_else_is_not_overwritten(demo, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    done = run("analyse", "netter-2", demo / "sdtm", "--out", tmp_path, status=1)

    assert "holds files that are no report of ours" in done.output
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_earlier_report_is_replaced(demo, tmp_path):
    out = tmp_path / "report"
    run("analyse", "netter-2", demo / "sdtm", "--out", out)
    (out / "tables" / "old.csv").write_text("left over")
    run("analyse", "netter-2", demo / "sdtm", "--out", out)
    assert not (out / "tables" / "old.csv").exists()
    assert (out / "index.html").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "netter-9"), "netter-1, netter-2, prrt-ddr"),
        (("demo", "nowhere.toml", "--out", "x"), "no readable file"),
        (("screen", "netter-2", "nobody.json"), "nobody.json"),
    ],
)
def test_what_a_user_can_mend_is_one_message(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in run(*words, status=1).output


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--cutoff", "soon", "--out", "x"),
        ("analyse", "netter-2", "missing-folder", "--out", "x"),
        ("analyse", "netter-2"),
        ("screen", "netter-2"),
        ("unheard-of",),
    ],
)
def test_wrong_usage_is_status_2(words):
    run(*words, status=2)


def test_check_tells_every_fault(tmp_path):
    shipped = Path(__file__).parents[1] / "src/radioligand/trials/netter-2.toml"
    text = shipped.read_text("utf-8")
    faulty = tmp_path / "faulty.toml"
    changed = text.replace("block_size = 6", "block_size = 5")
    faulty.write_text(changed.replace('endpoint = "DOR"', 'endpoint = "DRO"'), "utf-8")

    said = run("check", faulty, status=1).output
    told = json.loads(run("check", faulty, "--json", status=1).stdout)

    assert "randomisation.block_size" in said
    assert "there is no endpoint 'DRO'" in said
    assert {fault["path"] for fault in told["faults"]} >= {"analyses[dor].endpoint"}
    assert "no faults" in run("check", "netter-2").output


# -- screening -----------------------------------------------------------------------------------

ELIGIBLE = {
    "age_years": 61,
    "sex": "Female",
    "consent_date": "2021-03-01",
    "screening_date": "2021-03-02",
    "assessment_date": "2021-03-20",
    "disease_extent": "METASTATIC",
    "inoperable": True,
    "primary_site": "PANCREAS",
    "specimen": "HISTOLOGY",
    "differentiation": "WELL DIFFERENTIATED",
    "ki67_percent": 17,
    "diagnosis_date": "2021-01-10",
    "karnofsky": 90,
    "weight_kg": 72.5,
    "lowest_uptake_score": {"value": 3, "unit": "points", "date": "2021-02-01"},
    "creatinine_clearance_ml_min": 84,
    "prior_prrt": False,
    "prior_hepatic_artery_embolisation": False,
    "prior_radiofrequency_ablation": False,
    "prior_systemic_therapy": False,
    "prior_somatostatin_analogue": True,
    "prior_somatostatin_analogue_days": 28,
    "progression_on_somatostatin_analogue": False,
}


def judged(tmp_path, **changes) -> tuple[str, dict[str, str]]:
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(ELIGIBLE | changes))
    answer = json.loads(run("screen", "netter-2", path, "--json").stdout)
    return answer["verdict"], {one["id"]: one["verdict"] for one in answer["criteria"]}


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("changes", "verdict", "criterion", "says"),
    [
        ({}, "eligible", "I07", "met"),
        ({"ki67_percent": 9.9}, "not eligible", "I07", "not met"),
        ({"ki67_percent": 55}, "eligible", "I07", "met"),
        ({"ki67_percent": None}, "undetermined", "I07", "unknown"),
        ({"age_years": 14}, "not eligible", "I01", "not met"),
        ({"weight_kg": 40}, "not eligible", "I10", "not met"),
        ({"creatinine_clearance_ml_min": 40}, "eligible", "E01", "met"),
        ({"creatinine_clearance_ml_min": 39}, "not eligible", "E01", "not met"),
        ({"diagnosis_date": "2020-08-01"}, "not eligible", "I08", "not met"),
        ({"prior_prrt": True}, "not eligible", "E02", "not met"),
        ({"prior_somatostatin_analogue_days": 200}, "not eligible", "E06", "not met"),
        ({"consent_date": "2021-03-21"}, "not eligible", "I12", "not met"),
        (  # an uptake scan of 1 December is older than three months on 20 March
            {"lowest_uptake_score": {"value": 4, "date": "2020-12-01"}},
            "undetermined",
            "I11",
            "unknown",
        ),
        (  # chemotherapy of 20 days that ended 16 weeks before
            {
                "prior_systemic_therapy": True,
                "prior_systemic_therapy_days": 20,
                "prior_systemic_therapy_end_date": "2020-11-28",
            },
            "eligible",
            "E05",
            "met",
        ),
        (  # the same, 11 weeks before
            {
                "prior_systemic_therapy": True,
                "prior_systemic_therapy_days": 20,
                "prior_systemic_therapy_end_date": "2021-01-02",
            },
            "not eligible",
            "E05",
            "not met",
        ),
    ],
)
def test_a_patient_is_screened(tmp_path, changes, verdict, criterion, says):
    whole, criteria = judged(tmp_path, **changes)
    assert (whole, criteria[criterion]) == (verdict, says)
    assert criteria["I13"] == "not applied"


def test_an_empty_form_is_undetermined_and_names_what_is_missing(tmp_path):
    form = tmp_path / "empty.json"
    form.write_text(run("screen", "netter-2", "--template").stdout)

    answer = json.loads(run("screen", "netter-2", form, "--json").stdout)

    assert answer["verdict"] == "undetermined"
    assert "UNDETERMINED" in run("screen", "netter-2", form).stdout


def test_a_faulty_form_is_told_at_once(tmp_path):
    form = tmp_path / "faulty.json"
    form.write_text(json.dumps({"ki67": 17, "weight_kg": "heavy", "consent_date": "yesterday"}))

    said = run("screen", "netter-2", form, status=1).output

    for word in ("ki67_percent", "heavy", "yesterday", "3 faults"):
        assert word in said


def test_help_needs_no_heavy_library():
    heavy = ["polars", "numpy", "scipy", "matplotlib", "pydantic", "rich", "pyreadstat"]
    code = (
        "import sys; sys.argv = ['radioligand', '--help']\n"
        "from radioligand.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Example:" in done.stdout
    assert done.stderr.strip() == "[]"
