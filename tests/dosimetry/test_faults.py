# SPDX-License-Identifier: Apache-2.0
"""Bad input, family by family: each file is refused by every command, with nothing written.

A message names region, cycle, rule, value and mend. Files are tests/dosimetry/faults, the number in
front is that of the family; those of images are in tests/images.
"""

from pathlib import Path
from shutil import copy
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from radioligand.cdisc.rules import DatasetError
from radioligand.cli import cli
from radioligand.dosimetry.radiobiology import bed_gy
from radioligand.io.documents import read_protocol, read_table
from radioligand.patient_dosimetry import check_measurements

HERE = Path(__file__).parent
FAULTS = HERE / "faults"
PATIENTS = HERE / "patients"
ALL = ("fit", "plan", "report")


class Fault(NamedTuple):
    """The files of one refused folder, by their names without .csv, and what the message says."""

    activities: str | None  # None: those of two sound patients
    says: tuple[str, ...]
    protocol: str | None = None  # of faults/protocols; None: dosimetry-prrt
    administrations: str | None = None
    s_values: str | None = None
    commands: tuple[str, ...] = ALL

    @property
    def id(self) -> str:
        given = (self.protocol, self.administrations, self.activities, self.s_values)
        return " ".join(one for one in given if one)


REFUSED = (
    # 1: time and unit
    Fault(
        "01-units-times",
        (
            "the unit of an activity is one of kBq, MBq",
            "region 'KIDNEYS'  hours 4.0  unit None",
            "Name the unit; it is never guessed.",
            "whether activities are corrected for decay",
            "hours 24.0  decay_corrected_to '?'",
            "no scan is before the infusion",
            "region 'KIDNEYS'  hours -3.0",
            "a region has one row a scan; 2 of 8 rows",
            "region 'L1'  hours 4.0",
        ),
    ),
    Fault("01-clock", ("agree within 12 h", "hours_told 4.0  hours_by_clock 52.0", "a time zone")),
    Fault(
        "01-no-infusion",
        ("every cycle with activities has the start of its infusion", "cycle 7", "no scan can be"),
    ),
    Fault(
        None,
        (
            "administrations.csv: activity_mbq is a number",
            "subject '01-002'  cycle '1'  activity_mbq 'many'",
            "start has a time zone everywhere or nowhere",
            "an infusion ends after its start",
            "the activity given is positive, less what was left over",
            "cycles are numbered from 1 without gaps",
        ),
        administrations="01-administrations",
    ),
    # 2: nuclide
    Fault("02-nuclide", ("are of Lu-177", "region 'KIDNEYS'  hours 168.0  nuclide 'Y-90'")),
    Fault(
        None,
        ("02-half-life.toml", "dosimetry.half_life_days", "6.71 d is no half-life of 177Lu"),
        protocol="02-half-life",
    ),
    # 3: numbers
    Fault(
        "03-activity",
        ("an activity is a positive number; 2 of 8", "activity 0.0", "activity nan", "background"),
    ),
    Fault(
        "03-too-few-scans",
        (
            "2 of 2 regions have no dose",
            "01-002, cycle 1, KIDNEYS: 1 scan for the form 'mono'",
            "it takes 2 scans or more",
        ),
    ),
    Fault(
        "03-three-scans",
        ("no form can be chosen", "it takes 4 scans or more", "Fix the form in the protocol"),
        protocol="03-aicc",
    ),
    # 4: physics
    Fault(
        "04-more-than-given",
        (
            "no more than what is left of the injected activity, and 10 %",
            "cycle 1  hours 4.0  regions_mbq",
            "injected_left_mbq",
            "Check units, calibration and overlap",
        ),
    ),
    Fault(
        "04-more-than-the-body",
        (
            "regions together hold no more than what is left of the injected activity, and 10 %",
            "hours 4.0  regions_mbq 12099.6  injected_left_mbq",
            "regions together hold no more than the whole body, 10 % and three standard errors",
            "hours 24.0  regions_mbq 9894.4  body_mbq 700.0",
            "Bring regions and whole body to one calibration",
        ),
    ),
    Fault(
        "04-rises",
        (
            "the activity of the whole body falls at least as fast as physics",
            "hours 168.0  body_mbq 2515.786",
            "not on one scale",
        ),
    ),
    Fault(
        "04-slower-than-physics",
        ("01-002, cycle 1, L1: the form 'mono' is not determined", "slower than physical decay"),
    ),
    # 5: fits
    Fault(
        "05-degenerate",
        (
            "01-002, cycle 1, L1: the form 'uptake' is not determined by 4 scans",
            "Use a form with fewer parameters, or a prior.",
        ),
        protocol="05-uptake",
    ),
    Fault(
        "05-unseen-uptake",
        (
            "01-002, cycle 1, KIDNEYS: the form 'uptake' is not determined",
            "per h cannot be seen with the first scan at 3.74 h",
        ),
        protocol="05-uptake",
    ),
    Fault(
        "05-degenerate",
        ("KIDNEYS: 4 scans for the form 'tri', which has 6 free parameters",),
        protocol="05-tri",
    ),
    # 6: one scan
    Fault(
        "06-single-scan",
        (
            "01-002, cycle 1, KIDNEYS: the scan at 4 h is 0.07 effective half-lives",
            "earlier than 24 h",
            "let the protocol allow it by name",
        ),
        protocol="06-haenscheid",
    ),
    Fault(
        "06-single-scan", ("KIDNEYS: the scan at 4 h is earlier than 24 h",), protocol="06-madsen"
    ),
    Fault("06-single-scan", ("KIDNEYS: the scan at 4 h is earlier than 24 h",), protocol="06-map"),
    Fault(
        "06-early-in-a-later-cycle",
        ("1 of 2 regions have no dose", "cycle 2, KIDNEYS: the scan at 4 h is earlier than 24 h"),
        protocol="06-prior-cycle",
        administrations="06-administrations",
    ),
    Fault(
        "06-single-scan",
        ("1 scan and no earlier cycle with a curve of its own", "Scan the first cycle 2 times"),
        protocol="06-prior-cycle",
    ),
    Fault(
        "05-degenerate",
        ("the method 'madsen' takes one scan, and there are 4",),
        protocol="06-madsen",
    ),
    Fault(
        None,
        ("06-no-citation.toml", "dosimetry.priors[cohort].citation", "at least 3 characters"),
        protocol="06-no-citation",
    ),
    # 7: regions
    Fault(
        "07-regions",
        (
            "every region is measured in every scan of its cycle; 3 of 7",
            "no region touches the edge",
            "at_edge 'yes'",
            "changes by no more than 25 % within a cycle",
            "volume_ml 400.0",
            "smallest volume of its recovery curve",
            "volume_ml 20.0  recovery_least_ml 25.0",
            "no lesion lies in an organ without a rule",
            "inside 'KIDNEYS'",
            'Set overlap = "subtract"',
        ),
    ),
    Fault(
        None,
        ("the protocol has a method for every region", "region 'KIDNEYS'  role 'organ'"),
        protocol="07-lesions-alone",
    ),
    # 8: mass
    Fault(
        "08-mass",
        (
            "has its density, between 0.2 and 2.2 g/mL; 2 of 8",
            "density_g_per_ml 3.0",
            "a volume is no mass",
            "the mass of a lesion lies between 4 mg and 1 kg; 4 of 8",
        ),
    ),
    Fault(
        None,
        (
            "all S values are of one phantom",
            "every S value is of Lu-177",
            "'Y-90'",
            "S values and masses are positive",
            "a target and source have one S value",
            "says where it was taken from",
        ),
        s_values="08-svalues",
    ),
    Fault(
        "08-organ-without-s-value",
        (
            "every organ is a target and a source of svalues.csv; 1 of 2",
            "cycle 1  region 'PANCREAS'",
            "name it as there (kidneys, total body)",
            "of the sex of the phantom, 'adult male'",
            "subject '01-002'  cycle 1  sex 'F'",
        ),
        administrations="08-administrations-of-a-woman",
        s_values="08-phantom-svalues",
    ),
    # 10: the course; 9, of places, is of images alone
    Fault(
        None,
        (
            "10-repair.toml",
            "dosimetry.limits[0].alpha_beta_gy",
            "dosimetry.limits[0].repair_half_time_hours",
            "greater than 0",
        ),
        protocol="10-repair",
    ),
    Fault(
        None,
        ("10-no-limits.toml", "dosimetry.limits", "at least 1 item"),
        protocol="10-no-limits",
    ),
    Fault(
        "10-undosed-cycle",
        ("No activity is recommended", "01-001, cycle 3: KIDNEYS: cycle 2 of 2 was given"),
        commands=("plan", "report"),
    ),
    Fault(
        "10-course-over",
        (
            "no course is summed",
            "01-001, course over: KIDNEYS: cycle 2 of 4 was given and has no dose",
            "L2: cycle 2 of 4 was given",
        ),
        commands=("plan", "report"),
        administrations="10-four-administrations",
    ),
    Fault(
        "10-limit-without-organ",
        ("01-002, cycle 2: KIDNEYS: it has a limit and no dose",),
        commands=("plan", "report"),
        administrations="10-administrations",
    ),
    Fault(
        "10-mixed-marrow",
        (
            "the marrow of a subject is measured in one way in all cycles",
            "region 'RED MARROW'  hours 1.0  marrow_method 'blood'",
            "the two differ about fourfold",
        ),
        protocol="10-marrow",
    ),
)


def folder_of(fault: Fault, tmp_path: Path) -> Path:
    """A patients' folder made of the files of a fault."""
    folder = tmp_path / "patients"
    folder.mkdir()
    for name, file in (
        ("activities", fault.activities),
        ("administrations", fault.administrations),
        ("svalues", fault.s_values),
    ):
        source = FAULTS / f"{file}.csv" if file else PATIENTS / f"{name}.csv"
        if source.exists():
            copy(source, folder / f"{name}.csv")
    return folder


@pytest.mark.parametrize("fault", REFUSED, ids=[one.id for one in REFUSED])
def test_each_file_is_refused_and_nothing_is_written(fault, tmp_path):
    folder = folder_of(fault, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    protocol = "dosimetry-prrt"
    if fault.protocol:
        protocol = str(FAULTS / "protocols" / f"{fault.protocol}.toml")
    options = {
        "fit": ("--json",),
        "plan": ("--log", str(tmp_path / "activities.log")),
        "report": ("--out", str(tmp_path / "out")),
    }
    for command in fault.commands:
        asked = CliRunner().invoke(
            cli,
            ["dose", command, protocol, str(folder), *options[command]],
            prog_name="radioligand",
        )
        assert asked.exit_code == 1, asked.output
        assert asked.stdout == ""
        assert [one for one in fault.says if one not in asked.stderr] == []
        assert "Traceback" not in asked.stderr
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_every_file_of_a_fault_is_used():
    used = {
        name
        for one in REFUSED
        for name in (one.activities, one.administrations, one.s_values)
        if name
    }
    assert {path.stem for path in FAULTS.glob("*.csv")} == used
    protocols = {path.stem for path in (FAULTS / "protocols").glob("*.toml")}
    assert protocols == {one.protocol for one in REFUSED if one.protocol}


def test_every_family_has_its_file():
    first = {int(name[:2]) for one in REFUSED for name in one.id.split() if name[:2].isdigit()}
    assert first == {1, 2, 3, 4, 5, 6, 7, 8, 10}  # 9, of places, is in tests/images


def test_the_effective_dose_of_a_sum_of_cycles_cannot_be_asked():
    # a protraction factor belongs to one cycle's curve; doses of cycles keep their own
    each = bed_gy([4.0, 5.0], protraction=[0.05, 0.06], alpha_beta_gy=2.6)
    assert each == pytest.approx([4 * (1 + 0.05 * 4 / 2.6), 5 * (1 + 0.06 * 5 / 2.6)])


def test_both_tables_are_told_at_once():
    with pytest.raises(DatasetError) as told:
        check_measurements(
            read_table(FAULTS / "08-mass.csv"),
            read_table(FAULTS / "01-administrations.csv"),
            dosimetry=read_protocol("dosimetry-prrt").dosimetry,
        )
    assert "administrations.csv: activity_mbq is a number" in str(told.value)
    assert "activities.csv: every organ, lesion and marrow has its density" in str(told.value)


def test_columns_that_are_missing_or_unknown_are_named():
    table = read_table(FAULTS / "02-nuclide.csv").drop("unit").rename({"site": "hospital"})
    given = read_table(PATIENTS / "administrations.csv")
    with pytest.raises(DatasetError, match=r"(?s)these columns are there: unit.*hospital is not"):
        check_measurements(table, given, dosimetry=read_protocol("dosimetry-prrt").dosimetry)


def test_nothing_is_refused_too():
    empty = read_table(FAULTS / "02-nuclide.csv").head(0)
    given = read_table(PATIENTS / "administrations.csv")
    with pytest.raises(DatasetError, match="Add the measured activities"):
        check_measurements(empty, given, dosimetry=read_protocol("dosimetry-prrt").dosimetry)
