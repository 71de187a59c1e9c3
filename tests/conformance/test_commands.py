# SPDX-License-Identifier: Apache-2.0
"""The commands on the public study: three formats, one result; and what verify finds."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.datasets import read_study, write_study

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "conformance"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the public conformance data are not here"),
]

WHOLE = ("dm", "ds", "ex", "ae", "lb", "vs", "cm", "mh", "sv", "ts", "suppdm", "suppae", "suppds")


@pytest.fixture(scope="module")
def sdtm(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pilot")
    for name in WHOLE:
        shutil.copy(SHARED / "sdtm" / f"{name}.parquet", folder)
    for name in ("tu", "tr", "rs"):
        shutil.copy(SHARED / "sdtm" / f"{name}_onco_recist.parquet", folder / f"{name}.parquet")
    return folder


def analysed(sdtm: Path, out: Path) -> bytes:
    words = ["analyse", str(HERE / "cdisc-pilot.toml"), str(sdtm), "--out", str(out)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return (out / "results.json").read_bytes()


def test_one_study_in_three_formats_gives_one_result(sdtm, tmp_path):
    first = analysed(sdtm, tmp_path / "parquet")
    for format in ("xpt", "json"):
        write_study(read_study(sdtm, supplemental=False), tmp_path / format, format=format)
        assert analysed(tmp_path / format, tmp_path / f"from-{format}") == first

    rows = [row for row in json.loads(first) if row["analysis"] == "pfs"]
    events = {
        row["arm"]: row["value"]
        for row in rows
        if row["statistic"] == "events" and "level" not in row
    }
    published = pl.read_parquet(SHARED / "adam" / "adtte_onco.parquet").filter(
        PARAMCD="PFS", CNSR=0
    )
    assert sum(events.values()) == published.height == 6
    page = (tmp_path / "parquet" / "index.html").read_text("utf-8")
    assert "Simulated data" not in page


def test_verify_says_what_the_published_datasets_break(tmp_path):
    for name in ("adrs", "adtte", "adtr"):
        shutil.copy(SHARED / "adam" / f"{name}_onco.parquet", tmp_path / f"{name}.parquet")
    shutil.copy(SHARED / "adam" / "adsl.parquet", tmp_path / "adsl.parquet")

    done = CliRunner().invoke(cli, ["verify", str(tmp_path), "--json"])

    broken = {r["invariant"]: r["examples"] for r in json.loads(done.stdout) if r["broken"]}
    assert done.exit_code == 1
    assert broken.keys() == {"pfs-os", "cbcp"}
    assert broken["pfs-os"].startswith("01-701-1115")
    assert broken["cbcp"].startswith("01-701-1118")
