# SPDX-License-Identifier: Apache-2.0
"""Doses in ADaM and beside their effects: against R, by hand, and through the report."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radioligand.cli import cli
from radioligand.dosimetry.dose_effect import rank_correlation
from radioligand.io.documents import read_protocol, read_table
from radioligand.patient_dosimetry import check_measurements, find_doses
from radioligand.patient_dosimetry.adam import adherence, derive_adrad, effects

HERE = Path(__file__).parent
CASES = json.loads((HERE / "dose_effect.json").read_text("utf-8"))["cases"]
PATIENTS = HERE / "patients"


@pytest.fixture(scope="module")
def measured():
    return check_measurements(
        read_table(PATIENTS / "activities.csv"),
        read_table(PATIENTS / "administrations.csv"),
        dosimetry=read_protocol("dosimetry-prrt").dosimetry,
    )


@pytest.fixture(scope="module")
def doses(measured):
    return find_doses(measured, dosimetry=read_protocol("dosimetry-prrt").dosimetry)


@pytest.mark.reference
@pytest.mark.parametrize("case", CASES, ids=["response", "toxicity"])
def test_agrees_with_r(case):
    found = rank_correlation(case["dose"], case["effect"])
    assert (found.rho, found.p_value) == pytest.approx((case["rho"], case["p_value"]), rel=1e-12)


@pytest.mark.law
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=4, max_size=20))
def test_only_the_order_counts(pairs):
    dose, effect = (np.array(one, float) for one in zip(*pairs))
    try:
        found = rank_correlation(dose, effect)
    except ValueError:
        return
    again = rank_correlation(np.exp(dose / 10), -effect)
    assert again.rho == pytest.approx(-found.rho)
    assert -1 <= found.rho <= 1
    assert 0 <= found.p_value <= 1


def test_refuses_too_few_and_all_alike():
    with pytest.raises(ValueError, match="3 subjects: a correlation of ranks takes four"):
        rank_correlation([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="all 4 subjects have one effect"):
        rank_correlation([1, 2, 3, 4], [1, 1, 1, 1])
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]).rho == -1


@pytest.mark.by_hand
def test_cumulative_doses_add_by_cycle(doses):
    adsl = pl.DataFrame({"USUBJID": ["01-001"], "TRT01P": ["DOSE"]})
    adrad = derive_adrad(doses, adsl, study="DOSIMETRY-PRRT")
    kidneys = adrad.filter(USUBJID="01-001", XRLOC="KIDNEYS")
    by_hand = [one for one in doses if (one.subject, one.region) == ("01-001", "KIDNEYS")]
    first, second = (one.dose_gy for one in by_hand)

    value = {
        (name, cycle): aval
        for name, cycle, aval in kidneys.select("PARAMCD", "AVISITN", "AVAL").iter_rows()
    }
    assert value["DOSE", 2] == second
    assert value["CUMDOSE", 2] == pytest.approx(first + second)
    assert value["CUMBED", 2] == pytest.approx(sum(one.bed_gy for one in by_hand))
    assert value["DOSEACT", 1] == pytest.approx(first / by_hand[0].injected_gbq)
    assert set(adrad["AVALU"]) == {"Gy", "Gy/GBq"}
    assert adrad.filter(PARAMCD="DOSE")["AVALLO"].null_count() == 0
    assert adrad.filter(PARAMCD="CUMDOSE")["AVALLO"].null_count() == 0
    assert adrad.filter(PARAMCD="CUMBED")["AVALLO"].is_null().all()
    assert set(adrad.filter(USUBJID="01-002")["TRT01P"]) == {None}
    keys = ["USUBJID", "XRLOC", "PARAMCD", "AVISITN"]
    assert adrad.select(keys).is_unique().all()


@pytest.mark.by_hand
def test_doses_beside_response_and_toxicity():
    people = [f"S{i}" for i in range(4)]
    lesions = [(who, "LESION", f"L{n}", dose + n) for who, dose in zip(people, (20, 40, 60, 80))
               for n in (0, 2)]  # fmt: skip
    organs = [(who, "ORGAN", "KIDNEYS", dose) for who, dose in zip(people, (5, 9, 7, 20))]
    adrad = pl.DataFrame(
        [*lesions, *organs], schema=["USUBJID", "PARCAT1", "XRLOC", "AVAL"], orient="row",
        strict=False,
    ).with_columns(PARAMCD=pl.lit("CUMDOSE"), TRT01P=pl.lit("DOSE"), AVISITN=4)  # fmt: skip
    adam = {
        "ADTR": pl.DataFrame(
            {"USUBJID": people, "PARAMCD": "SDIAM", "ANL02FL": "Y", "PCHG": [-5, -20, -30, -60]}
        ),
        "ADLB": pl.DataFrame(
            {"USUBJID": [*people, "S0"], "ONTRTFL": ["Y"] * 4 + [None],
             "ATOXGR": ["1", "0", "2", "-3", "4"]}
        ),
    }  # fmt: skip
    found = effects(adrad, adam)
    of = {
        (row["analysis"], row["statistic"], row["subject"]): row["value"]
        for row in found.to_dicts()
    }
    assert of["dose-response", "dose", "S1"] == 41  # the mean of 40 and 42
    assert of["dose-response", "spearman", None] == -1
    assert of["dose-toxicity", "effect", "S3"] == 3
    # a region of which a cycle has no dose has no sum to set beside an effect
    lacking = adrad.filter(USUBJID="S3", XRLOC="KIDNEYS").with_columns(
        PARAMCD=pl.lit("DOSE"), AVAL=pl.lit(None, adrad["AVAL"].dtype)
    )
    fewer = effects(adrad.vstack(lacking), adam)
    kidneys = fewer.filter(analysis="dose-toxicity", statistic="dose")["subject"]
    assert kidneys.to_list() == ["S0", "S1", "S2"]
    assert of["dose-toxicity", "effect", "S0"] == 1  # before treatment does not count
    # ranks of dose 1 3 2 4, of grade 2 1 3 4: 1 - 6 (1 + 4 + 1 + 0) / 60
    assert of["dose-toxicity", "spearman", None] == pytest.approx(0.4)


def test_too_few_subjects_have_a_remark_and_no_number(doses):
    adrad = derive_adrad(doses)
    adtr = pl.DataFrame(
        {"USUBJID": ["01-001"], "PARAMCD": ["SDIAM"], "ANL02FL": ["Y"], "PCHG": [-12.0]}
    )
    found = effects(adrad, {"ADTR": adtr})
    assert found.filter(statistic="not_estimated")["text"].to_list() == [
        "1 subjects: a correlation of ranks takes four or more."
    ]
    assert found.filter(statistic="spearman").is_empty()
    assert effects(adrad, {}).is_empty()


@pytest.mark.by_hand
def test_what_was_planned_and_given(measured):
    first = adherence(measured.given).row(0, named=True)
    assert (first["subject"], first["cycle"], first["planned_gbq"]) == ("01-001", 1, 7.4)
    assert first["difference_percent"] == pytest.approx(100 * (first["injected_gbq"] / 7.4 - 1))


def test_the_report_reads_adam(tmp_path):
    adam = tmp_path / "adam"
    adam.mkdir()
    pl.DataFrame({"USUBJID": ["01-001", "01-002"], "TRT01P": ["DOSE", "DOSE"]}).write_parquet(
        adam / "adsl.parquet"
    )
    pl.DataFrame(
        {"USUBJID": ["01-001", "01-002"], "PARAMCD": "SDIAM", "ANL02FL": "Y", "PCHG": [-40.0, 3.0]}
    ).write_parquet(adam / "adtr.parquet")
    out = tmp_path / "out"
    words = ["dose", "report", "dosimetry-prrt", str(PATIENTS), "--out", str(out)]
    told = CliRunner().invoke(cli, [*words, "--adam", str(adam)])
    assert told.exit_code == 0, told.output
    page = (out / "index.html").read_text("utf-8")
    for says in ("Plan against given", "Dose and effect", "takes four or more",
                 "What part of the spread is method", "01-001, cycle 2"):  # fmt: skip
        assert says in page
    adrad = pl.read_parquet(out / "adam" / "ADRAD.parquet")
    assert set(adrad["TRT01P"]) == {"DOSE"}
    assert adrad["STUDYID"][0] == "DOSIMETRY-PRRT"
    assert json.loads((out / "effects.json").read_text("utf-8"))
