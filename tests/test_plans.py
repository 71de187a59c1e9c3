# SPDX-License-Identifier: Apache-2.0
"""Analysis plans: documents of analyses that are done behind those of a protocol."""

import json
import tomllib

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import plan_bytes, protocol_bytes, read_protocol, shipped_plans
from radioligand.protocol import ProtocolError

PLAN = """
[[analyses]]
id = "more"
kind = "disposition"
title = "More"
section = "More"
population = "screened"
"""


def run(*words: object, status: int = 0) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


@pytest.fixture
def plan_of(tmp_path):
    """Write a plan of this text; its path."""

    def build(text: str) -> str:
        path = tmp_path / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return build


@pytest.mark.by_hand
def test_a_plan_stands_behind_the_analyses_of_the_protocol_and_changes_nothing_else(plan_of):
    alone, more = read_protocol("netter-2"), read_protocol("netter-2", plans=(plan_of(PLAN),))

    assert more.analyses[:-1] == alone.analyses
    assert more.analyses[-1].id == "more"
    assert more.model_copy(update={"analyses": alone.analyses}) == alone


@pytest.mark.by_hand
@pytest.mark.parametrize("plan", shipped_plans())
def test_every_shipped_plan_fits_netter_2(plan):
    told = run("check", "netter-2", "--add", plan)
    assert "no faults" in told


@pytest.mark.by_hand
def test_netter_1_does_the_shrinkage_plan_with_its_own_baseline_variables():
    plan = tomllib.loads(plan_bytes("shrinkage")[0].decode("utf-8"))["analyses"]
    whole = tomllib.loads(protocol_bytes("netter-1")[0].decode("utf-8"))["analyses"]
    own = [one for one in whole if one["section"] == "Tumour shrinkage"]

    def but_variables(analyses: list[dict]) -> list[dict]:
        return [{key: one[key] for key in one if key != "variables"} for one in analyses]

    assert but_variables(own) == but_variables(plan)
    assert {one["id"] for one in own} <= {one.id for one in read_protocol("netter-1").analyses}


@pytest.mark.by_hand
def test_a_plan_that_does_not_fit_is_told_with_the_names_that_are_missing(plan_of):
    told = run(
        "check", "netter-2", "--add", plan_of(PLAN.replace("screened", "everybody")), status=1
    )
    assert "analyses[more].population: there is no population 'everybody'" in told


@pytest.mark.by_hand
def test_an_analysis_of_a_plan_may_not_take_the_name_of_another(plan_of):
    with pytest.raises(ProtocolError, match="2 entries share this id"):
        read_protocol("netter-2", plans=(plan_of(PLAN.replace('"more"', '"pfs"')),))


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            PLAN + "[trial]\nid = 'x'\n",
            r"a plan holds \[\[analyses\]\] alone, this holds analyses, trial",
        ),
        ("", r"a plan holds \[\[analyses\]\] alone, this holds nothing"),
        ("[analyses]\nid = 'x'\n", r"this holds analyses"),
        ("[[analyses]", "this is not TOML"),
    ],
)
def test_what_is_no_plan_is_refused(plan_of, text, says):
    with pytest.raises(ProtocolError, match=says):
        read_protocol("netter-2", plans=(plan_of(text),))


@pytest.mark.by_hand
def test_a_plan_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ProtocolError, match=r"(?s)no shipped analysis plan .*Shipped: shrinkage"):
        plan_bytes("growth")


@pytest.mark.by_hand
def test_demo_does_the_plan_and_provenance_names_it(plan_of, tmp_path):
    whole = protocol_bytes("netter-2")[0].decode("utf-8")
    protocol, out = tmp_path / "bare.toml", tmp_path / "out"
    protocol.write_text(whole.partition("[[analyses]]")[0], encoding="utf-8")

    run(*("demo", protocol, "--add", plan_of(PLAN), "--out", out), *("--cutoff", "2021-07-01"))

    assert set(pl.read_parquet(out / "results.parquet")["analysis"]) == {"more", "invariants"}
    provenance = json.loads((out / "provenance.json").read_text("utf-8"))
    assert list(provenance["plans"]) == ["plan.toml"]
    assert len(provenance["plans"]["plan.toml"]) == 64
