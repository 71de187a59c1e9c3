# SPDX-License-Identifier: Apache-2.0
"""Bad input, family by family: each file is refused with region, cycle, rule, value and mend."""

from pathlib import Path

import polars as pl
import pytest

from radioligand.cdisc.rules import DatasetError
from radioligand.io.documents import read_protocol, read_table
from radioligand.patient_dosimetry import check_measurements, find_doses
from radioligand.patient_dosimetry.s_values import read_s_values
from radioligand.protocol.records import DoseMethod, DosePrior, Dosimetry

HERE = Path(__file__).parent
PRIOR = DosePrior(id="cohort", median_hours=60.0, log_sd=0.2, citation="a cohort")


def dosimetry(**changes) -> Dosimetry:
    return read_protocol("dosimetry-prrt").dosimetry.model_copy(update=changes)


def by_method(**keys) -> Dosimetry:
    methods = tuple(DoseMethod(role=role, **keys) for role in ("organ", "lesion", "remainder"))
    return dosimetry(methods=methods, priors=(PRIOR,))


def doses(name: str, protocol: Dosimetry | None = None, administrations: str = "patients"):
    protocol = protocol or dosimetry()
    given = {"patients": HERE / "patients" / "administrations.csv"}.get(
        administrations, HERE / "faults" / f"{administrations}.csv"
    )
    measured = check_measurements(
        read_table(HERE / "faults" / f"{name}.csv"), read_table(given), dosimetry=protocol
    )
    return find_doses(measured, dosimetry=protocol)


FAMILIES = [
    (
        "01-units-times",
        None,
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
    ("01-clock", None, ("agree within 12 h", "hours_told 4.0  hours_by_clock 52.0", "time zone")),
    ("02-nuclide", None, ("are of Lu-177", "hours 168.0  nuclide 'Y-90'")),
    (
        "03-activity",
        None,
        ("an activity is a positive number; 2 of 8", "activity 0.0", "activity nan", "background"),
    ),
    (
        "03-too-few-scans",
        None,
        ("2 of 2 regions have no dose", "01-002, cycle 1, KIDNEYS: 1 scan for the form 'mono'",
         "it takes 2 scans or more"),
    ),
    (
        "04-more-than-given",
        None,
        ("no more than what is left of the injected activity, and 10 %", "total_mbq",
         "injected_left_mbq", "Check units, calibration and overlap"),
    ),
    (
        "04-rises",
        None,
        ("the whole body falls at least as fast as physics", "hours 168.0  total_mbq 2515.786",
         "not on one scale"),
    ),
    (
        "04-slower-than-physics",
        None,
        ("01-002, cycle 1, L1: the form 'mono' is not determined", "slower than physical decay"),
    ),
    (
        "05-degenerate",
        by_method(form="uptake"),
        ("01-002, cycle 1, L1: the form 'uptake' is not determined by 4 scans",
         "Use a form with fewer parameters, or a prior."),
    ),
    (
        "05-degenerate",
        by_method(form="tri"),
        ("4 scans for the form 'tri', which has 6 free parameters",),
    ),
    (
        "06-single-scan",
        by_method(integral="haenscheid", prior="cohort"),
        ("01-002, cycle 1, KIDNEYS: the scan at 4 h is 0.07 effective half-lives",
         "earlier than 24 h", "let the protocol allow it by name"),
    ),
    (
        "06-single-scan",
        by_method(integral="madsen", prior="cohort"),
        ("the scan at 4 h is earlier than 24 h",),
    ),
    (
        "06-single-scan",
        by_method(integral="prior cycle"),
        ("1 scan and no earlier cycle with a curve of its own", "Scan the first cycle 2 times"),
    ),
    (
        "05-degenerate",
        by_method(integral="madsen", prior="cohort"),
        ("the method 'madsen' takes one scan, and there are 4",),
    ),
    (
        "07-regions",
        None,
        (
            "every region is measured in every scan of its cycle; 3 of 7",
            "no region touches the edge", "at_edge 'yes'",
            "changes by no more than 25 % within a cycle", "volume_ml 400.0",
            "smallest volume of its recovery curve", "volume_ml 20.0  recovery_least_ml 25.0",
            "no lesion lies in an organ without a rule", "inside 'KIDNEYS'",
            'Set overlap = "subtract"',
        ),
    ),
    (
        "08-mass",
        None,
        ("has its density, between 0.2 and 2.2 g/mL; 2 of 8", "density_g_per_ml 3.0",
         "a volume is no mass", "the mass of a lesion lies between 4 mg and 1 kg; 4 of 8"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "protocol", "says"), FAMILIES, ids=[f"{one[0]}-{i}" for i, one in enumerate(FAMILIES)]
)
def test_each_family_is_refused_by_name(name, protocol, says):
    with pytest.raises(DatasetError) as told:
        doses(name, protocol)
    assert [one for one in says if one not in str(told.value)] == []


def test_both_tables_are_told_at_once():
    with pytest.raises(DatasetError) as told:
        doses("08-mass", administrations="01-administrations")
    for says in (
        "administrations.csv: activity_mbq is a number",
        "subject '01-002'  cycle '1'  activity_mbq 'many'",
        "start has a time zone everywhere or nowhere",
        "an infusion ends after its start",
        "the activity given is positive, less what was left over",
        "cycles are numbered from 1 without gaps",
        "activities.csv: every organ, lesion and marrow has its density",
    ):
        assert says in str(told.value)


def test_a_cycle_of_which_nothing_is_known_is_told():
    table = read_table(HERE / "faults" / "02-nuclide.csv").with_columns(cycle=pl.lit("7"))
    given = read_table(HERE / "patients" / "administrations.csv")
    with pytest.raises(DatasetError, match="has the start of its infusion"):
        check_measurements(table, given, dosimetry=dosimetry())


def test_a_table_of_s_values_is_held_to_its_rules():
    with pytest.raises(DatasetError) as told:
        read_s_values(read_table(HERE / "faults" / "08-svalues.csv"))
    for says in ("one phantom", "'Y-90'", "S values and masses are positive", "one S value",
                 "says where it was taken from"):  # fmt: skip
        assert says in str(told.value)


def test_columns_that_are_missing_or_unknown_are_named():
    table = read_table(HERE / "faults" / "02-nuclide.csv").drop("unit").rename({"site": "hospital"})
    given = read_table(HERE / "patients" / "administrations.csv")
    with pytest.raises(DatasetError, match=r"(?s)these columns are there: unit.*hospital is not"):
        check_measurements(table, given, dosimetry=dosimetry())


def test_a_region_without_a_method_is_named():
    only = dosimetry(methods=(DoseMethod(role="lesion"),))
    with pytest.raises(DatasetError, match=r"(?s)a method for every region.*region 'KIDNEYS'"):
        doses("05-degenerate", only)


def test_nothing_is_refused_too():
    empty = read_table(HERE / "faults" / "02-nuclide.csv").head(0)
    given = read_table(HERE / "patients" / "administrations.csv")
    with pytest.raises(DatasetError, match="Add the measured activities"):
        check_measurements(empty, given, dosimetry=dosimetry())
