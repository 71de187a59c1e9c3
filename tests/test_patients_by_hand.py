# SPDX-License-Identifier: Apache-2.0
"""Subjects worked by hand, from lesions to endpoints: one file each in `patients/`.

The format is told in `patients/README.md`. All subjects under the same policies are derived
together, as a study would be, so they must not disturb each other either.
"""

import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from radioligand.endpoints import derive_adtte
from radioligand.protocol import Protocol, parse_protocol
from radioligand.response import derive_adrs, derive_adtr

pytestmark = pytest.mark.by_hand

FOLDER = Path(__file__).parent / "patients"
CENTRAL, LOCAL = "INDEPENDENT ASSESSOR", "INVESTIGATOR"
SUFFIX = {CENTRAL: "", LOCAL: "I"}
NODE_LONGER_MM = 7  # a node is written with a longest diameter too, which must not count
NOT_EVALUABLE, TOO_SMALL = "NE", "TSM"

SUBJECT_KEYS = {
    *("shows", "rule", "reference", "worked", "cutoff", "death", "new_therapy", "last_alive"),
    *("policies", "lesions", "visits", "expect", "investigator"),
}
VISIT_KEYS = {"date", "visit", "dates", "split", "merged", "expect"}
# expectation of a visit: where it is found (dataset, parameter, column)
AT_VISIT = {
    "target": ("ADRS", "TRGRESP", "AVALC"),
    "non_target": ("ADRS", "NTGRESP", "AVALC"),
    "new": ("ADRS", "NEWLES", "AVALC"),
    "overall": ("ADRS", "OVR", "AVALC"),
    "date": ("ADRS", "OVR", "ADT"),
    "sum": ("ADTR", "SDIAM", "AVAL"),
    "nadir": ("ADTR", "SDIAM", "NADIR"),
}
# expectation of a subject: the same
AT_END = {
    "best": ("ADRS", "BOR", "AVALC"),
    "best_date": ("ADRS", "BOR", "ADT"),
    "confirmed": ("ADRS", "CBOR", "AVALC"),
    "confirmed_date": ("ADRS", "CBOR", "ADT"),
    "best_change_percent": ("ADTR", "SDIAM", "PCHG"),
}
ENDPOINTS = {"pfs": "PFS", "pfs_ema": "PFSEMA", "os": "OS", "dor": "DOR"}


# -- reading a file ---------------------------------------------------------------------------


class Patient(NamedTuple):
    """One file: its name, and its tables as they stand there."""

    name: str
    tables: dict[str, Any]

    @property
    def usubjid(self) -> str:
        return f"HAND-{self.name[:3]}"

    @property
    def cutoff(self) -> date:
        return self.tables.get("cutoff", date.max)

    def evaluations(self) -> Iterator[tuple[str, dict[str, str], list[dict[str, Any]]]]:
        """Who read the images, the lesions they chose, their visits."""
        yield CENTRAL, self.tables["lesions"], self.tables["visits"]
        if "investigator" in self.tables:
            local = self.tables["investigator"]
            yield LOCAL, local.get("lesions", self.tables["lesions"]), local["visits"]

    def policies(self) -> str:
        return repr(sorted(self.tables.get("policies", {}).items()))

    def last_alive(self) -> date:
        known = [self.tables[key] for key in ("death", "new_therapy") if key in self.tables]
        for _, _, visits in self.evaluations():
            known += [visit["date"] for visit in visits if isinstance(visit["date"], date)]
        return min(self.tables.get("last_alive", max(known)), self.cutoff)


def changes(visit: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Splits and mergers of a visit: which, the lesion that came about, one it came from."""
    for origin, parts in visit.get("split", {}).items():
        yield from (("TUSPLIT", part, origin) for part in parts)
    for whole, origins in visit.get("merged", {}).items():
        yield from (("TUMERGE", whole, origin) for origin in origins)


def known_by(cutoff: date, day: date | None) -> date | None:
    return day if day is not None and day <= cutoff else None


def read_patient(path: Path) -> Patient:
    """Read one file; a misspelt key would be an expectation that nobody checks, so none may be."""
    patient = Patient(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    unknown = set(patient.tables) - SUBJECT_KEYS
    local = patient.tables.get("investigator", {})
    unknown |= set(local) - {"lesions", "visits", "expect"}
    ends = set(patient.tables["expect"]) | set(local.get("expect", {}))
    unknown |= ends - set(AT_END) - set(ENDPOINTS) - {"refused"}
    for _, lesions, visits in patient.evaluations():
        for visit in visits:
            changed = {became for _, became, _ in changes(visit)}
            unknown |= set(visit) - VISIT_KEYS - set(lesions) - changed
            unknown |= set(visit.get("expect", {})) - set(AT_VISIT)
        if len({visit["visit"] for visit in visits}) < len(visits):
            raise ValueError(f"{path.name}: two visits share a name")
    if unknown or not patient.tables["worked"].strip():
        raise ValueError(f"{path.name}: unknown keys {sorted(unknown)}, or nothing worked")
    return patient


PATIENTS = tuple(map(read_patient, sorted(FOLDER.glob("[0-9]*.toml"))))
JUDGED = tuple(patient for patient in PATIENTS if "refused" not in patient.tables["expect"])
REFUSED = tuple(patient for patient in PATIENTS if "refused" in patient.tables["expect"])


# -- from files to SDTM -----------------------------------------------------------------------


def identified(patient: Patient) -> Iterator[dict[str, Any]]:
    """Rows of TU: each lesion where it was first seen, each split or merger where it happened."""
    for reader, lesions, visits in patient.evaluations():
        for lesion, description in lesions.items():
            kind, place = description.split(", ")
            first = next(
                ((number, visit) for number, visit in enumerate(visits, 1) if lesion in visit), None
            )
            if first is not None:
                yield tu(patient, reader, *first, lesion, kind, place=place)
        for number, visit in enumerate(visits, 1):
            for test, became, origin in changes(visit):
                place = lesions[origin].split(", ")[1]
                row = tu(patient, reader, number, visit, became, "TARGET", place=place)
                yield row | {"TUTESTCD": test, "TUGRPID": origin}


def tu(
    patient: Patient,
    reader: str,
    number: int,
    visit: dict[str, Any],
    lesion: str,
    kind: str,
    *,
    place: str,
) -> dict[str, Any]:
    return {
        "USUBJID": patient.usubjid,
        "TUTESTCD": "TUMIDENT",
        "TUSTRESC": kind,
        "TULNKID": lesion,
        "TULOC": place,
        "TUEVAL": reader,
        "VISIT": visit["visit"],
        "VISITNUM": float(number),
        "TUDTC": str(visit.get("dates", {}).get(lesion, visit["date"])),
    }


def measured(patient: Patient) -> Iterator[dict[str, Any]]:
    """Rows of TR: everything that a file says of a lesion at a visit."""
    for reader, lesions, visits in patient.evaluations():
        for number, visit in enumerate(visits, 1):
            changed = {became: lesions[origin] for _, became, origin in changes(visit)}
            for lesion, description in {**lesions, **changed}.items():
                if lesion not in visit:
                    continue
                kind, place = description.split(", ")
                said = visit[lesion] if isinstance(visit[lesion], list) else [visit[lesion]]
                for one in said:
                    for result in results(kind, place, one):
                        yield {
                            "USUBJID": patient.usubjid,
                            "TRLNKID": lesion,
                            "TRGRPID": kind,
                            "TREVAL": reader,
                            "VISIT": visit["visit"],
                            "VISITNUM": float(number),
                            "TRDTC": str(visit.get("dates", {}).get(lesion, visit["date"])),
                            **result,
                        }


def results(kind: str, place: str, said: float | str) -> Iterator[dict[str, Any]]:
    """What one entry of a file says, as results of TR."""
    counts = "LPERP" if "LYMPH NODE" in place else "LDIAM"
    match said:
        case int() | float():
            yield diameter(counts, said)
            if counts == "LPERP":
                yield diameter("LDIAM", said + NODE_LONGER_MM)
        case str() if kind == "TARGET" and said == NOT_EVALUABLE:
            yield {"TRTESTCD": counts, "TRSTAT": "NOT DONE", "TRREASND": "NOT EVALUABLE"}
        case str() if kind == "TARGET" and said == TOO_SMALL:
            text = "TOO SMALL TO MEASURE"
            yield {"TRTESTCD": counts, "TRORRES": text, "TRSTRESC": text}
        case str() if kind == "TARGET":
            test, millimetres = said.split()
            yield diameter(test, float(millimetres))
        case _:
            text = "NOT EVALUABLE" if said == NOT_EVALUABLE else said
            yield {"TRTESTCD": "TUMSTATE", "TRORRES": text, "TRSTRESC": text}


def diameter(test: str, millimetres: float) -> dict[str, Any]:
    text = f"{millimetres:g}"
    number = {"TRORRES": text, "TRORRESU": "mm", "TRSTRESC": text, "TRSTRESU": "mm"}
    return {"TRTESTCD": test, "TRSTRESN": float(millimetres), **number}


def subject(patient: Patient) -> dict[str, Any]:
    """One row of ADSL, as it was known at the cutoff."""
    told = patient.tables
    death = known_by(patient.cutoff, told.get("death"))
    return {
        "STUDYID": "HAND",
        "USUBJID": patient.usubjid,
        "SUBJID": patient.name,
        "SITEID": "01",
        "RANDDT": told["reference"],
        "TRTSDT": told["reference"],
        "DTHDT": death,
        "DTHFL": None if death is None else "Y",
        "LSTALVDT": patient.last_alive(),
        "NACTDT": known_by(patient.cutoff, told.get("new_therapy")),
        "CUTDT": told.get("cutoff"),
        "FASFL": "Y",
        **dict.fromkeys(("ARM", "ARMCD", "TRT01P", "TRT01A"), "LU"),
    }


SCHEMAS = {
    "TU": pl.Schema(
        {
            **dict.fromkeys(("STUDYID", "DOMAIN", "USUBJID", "VISIT"), pl.String),
            **dict.fromkeys(("TUTESTCD", "TUSTRESC", "TULNKID", "TUGRPID"), pl.String),
            **dict.fromkeys(("TULOC", "TUEVAL", "TUDTC"), pl.String),
            **{"TUSEQ": pl.Int64, "VISITNUM": pl.Float64},
        }
    ),
    "TR": pl.Schema(
        {
            **dict.fromkeys(("STUDYID", "DOMAIN", "USUBJID", "VISIT"), pl.String),
            **dict.fromkeys(("TRTESTCD", "TRLNKID", "TRGRPID", "TREVAL", "TRDTC"), pl.String),
            **dict.fromkeys(("TRORRES", "TRORRESU", "TRSTRESC", "TRSTRESU"), pl.String),
            **dict.fromkeys(("TRSTAT", "TRREASND"), pl.String),
            **{"TRSEQ": pl.Int64, "VISITNUM": pl.Float64, "TRSTRESN": pl.Float64},
        }
    ),
    "ADSL": pl.Schema(
        {
            **dict.fromkeys(("STUDYID", "USUBJID", "SUBJID", "SITEID"), pl.String),
            **dict.fromkeys(("ARM", "ARMCD", "TRT01P", "TRT01A"), pl.String),
            **dict.fromkeys(("FASFL", "DTHFL"), pl.String),
            **dict.fromkeys(("RANDDT", "TRTSDT", "DTHDT", "LSTALVDT"), pl.Date),
            **dict.fromkeys(("NACTDT", "CUTDT"), pl.Date),
        }
    ),
}


def sdtm(domain: str, patient: Patient) -> list[dict[str, Any]]:
    rows = identified(patient) if domain == "TU" else measured(patient)
    known = (row for row in rows if row[f"{domain}DTC"] <= str(patient.cutoff))
    own = {"STUDYID": "HAND", "DOMAIN": domain}
    return [own | row | {f"{domain}SEQ": number} for number, row in enumerate(known, 1)]


# -- deriving and comparing -------------------------------------------------------------------


def protocol(policies: dict[str, Any]) -> Protocol:
    """Read the trial that every subject is in, but for the policies of a file."""
    document = tomllib.loads((FOLDER / "trial.toml").read_text(encoding="utf-8"))
    document["response"] = {key: said for key, said in policies.items() if key != "censoring"}
    document["censoring"][0] |= policies.get("censoring", {})
    return parse_protocol(document, name="trial.toml")


def derive(patients: tuple[Patient, ...]) -> dict[str, pl.DataFrame]:
    """Put subjects who share their policies through lesions, responses and times."""
    plan = protocol(patients[0].tables.get("policies", {}))
    tu_rows, tr_rows = (
        pl.DataFrame(
            [row for patient in patients for row in sdtm(domain, patient)], SCHEMAS[domain]
        )
        for domain in ("TU", "TR")
    )
    adsl = pl.DataFrame(list(map(subject, patients)), SCHEMAS["ADSL"])
    adrs = derive_adrs(tr_rows, tu_rows, None, adsl, protocol=plan)
    return {
        "ADTR": derive_adtr(tr_rows, tu_rows, adsl, protocol=plan),
        "ADRS": adrs,
        "ADTTE": derive_adtte(adsl, adrs, None, protocol=plan),
    }


@cache
def derived(policies: str) -> dict[str, pl.DataFrame]:
    return derive(tuple(patient for patient in JUDGED if patient.policies() == policies))


def found(frame: pl.DataFrame, column: str, **where: str) -> list[Any]:
    """Values of `column` in the records that match; none found is an empty list."""
    return frame.filter(**where)[column].to_list()


def same(expected: Any, values: list[Any]) -> bool:
    """Whether there is exactly one record and it holds what the file expects."""
    if len(values) != 1 or values[0] is None:
        return False
    value = values[0]
    if isinstance(expected, bool):
        return bool(value == "Y") is expected
    if isinstance(expected, float | int):
        return abs(value - expected) < 0.006  # files give percentages to two decimals
    return bool(str(value) == str(expected))


def differences(patient: Patient, frames: dict[str, pl.DataFrame]) -> list[str]:
    """Compare every expectation of a file with what was derived; one line a difference."""
    lines: list[str] = []
    told = patient.tables
    own = {name: frame.filter(USUBJID=patient.usubjid) for name, frame in frames.items()}

    def compare(what: str, expected: Any, values: list[Any]) -> None:
        if not same(expected, values):
            lines.append(f"{what}: expected {expected}, derived {values or 'nothing'}")

    for reader, _, visits in patient.evaluations():
        for visit in visits:
            for key, expected in visit.get("expect", {}).items():
                dataset, parameter, column = AT_VISIT[key]
                where = {"PARAMCD": parameter + SUFFIX[reader], "AVISIT": visit["visit"]}
                values = found(own[dataset], column, **where)
                compare(f"{reader} {visit['visit']} {key}", expected, values)
    for reader, expect in (
        (CENTRAL, told["expect"]),
        (LOCAL, told.get("investigator", {}).get("expect", {})),
    ):
        for key, expected in expect.items():
            if key in ENDPOINTS:
                lines += time_differences(key, expected, own["ADTTE"], SUFFIX[reader])
                continue
            dataset, parameter, column = AT_END[key]
            where = {"PARAMCD": parameter + SUFFIX[reader]}
            where |= {"ANL02FL": "Y"} if key == "best_change_percent" else {}
            compare(f"{reader} {key}", expected, found(own[dataset], column, **where))
    return lines


def time_differences(key: str, expected: Any, adtte: pl.DataFrame, suffix: str) -> list[str]:
    """Compare one time to event; "none" says that the subject has no such time."""
    parameter = ENDPOINTS[key] + suffix
    rows = adtte.filter(PARAMCD=parameter).select("AVAL", "CNSR").rows()
    if expected == "none":
        return [f"{parameter}: expected no record, derived {rows}"] if rows else []
    days, event, code = expected["days"], expected["event"], expected.get("code")
    if (
        len(rows) == 1
        and rows[0][0] == days
        and (rows[0][1] == 0) is event
        and code in (None, rows[0][1])
    ):
        return []
    return [f"{parameter}: expected {expected}, derived (AVAL, CNSR) {rows or 'nothing'}"]


@pytest.mark.parametrize("patient", JUDGED, ids=[patient.name for patient in JUDGED])
def test_patient(patient: Patient) -> None:
    lines = differences(patient, derived(patient.policies()))
    assert not lines, "\n".join([patient.tables["shows"], *lines, patient.tables["worked"]])


@pytest.mark.parametrize("patient", REFUSED, ids=[patient.name for patient in REFUSED])
def test_refused(patient: Patient) -> None:
    with pytest.raises(ValueError, match=f"(?i){patient.tables['expect']['refused']}") as refusal:
        derive((patient,))
    assert patient.usubjid in str(refusal.value)


def test_there_are_enough_of_them() -> None:
    numbers = [patient.name[:3] for patient in PATIENTS]
    assert len(set(numbers)) == len(numbers) >= 64


def test_every_file_expects_something() -> None:
    idle = [
        patient.name
        for patient in PATIENTS
        if not patient.tables["expect"] and not any("expect" in v for v in patient.tables["visits"])
    ]
    assert not idle


def test_the_index_names_every_file() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [patient.name for patient in PATIENTS if f"`{patient.name}`" not in index] == []
