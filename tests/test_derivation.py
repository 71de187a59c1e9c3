# SPDX-License-Identifier: Apache-2.0
"""The data cutoff and the invariants, on frames written by hand."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from radioligand.analysis import analyse
from radioligand.cdisc import join_supplemental
from radioligand.derivation import (
    cut,
    date_of_event,
    derive,
    gathered,
    in_blocks,
    invariants,
    joined,
    remarks,
    summed,
    unavailable,
)
from radioligand.io.documents import read_protocol
from radioligand.simulation.patients import read_population, simulate_study


@pytest.mark.by_hand
def test_a_cutoff_leaves_out_what_happened_later():
    study = {
        "DM": pl.DataFrame(
            {
                "USUBJID": ["1", "2", "3"],
                "RFICDTC": ["2023-01-01", "2023-08-01", "2023-01-02"],
                "DTHDTC": ["2023-09-01", None, "2023-07-20"],
                "DTHFL": ["Y", None, "Y"],
            }
        ),
        "AE": pl.DataFrame(
            {
                "USUBJID": ["1"] * 5,
                "AESTDTC": ["2023-07-20", "2023-07-21", "2023-07", "2023-08", None],
                "AEENDTC": ["2023-08-01", "2023-08-02", "2023-07-19", None, None],
            }
        ),
        "TR": pl.DataFrame({"USUBJID": ["1", "1"], "TRDTC": ["2023-07-20T09:00", "2023-07-21"]}),
        "TS": pl.DataFrame({"TSPARMCD": ["TITLE"]}),
    }

    seen = cut(study, cutoff=date(2023, 7, 20))

    assert seen["DM"].rows() == [
        ("1", "2023-01-01", None, None),
        ("3", "2023-01-02", "2023-07-20", "Y"),
    ]
    assert seen["AE"].rows() == [
        ("1", "2023-07-20", None),  # still going on at the cutoff
        ("1", "2023-07", "2023-07-19"),  # may have begun before
        ("1", None, None),
    ]
    assert seen["TR"]["TRDTC"].to_list() == ["2023-07-20T09:00"]
    assert seen["TS"].height == 1


EVENTS = pl.DataFrame(
    {
        "USUBJID": ["1", "2", "3", "4", "5"],
        "PARAMCD": ["PFS", "PFS", "PFS", "OS", "PFS"],
        "CNSR": [0, 1, 0, 0, 0],
        "ADT": [date(2023, 1, d) for d in (9, 1, 5, 2, 7)],
    }
)


@pytest.mark.by_hand
def test_the_cutoff_is_the_day_of_the_nth_event():
    assert date_of_event(EVENTS, endpoint="PFS", events=2) == date(2023, 1, 7)
    assert date_of_event(EVENTS, endpoint="PFS", events=3) == date(2023, 1, 9)
    with pytest.raises(ValueError, match="3 events of PFS, the cutoff waits for 4"):
        date_of_event(EVENTS, endpoint="PFS", events=4)


def broken(**adam: pl.DataFrame) -> dict[str, tuple[int, int, str]]:
    rows = invariants(adam).rows_by_key("invariant", named=True, unique=True)
    return {key: (row["checked"], row["broken"], row["examples"]) for key, row in rows.items()}


@pytest.mark.by_hand
def test_progression_free_survival_is_not_longer_than_survival():
    days = {"STARTDT": date(2024, 1, 1), "CNSR": 1}
    tte = pl.DataFrame(
        [
            {"USUBJID": "1", "PARAMCD": "PFS", "AVAL": 64.0, "ADT": date(2024, 3, 4)} | days,
            {"USUBJID": "1", "PARAMCD": "OS", "AVAL": 55.0, "ADT": date(2024, 2, 24)} | days,
            {"USUBJID": "2", "PARAMCD": "PFS", "AVAL": 10.0, "ADT": date(2024, 1, 10)} | days,
            {"USUBJID": "2", "PARAMCD": "OS", "AVAL": 11.0, "ADT": date(2024, 1, 10)} | days,
        ]
    )

    found = broken(ADTTE=tte)

    assert found["pfs-os"] == (2, 1, "1 PFS 2024-03-04")
    assert found["tte-dates"] == (4, 1, "2 OS 2024-01-10")  # 10 January is day 10, not 11


@pytest.mark.by_hand
def test_flags_follow_from_the_responses_they_stand_for():
    rows = [
        ("1", "BOR", "PR"),
        ("1", "CBOR", "PR"),
        ("1", "CBCP", "N"),
        ("1", "BCP", "Y"),
        ("1", "RSP", "Y"),
        ("1", "CRSP", "Y"),
        ("2", "RSP", "N"),
        ("2", "CRSP", "Y"),
        ("1", "OVR", "SD"),
    ]
    adrs = pl.DataFrame(
        [(*row, date(2024, 1, 1)) for row in rows],
        schema=["USUBJID", "PARAMCD", "AVALC", "ADT"],
        orient="row",
    )

    found = broken(ADRS=adrs)

    assert found["cbcp"][:2] == (1, 1)
    assert found["bcp"][:2] == (1, 0)
    assert found["confirmed"] == (2, 1, "2 CRSP 2024-01-01")
    assert found["best-visit"][:2] == (1, 1)  # the best response is PR, its visit says SD


@pytest.mark.by_hand
def test_changes_follow_from_their_baseline():
    adtr = pl.DataFrame(
        {
            "USUBJID": ["1"] * 3,
            "PARAMCD": ["SDIAM"] * 3,
            "ADT": [date(2024, 1, day) for day in (1, 2, 3)],
            "AVAL": [50.0, 40.0, 30.0],
            "BASE": [50.0, 50.0, 60.0],
            "PCHG": [None, -20.0, -40.0],
            "ABLFL": ["Y", None, None],
        }
    )

    found = broken(ADTR=adtr)

    assert found["change"] == (2, 1, "1 SDIAM 2024-01-03")  # 30 of 60 is a fall of 50 %
    assert found["baseline"] == (3, 1, "1 SDIAM 2024-01-03")


def test_checks_only_what_the_datasets_allow():
    assert invariants({}).is_empty()


# dataset and flag, and the check that has to notice; I is the investigator's reading
FLAGS = [
    ("ADSL", "DTHFL", None, "flag-dthfl"),
    *(("ADSL", name, None, f"flag-{name.lower()}") for name in ("FASFL", "SAFFL", "STRMISFL")),
    *(
        ("ADRS", f"ANL0{number}FL", f"OVR{suffix}", f"flag-adrs-anl0{number}fl{suffix}")
        for number in (1, 2, 3)
        for suffix in ("", "I")
    ),
    *(
        ("ADTR", flag, f"SDIAM{suffix}", f"flag-adtr-{flag.lower()}{suffix}")
        for flag in ("ABLFL", "PDFL", "ANL01FL", "ANL02FL", "ANL03FL", "ANL04FL")
        for suffix in ("", "I")
    ),
    *(
        ("ADAE", flag, None, f"flag-{flag.lower()}")
        for flag in ("TRTEMFL", "AOCCFL", "AOCCSFL", "AOCCPFL", "AOCCIFL", "AOCCSIFL", "AOCCPIFL")
    ),
    ("ADLB", "ABLFL", "PLAT", "flag-adlb-ablfl"),
    ("ADLB", "ONTRTFL", "PLAT", "flag-ontrtfl"),
    ("ADLB", "WORSTLFL", "LYM", "flag-worstlfl"),
    ("ADLB", "WORSTHFL", "CREAT", "flag-worsthfl"),
    ("ADQS", "ABLFL", "QL2", "flag-adqs-ablfl"),
    ("ADQS", "ANL01FL", "QL2", "flag-adqs-anl01fl"),
    ("ADQS", "DETERFL", "FA", "flag-deterfl"),
    ("ADQS", "ROOM", "FA", "flag-room"),
]


@pytest.mark.parametrize(("dataset", "flag", "code", "check"), FLAGS)
def test_a_flag_that_does_not_follow_from_its_records_is_told(virtual, dataset, flag, code, check):
    protocol, _, adam = virtual
    frame = adam[dataset].with_row_index("row")
    of = frame.filter(PARAMCD=code) if code else frame
    yes = of.filter(pl.col(flag) == "Y")["row"].to_list()
    no = of.filter((pl.col(flag) != "Y").fill_null(True))["row"].to_list()
    assert yes
    for row, value in [(yes[-1], None), *[(row, "Y") for row in no[-1:] if flag != "DTHFL"]]:
        changed = frame.with_columns(
            pl.when(pl.col("row") == row).then(pl.lit(value)).otherwise(flag).alias(flag)
        ).drop("row")
        checks = invariants(adam | {dataset: changed}, protocol=protocol)
        told = checks.row(by_predicate=pl.col("invariant") == check, named=True)
        assert told["broken"] >= 1, (value, told)
        assert frame["USUBJID"][row] in told["examples"]


def test_every_flag_of_a_derived_study_is_found_again(virtual):
    protocol, _, adam = virtual
    checks = invariants(adam, protocol=protocol)

    assert checks.filter(pl.col("broken") > 0).is_empty()
    flags = {(name, flag) for name, frame in adam.items() for flag in frame.columns
             if flag.endswith("FL") and frame[flag].dtype == pl.String}  # fmt: skip
    told = {(dataset, flag) for dataset, flag, _, _ in FLAGS} | {("ADSL", "SCRNFL")}
    assert flags <= told


@pytest.fixture(scope="module")
def virtual():
    protocol = read_protocol("netter-2")
    study = simulate_study(protocol=protocol, population=read_population("netter-2"), seed=5)
    cutoff = date(2023, 7, 20)
    study = cut(join_supplemental(study).frames, cutoff=cutoff)
    return protocol, study, derive(study, protocol=protocol, cutoff=cutoff)


def rules(findings: pl.DataFrame) -> dict[str, int]:
    return dict(findings.select("rule", "broken").iter_rows())


def test_remarks_tell_of_a_changed_stratum_reading_and_dose(virtual):
    protocol, study, adam = virtual
    before = rules(remarks(study, adam, protocol=protocol))
    someone = adam["ADSL"].filter(FASFL="Y")["USUBJID"][0]
    own = pl.col("USUBJID") == someone
    stated = own & (pl.col("RSTESTCD") == "OVRLRESP") & (pl.col("RSEVAL") == "INVESTIGATOR")
    changed = study | {
        "RS": study["RS"].with_columns(
            RSSTRESC=pl.when(stated).then(pl.lit("CR")).otherwise("RSSTRESC")
        ),
        "DM": study["DM"].with_columns(
            STRGRADE=pl.when(own)
            .then(pl.when(pl.col("STRGRADE") == "2").then(pl.lit("3")).otherwise(pl.lit("2")))
            .otherwise("STRGRADE")
        ),
        "MI": study["MI"].with_columns(
            MISTRESN=pl.when(own & (pl.col("MITESTCD") == "KI67")).then(70.0).otherwise("MISTRESN")
        ),
    }

    after = rules(remarks(changed, derive(changed, protocol=protocol), protocol=protocol))

    more = {rule: count - before.get(rule, 0) for rule, count in after.items()}
    assert more["a randomised subject meets every eligibility criterion"] == 1
    assert any("reader stated" in rule and count > 0 for rule, count in more.items())
    assert not any("has lesions or new lesions" in rule for rule in before)


def test_findings_of_blocks_are_summed(virtual):
    protocol, study, adam = virtual
    whole = remarks(study, adam, protocol=protocol)
    blocks = in_blocks(study.items(), ids=study["DM"]["USUBJID"], subjects=90)
    each = [remarks(block, derive(block, protocol=protocol), protocol=protocol) for block in blocks]

    assert rules(summed(each)) == rules(whole)


def test_invariants_of_blocks_add_up(virtual):
    protocol, _, adam = virtual
    late = adam["ADTTE"].with_columns(AVAL=pl.col("AVAL") + 7)  # no time fits its dates
    adam = adam | {"ADTTE": late}
    blocks = in_blocks(adam.items(), ids=adam["ADSL"]["USUBJID"], subjects=90)
    whole = invariants(adam, protocol=protocol)
    found = joined([invariants(block, protocol=protocol) for block in blocks])

    assert_frame_equal(found, whole)
    assert whole.filter(invariant="tte-dates")["examples"][0].count("; ") == 2


@pytest.mark.parametrize("lost", ["EX", "TR", "RS", "AE", "LB", "QS", "CM", "DS", "MI", "SC", "PR"])
def test_a_domain_that_is_not_there_switches_off_what_needs_it(virtual, lost):
    protocol, study, _ = virtual
    rest = {name: frame for name, frame in study.items() if name != lost}

    adam = derive(rest, protocol=protocol)
    results = analyse(adam, protocol=protocol)

    assert {analysis.id for analysis in protocol.analyses} <= set(results["analysis"])
    assert unavailable(rest, adam, protocol=protocol) or lost in ("RS", "AE", "TR")


@pytest.mark.law
def test_blocks_of_subjects_give_what_the_whole_gives():
    protocol = read_protocol("netter-2")
    study = simulate_study(protocol=protocol, population=read_population("netter-2"), seed=5)
    study = join_supplemental(study).frames
    cutoff = date(2023, 7, 20)

    whole = derive(study, protocol=protocol, cutoff=cutoff)
    blocks = in_blocks(study.items(), ids=study["DM"]["USUBJID"], subjects=100)
    joined = gathered(derive(block, protocol=protocol, cutoff=cutoff) for block in blocks)

    assert [block["DM"].height for block in blocks] == [100, 100, 61]
    assert all(block["TS"].equals(study["TS"]) for block in blocks)
    assert joined.keys() == whole.keys()
    for name, frame in whole.items():
        assert_frame_equal(joined[name], frame, check_exact=True)
