# SPDX-License-Identifier: Apache-2.0
"""A cycle that was given and not measured: carried and labelled everywhere, or refused."""

import json
import math
from pathlib import Path
from shutil import copy

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import read_protocol, read_table
from radioligand.patient_dosimetry import check_measurements, find_doses, results_document
from radioligand.patient_dosimetry.adam import derive_adrad
from radioligand.patient_dosimetry.carried import carry_doses

FAULTS = Path(__file__).parent / "faults"
CARRIES = """document = 1
like = "dosimetry-prrt"
[dosimetry]
missing_cycle = "carry"
carry_spread = 0.2
"""


@pytest.fixture
def folder(tmp_path):
    """Four cycles given, the second without scans."""
    patients = tmp_path / "patients"
    patients.mkdir()
    copy(FAULTS / "10-course-over.csv", patients / "activities.csv")
    copy(FAULTS / "10-four-administrations.csv", patients / "administrations.csv")
    return patients


@pytest.mark.by_hand
def test_page_results_and_adrad_hold_the_carried_cycle(folder, tmp_path):
    protocol = tmp_path / "carries.toml"
    protocol.write_text(CARRIES)
    out = tmp_path / "out"
    words = ["dose", "report", str(protocol), str(folder), "--out", str(out)]
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 0, told.output
    document = json.loads((out / "results.json").read_text("utf-8"))
    # measured less left over, in GBq, and the hours until the infusion
    vials = ((7.480, 1.5), (7.465, 1.0), (7.480, 1.5), (7.480, 1.5))
    injected = [gbq * 2 ** (-hours / (24 * 6.6443)) for gbq, hours in vials]
    kidneys = [one for one in document["doses"] if one["region"] == "KIDNEYS"]
    assert [one["cycle"] for one in kidneys] == [1, 3, 4]  # doses are of measured cycles alone
    # between cycles 1 and 3, as near to both, the earlier one is carried
    carried = kidneys[0]["dose_gy"] * injected[1] / kidneys[0]["injected_gbq"]
    total = sum(one["dose_gy"] for one in kidneys) + carried
    (row,) = [one for one in document["cumulative"] if one["region"] == "KIDNEYS"]
    assert (row["cycles"], row["carried"], row["undosed"]) == (4, [2], [])
    assert row["dose_gy"] == pytest.approx(total, rel=1e-4)
    assert row["injected_gbq"] == pytest.approx(sum(injected), rel=1e-4)

    adrad = pl.read_parquet(out / "adam" / "ADRAD.parquet").filter(XRLOC="KIDNEYS")
    last = adrad.filter(PARAMCD="CUMDOSE", AVISITN=4)
    assert last["AVAL"].item() == pytest.approx(row["dose_gy"])
    (second,) = adrad.filter(PARAMCD="DOSE", AVISITN=2).to_dicts()
    assert second["METHOD"] == "dose per activity of cycle 1, carried"
    assert second["REASON"] == "there is no scan of it"
    assert second["AVAL"] == pytest.approx(carried, rel=1e-4)
    assert adrad.filter(PARAMCD="DOSEACT", AVISITN=2).is_empty()
    assert adrad.filter(PARAMCD="DOSE", AVISITN=1)["REASON"].item() is None
    assert "4, carried: 2" in (out / "index.html").read_text("utf-8")


def test_without_carrying_no_sum_is_told(folder):
    dosimetry = read_protocol("dosimetry-prrt").dosimetry
    measured = check_measurements(
        read_table(folder / "activities.csv"),
        read_table(folder / "administrations.csv"),
        dosimetry=dosimetry,
    )
    doses = find_doses(measured, dosimetry=dosimetry)
    assert carry_doses(doses, measured.given, dosimetry=dosimetry) == ()
    document = results_document(
        doses,
        (),
        given=measured.given,
        dosimetry=dosimetry,
        nuclide=measured.nuclide,
        provenance={},
    )
    for row in document["cumulative"]:
        assert (row["cycles"], row["undosed"], row["dose_gy"]) == (4, [2], None)
    sums = derive_adrad(doses, measured=measured).filter(PARAMCD="CUMDOSE")
    assert set(sums["AVISITN"]) == {1}


def test_a_carried_dose_is_less_sure(folder):
    dosimetry = read_protocol("dosimetry-prrt").dosimetry.model_copy(
        update={"missing_cycle": "carry", "carry_spread": 0.2}
    )
    measured = check_measurements(
        read_table(folder / "activities.csv"),
        read_table(folder / "administrations.csv"),
        dosimetry=dosimetry,
    )
    doses = find_doses(measured, dosimetry=dosimetry)
    carried = carry_doses(doses, measured.given, dosimetry=dosimetry)
    assert {one.cycle for one in carried} == {2}
    assert {one.region for one in carried} == {"KIDNEYS", "LIVER", "L1", "L2"}
    for one in carried:
        first = next(each for each in doses if (each.cycle, each.region) == (1, one.region))
        assert one.budget.fit == pytest.approx(math.hypot(first.budget.fit, 0.2))
        assert one.bed_gy == pytest.approx(
            first.bed_gy * one.injected_gbq / first.injected_gbq, rel=0.02, nan_ok=True
        )
