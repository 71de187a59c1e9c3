# SPDX-License-Identifier: Apache-2.0
"""What part of the spread is method: by hand, its laws, and sites as they declare themselves."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radioligand.cli import cli
from radioligand.dosimetry.heterogeneity import Spread, spread_of
from radioligand.io.documents import read_protocol, read_table
from radioligand.patient_dosimetry import check_measurements, find_doses
from radioligand.patient_dosimetry.sites import declared_methods, sites_document, spreads

PATIENTS = Path(__file__).parent / "patients"


@pytest.mark.by_hand
def test_two_sites_on_paper():
    # logarithms 0, 0.2 at one site and 1, 1.2 at the other: MSB = 1, MSW = 0.02, n0 = 2
    found = spread_of(np.exp([0, 0.2, 1, 1.2]), ["a", "a", "b", "b"], [0.1] * 4)
    of_site, within = (1 - 0.02) / 2, 0.02
    assert found.log_sd == pytest.approx(math.sqrt(of_site + within))
    assert found.site == pytest.approx(of_site / (of_site + within))
    assert found.measurement == pytest.approx(0.01 / (of_site + within))
    assert (found.subjects, found.sites) == (4, 2)


@pytest.mark.by_hand
def test_sites_of_different_size_on_paper():
    # 1 and 3 subjects: n0 = (4 - 10/4)/1 = 1.5; means 2 and 1, grand mean 1.25
    found = spread_of(np.exp([2, 0.5, 1, 1.5]), ["a", "b", "b", "b"], [0.0] * 4)
    between, within = 1 * 0.75**2 + 3 * 0.25**2, 0.5 / 2
    of_site = (between - within) / 1.5
    assert found.site == pytest.approx(of_site / (of_site + within))


@pytest.mark.law
@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.sampled_from("abc"), st.floats(0, 0.5)), min_size=4),
    st.floats(0.1, 10),
)
def test_parts_add_to_one_and_do_not_know_the_unit(rows, factor):
    value, site, u = zip(*rows)
    try:
        found = spread_of(value, site, u)
    except ValueError:
        return
    assert found.site + found.measurement + found.patients == pytest.approx(1)
    assert min(found.site, found.measurement, found.patients) >= -1e-12
    again = spread_of(np.array(value) * factor, site, u)
    assert again.log_sd == pytest.approx(found.log_sd, abs=1e-7)


def test_sites_that_measure_alike_have_no_part():
    rng = np.random.default_rng(1)
    site = np.repeat(np.arange(20), 25)
    alike = np.exp(0.3 * rng.standard_normal(500))
    apart = alike * np.exp(0.3 * rng.standard_normal(20))[site]
    assert spread_of(alike, site, np.zeros(500)).site < 0.05
    assert spread_of(apart, site, np.zeros(500)).site == pytest.approx(0.5, abs=0.12)


def test_refuses_one_site_and_no_spread():
    with pytest.raises(ValueError, match=r"2 subjects of 1 site.s.: what sites differ by takes"):
        spread_of([1, 2], ["a", "a"], [0, 0])
    with pytest.raises(ValueError, match="there is no spread"):
        spread_of([1, 1, 1], ["a", "a", "b"], [0, 0, 0])


def test_sites_of_a_table_declare_their_methods():
    dosimetry = read_protocol("dosimetry-prrt").dosimetry
    activities = read_table(PATIENTS / "activities.csv")
    more = activities.filter(subject="01-001", cycle="1").with_columns(
        subject=pl.lit("01-003"), site=pl.lit("02"), camera=pl.lit("B"),
        calibration_factor=pl.lit("9.5"),
    )  # fmt: skip
    activities = pl.concat([activities, more], how="diagonal")
    given_ = read_table(PATIENTS / "administrations.csv")
    third = given_.filter(subject="01-001", cycle="1").with_columns(subject=pl.lit("01-003"))
    measured = check_measurements(activities, pl.concat([given_, third]), dosimetry=dosimetry)
    doses = find_doses(measured, dosimetry=dosimetry)

    told = declared_methods(measured, doses)
    assert told.select("site", "subjects", "camera", "calibration_factor").rows() == [
        ("01", 1, "A", "not declared"),
        ("02", 2, "B", "9.5"),
    ]
    assert set(told["method"]) == {"mono-exponential fit"}
    found = spreads(measured, doses)
    assert set(found) == {"KIDNEYS", "LIVER", "lesions"}
    assert isinstance(found["KIDNEYS"], Spread)
    assert found["KIDNEYS"].subjects == 3
    assert "takes two sites" in found["LIVER"]

    document = sites_document(told, found)
    assert document["declared"] == [
        {"site": "01", "subjects": 1, "camera": "A", "calibration_factor": "not declared",
         "recovery_curve": "not declared", "method": "mono-exponential fit"},
        {"site": "02", "subjects": 2, "camera": "B", "calibration_factor": "9.5",
         "recovery_curve": "not declared", "method": "mono-exponential fit"},
    ]  # fmt: skip
    by_region = {one["region"]: one for one in document["spread"]}
    parts = [by_region["KIDNEYS"][key] for key in ("between_sites", "measurement", "patients")]
    assert sum(parts) == pytest.approx(1)
    assert by_region["KIDNEYS"]["log_sd"] == found["KIDNEYS"].log_sd
    assert "takes two sites" in by_region["LIVER"]["not_estimated"]


def test_the_reports_document_has_the_table_of_sites(tmp_path):
    words = ["dose", "report", "dosimetry-prrt", str(PATIENTS), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    document = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert [one["site"] for one in document["sites"]["declared"]] == ["01", "02"]
    assert [one["region"] for one in document["sites"]["spread"]] == ["KIDNEYS", "lesions", "LIVER"]
