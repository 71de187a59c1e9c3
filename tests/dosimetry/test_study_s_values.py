# SPDX-License-Identifier: Apache-2.0
"""S values of a study: each subject by the phantom of its sex, as the dose report has it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cdisc import DatasetError, join_supplemental
from radioligand.cli import cli
from radioligand.derivation import derive
from radioligand.io.documents import read_protocol
from radioligand.patient_dosimetry.s_values import read_s_values
from radioligand.patient_dosimetry.sdtm import VARIABLES
from radioligand.protocol.records import DoseMethod
from radioligand.simulation.patients import read_population, simulate_study

DOCUMENT = """document = 1
like = "dosimetry-prrt"

[dosimetry.s_values]
female = "svalues-F.csv"
male = "svalues-M.csv"

[[dosimetry.methods]]
role = "organ"

[[dosimetry.methods]]
role = "lesion"

[[dosimetry.methods]]
role = "marrow"
blood_ratio = 1.0
"""
HEAD = "phantom,nuclide,target,source,s_mgy_per_mbq_s,target_mass_g,citation\n"


def s_values(phantom: str, kidneys_g: float, body_g: float) -> str:
    """A table in which each S value falls with the mass of its phantom; 7.76e-5 at 310 g."""
    kidneys = 7.76e-5 * 310 / kidneys_g
    rows = (
        ("kidneys", "kidneys", kidneys, kidneys_g),
        ("kidneys", "total body", 3.58e-7 * 73000 / body_g, kidneys_g),
        ("red marrow", "red marrow", 1.15e-5, 1170),
        ("red marrow", "kidneys", 3.35e-8, 1170),
        ("red marrow", "total body", 2.74e-7 * 73000 / body_g, 1170),
        ("total body", "total body", 3.54e-7 * 73000 / body_g, body_g),
    )
    lines = (f"{phantom},Lu-177,{t},{s},{value!r},{mass},a table" for t, s, value, mass in rows)
    return HEAD + "\n".join(lines) + "\n"


TABLES = {"F": s_values("adult female", 275, 60000), "M": s_values("adult male", 310, 73000)}


@cache
def study() -> dict[str, pl.DataFrame]:
    """A study in which one woman and one man were scanned, with their marrow."""
    population = read_population("dosimetry-prrt")
    few = replace(population.enrolment, randomised=10, screen_failures=1)
    frames = simulate_study(
        protocol=read_protocol("dosimetry-prrt"),
        population=replace(population, enrolment=few),
        seed=5,
        without=("AE", "VS", "QS", "LB"),
    )
    scanned = frames["DM"].join(frames["XA"].select("USUBJID").unique(), on="USUBJID")
    ids = scanned.sort("USUBJID").unique("SEX", keep="first")["USUBJID"].to_list()
    xa = frames["XA"].filter(pl.col("USUBJID").is_in(ids))
    marrow = xa.filter(XALOC="KIDNEYS").with_columns(
        XALOC=pl.lit("RED MARROW"),
        XACAT=pl.lit("MARROW"),
        XASTRESN=pl.col("XASTRESN") / 1000,
        XASTRESU=pl.lit("MBq/mL"),
        XASEQ=pl.col("XASEQ") + 1000,
    )
    both = pl.concat([xa, marrow]).with_columns(
        XAMARROW=pl.when(XALOC="RED MARROW").then(pl.lit("BLOOD"))
    )
    return {**frames, "XA": both.sort("USUBJID", "XASEQ")}


def doses(adrad: pl.DataFrame, subject: str) -> pl.DataFrame:
    own = adrad.filter(PARAMCD="DOSE", USUBJID=subject)
    return own.select("XRLOC", "AVISITN", "AVAL", "AVALLO", "AVALHI").sort("XRLOC", "AVISITN")


def patients_folder(folder: Path, subject: str, sex: str) -> Path:
    """The same scans and infusions as tables of the dose commands."""
    folder.mkdir()
    xa = study()["XA"].filter(USUBJID=subject)
    xa.select(
        *(pl.col(name).alias(column) for column, name in VARIABLES.items() if name in xa.columns),
        cycle=pl.col("VISIT").str.extract(r"(\d+)"),
        role=pl.col("XACAT").str.to_lowercase(),
    ).with_columns(pl.col("decay_corrected_to", "marrow_method").str.to_lowercase()).write_csv(
        folder / "activities.csv"
    )
    ex = study()["EX"].filter(USUBJID=subject, EXTRT="177LU-DOTATATE", EPOCH="TREATMENT")
    ex.select(
        subject="USUBJID",
        cycle=pl.col("VISIT").str.extract(r"(\d+)"),
        start="EXSTDTC",
        activity_mbq=1000 * pl.col("EXDOSE"),
        calibrated_at="EXSTDTC",
        nuclide=pl.lit("Lu-177"),
        sex=pl.lit(sex),
    ).write_csv(folder / "administrations.csv")
    (folder / "svalues.csv").write_text(TABLES[sex], "utf-8")
    return folder


def run(*words: object) -> str:
    told = CliRunner().invoke(cli, [str(word) for word in words], prog_name="radioligand")
    assert told.exit_code == 0, told.output
    return told.output


def test_the_study_has_the_doses_of_the_dose_report(tmp_path):
    sdtm = tmp_path / "sdtm"
    sdtm.mkdir()
    protocol = tmp_path / "own.toml"
    protocol.write_text(DOCUMENT, "utf-8")
    for name, frame in study().items():
        frame.write_parquet(sdtm / f"{name.lower()}.parquet")
    for sex, table in TABLES.items():
        (sdtm / f"svalues-{sex}.csv").write_text(table, "utf-8")
    run("analyse", protocol, sdtm, "--out", tmp_path / "out")
    of_study = pl.read_parquet(tmp_path / "out" / "adam" / "adrad.parquet")

    sexes = study()["DM"].select("USUBJID", "SEX")
    scanned = study()["XA"].select("USUBJID").unique().join(sexes, on="USUBJID").rows()
    assert {sex for _, sex in scanned} == {"F", "M"}
    for subject, sex in scanned:
        folder = patients_folder(tmp_path / sex, subject, sex)
        run("dose", "report", protocol, folder, "--out", tmp_path / f"{sex}-out")
        of_report = pl.read_parquet(tmp_path / f"{sex}-out" / "adam" / "ADRAD.parquet")
        found, expected = doses(of_study, subject), doses(of_report, subject)
        assert {"KIDNEYS", "RED MARROW"} < set(found["XRLOC"])
        assert found["AVAL"].null_count() == 0
        for column in found.columns[2:]:
            assert found[column].to_list() == pytest.approx(expected[column].to_list(), rel=1e-9)
        assert found.select("XRLOC", "AVISITN").equals(expected.select("XRLOC", "AVISITN"))


def derived(**tables: str) -> pl.DataFrame:
    read = {
        sex: read_s_values(pl.read_csv(text.encode(), infer_schema=False))
        for sex, text in tables.items()
    }
    protocol = read_protocol("dosimetry-prrt")
    marrow = DoseMethod(role="marrow", blood_ratio=1.0)
    own = protocol.dosimetry.model_copy(update={"methods": (*protocol.dosimetry.methods, marrow)})
    frames = join_supplemental(study()).frames
    few = {name: frames[name] for name in ("DM", "EX", "EC", "DS", "XA") if name in frames}
    lean = protocol.model_copy(update={"dosimetry": own, "endpoints": (), "eligibility": ()})
    return derive(few, protocol=lean, s_values=read or None)["ADRAD"]


def test_a_sex_without_a_table_has_no_organ_dose_but_its_reason():
    adrad = derived(F=TABLES["F"])
    men = study()["DM"].filter(SEX="M")["USUBJID"].to_list()
    own = adrad.filter(pl.col("USUBJID").is_in(men), PARAMCD="DOSE")
    kidneys = own.filter(XRLOC="KIDNEYS")
    assert kidneys.height > 0
    assert kidneys["AVAL"].null_count() == kidneys.height
    assert set(kidneys["REASON"]) == {"no table of S values is of the subject's sex."}
    assert own.filter(PARCAT1="LESION")["AVAL"].null_count() == 0  # a sphere needs no phantom


def test_a_phantom_of_the_other_sex_is_refused():
    with pytest.raises(DatasetError, match="S values of sex F are of its phantom"):
        derived(F=TABLES["M"])


def test_a_file_that_the_protocol_names_has_to_be_there(tmp_path):
    protocol = tmp_path / "own.toml"
    protocol.write_text(DOCUMENT, "utf-8")
    (tmp_path / "sdtm").mkdir()
    study()["DM"].write_parquet(tmp_path / "sdtm" / "dm.parquet")
    words = ["analyse", str(protocol), str(tmp_path / "sdtm"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 1
    assert "svalues-F.csv" in told.output
    demo = CliRunner().invoke(cli, ["demo", str(protocol), "--out", str(tmp_path / "demo")])
    assert demo.exit_code == 1
    assert "a virtual one has none" in demo.output
