"""A trial of two arms as a document, small ADaM frames, and a way to ask the results frame."""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pytest

from radioligand.analysis import analyse
from radioligand.protocol import Protocol, parse_protocol

RANDOMISED = date(2021, 1, 1)
KEYS = ("arm", "variable", "level", "subject", "time_days")

DOCUMENT = {
    "document": 1,
    "trial": {
        "id": "small",
        "name": "SMALL",
        "title": "A small trial",
        "registry": "NCT00000000",
        "phase": 3,
        "design": "randomised",
    },
    "arms": [
        {
            "id": "LU",
            "label": "Lutetium",
            "short": "Lu",
            "ratio": 2,
            "role": "experimental",
            "treatments": [
                {"name": "177LU", "amount": 7.4, "unit": "GBq", "route": "IV", "cycles": 4},
                {"name": "OCTREOTIDE", "amount": 30.0, "unit": "mg", "route": "IM"},
            ],
        },
        {
            "id": "CONTROL",
            "label": "Control",
            "short": "Ctl",
            "ratio": 1,
            "role": "control",
            "treatments": [{"name": "OCTREOTIDE", "amount": 60.0, "unit": "mg", "route": "IM"}],
        },
    ],
    "randomisation": {
        "method": "permuted blocks",
        "block_size": 6,
        "entries_per_stratum": 60,
        "strata": [
            {
                "id": "STRGRADE",
                "label": "Grade",
                "levels": [{"id": "2", "label": "2"}, {"id": "3", "label": "3"}],
            },
            {
                "id": "STRORIG",
                "label": "Origin",
                "levels": [{"id": "PANCREAS", "label": "P"}, {"id": "OTHER", "label": "O"}],
            },
        ],
    },
    "data": {
        "randomised": {"dataset": "DS", "date": "DSSTDTC"},
        "first_treatment": {"dataset": "EX", "date": "EXSTDTC"},
        "last_treatment": {"dataset": "EX", "date": "EXSTDTC"},
        "death": {"dataset": "DM", "date": "DTHDTC"},
    },
    "variables": [
        {
            "name": "SITE",
            "label": "Primary site",
            "type": "text",
            "recode_of": "PRIMSITE",
            "recode": {"PANCREAS": "Pancreas", "RECTUM": "Rectum"},
            "other": "Other",
            "order": ["Pancreas", "Rectum", "Other"],
        },
        {"name": "PRIMSITE", "label": "Site", "type": "text", "field": "primary_site"},
        {"name": "KI67", "label": "Ki-67", "type": "number", "unit": "%", "field": "ki67"},
        {"name": "METBONE", "label": "Bone", "type": "flag", "field": "metastases_bone"},
    ],
    "populations": [
        {
            "id": "full-analysis",
            "flag": "FASFL",
            "label": "Full analysis set",
            "holds": {"field": "RANDDT", "known": True},
            "analysed_as": "randomised",
        },
        {
            "id": "safety",
            "flag": "SAFFL",
            "label": "Safety set",
            "holds": {"field": "TRTSDT", "known": True},
            "analysed_as": "treated",
        },
        {
            "id": "screened",
            "flag": "SCRNFL",
            "label": "Screened",
            "holds": {"field": "RFICDT", "known": True},
            "analysed_as": "randomised",
        },
    ],
    "evaluations": [
        {
            "id": "central",
            "label": "Central",
            "suffix": "",
            "where": {"EVAL": "INDEPENDENT ASSESSOR"},
            "governs": True,
        },
        {
            "id": "local",
            "label": "Investigator",
            "suffix": "I",
            "where": {"EVAL": "INVESTIGATOR"},
        },
    ],
    "endpoints": [
        {
            "id": name,
            "label": name,
            "start": {"says": "Randomisation", "dataset": "ADSL", "date": "RANDDT"},
            "events": [{"says": "Death", "dataset": "ADSL", "date": "DTHDT"}],
            "censors": [
                {"says": "Alive", "because": "Alive", "dataset": "ADSL", "date": "LSTALVDT"}
            ],
            **({"evaluation": evaluation} if evaluation else {}),
        }
        for name, evaluation in (("PFS", "central"), ("PFSI", "local"), ("OS", None))
    ],
    "crossover": [{"from": "CONTROL", "to": "LU", "after": "progression"}],
}


@dataclass(frozen=True)
class Results:
    """The results frame, asked by its keys; a key left out must be null."""

    frame: pl.DataFrame

    def row(self, statistic: str, **keys: object) -> dict[str, object]:
        asked = {name: keys.get(name) for name in KEYS}
        found = self.frame.filter(
            pl.col("statistic") == statistic,
            *(pl.col(name).eq_missing(pl.lit(value)) for name, value in asked.items()),
        )
        assert found.height == 1, f"{found.height} rows are {statistic} of {keys}"
        return found.to_dicts()[0]

    def value(self, statistic: str, **keys: object) -> object:
        return self.row(statistic, **keys)["value"]

    def text(self, statistic: str, **keys: object) -> object:
        return self.row(statistic, **keys)["text"]

    def triple(self, statistic: str, **keys: object) -> tuple[object, ...]:
        return tuple(self.value(statistic + end, **keys) for end in ("", "_lower", "_upper"))

    def of(self, statistic: str, **keys: object) -> pl.DataFrame:
        return self.frame.filter(
            pl.col("statistic") == statistic, *(pl.col(k) == v for k, v in keys.items())
        )


@pytest.fixture(scope="session")
def protocol_of():
    """Build the protocol of these analyses; keywords replace tables of the document."""

    def build(*analyses: dict, **tables: object) -> Protocol:
        common = {"title": "An analysis", "section": "All", "population": "full-analysis"}
        listed = [{**common, "id": each["kind"].replace(" ", "-"), **each} for each in analyses]
        return parse_protocol({**DOCUMENT, **tables, "analyses": listed})

    return build


@pytest.fixture(scope="session")
def results_of(protocol_of):
    """Analyse ADaM frames by these analyses."""

    def build(adam: dict[str, pl.DataFrame], *analyses: dict, **tables: object) -> Results:
        return Results(analyse(adam, protocol=protocol_of(*analyses, **tables)))

    return build


@pytest.fixture(scope="session")
def subjects():
    """Build ADSL of subjects named 001, 002, ...; `arms` are their arms, the rest are columns."""

    def build(arms: list[str | None], **columns: list) -> pl.DataFrame:
        known = {
            "USUBJID": [f"{number:03}" for number in range(1, len(arms) + 1)],
            "TRT01P": arms,
            "TRT01A": arms,
            "RANDDT": [RANDOMISED if arm else None for arm in arms],
            "CUTDT": [RANDOMISED + timedelta(days=365)] * len(arms),
            "FASFL": ["Y" if arm else "N" for arm in arms],
            "SAFFL": ["Y" if arm else "N" for arm in arms],
            "SCRNFL": ["Y"] * len(arms),
            "STRGRADE": ["2"] * len(arms),
            "STRORIG": ["OTHER"] * len(arms),
        }
        return pl.DataFrame(known | columns)

    return build


@pytest.fixture(scope="session")
def times():
    """Build ADTTE of one endpoint for the subjects of ADSL, in its order."""

    def build(
        adsl: pl.DataFrame, days: list[int | None], events: list[bool], name: str = "PFS"
    ) -> pl.DataFrame:
        schema = {"USUBJID": pl.String, "PARAMCD": pl.String, "AVAL": pl.Float64, "CNSR": pl.Int64}
        codes = [0 if event else 1 for event in events]
        rows = zip(adsl["USUBJID"], [name] * len(days), days, codes, strict=True)
        return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(
            EVNTDESC=pl.when(pl.col("CNSR") == 0).then(pl.lit("Death")),
            CNSDTDSC=pl.when(pl.col("CNSR") == 1).then(pl.lit("Alive")),
        )

    return build


@pytest.fixture(scope="session")
def dated():
    """Build ADTTE with dates: (USUBJID, days after randomisation, event), first day counted."""

    def build(*rows: tuple[str, int, bool], name: str = "PFSI") -> pl.DataFrame:
        ends = [RANDOMISED + timedelta(days=day) for _, day, _ in rows]
        return pl.DataFrame(
            {
                "USUBJID": [subject for subject, _, _ in rows],
                "PARAMCD": name,
                "STARTDT": RANDOMISED,
                "ADT": ends,
                "AVAL": [float(day + 1) for _, day, _ in rows],
                "CNSR": [0 if event else 1 for _, _, event in rows],
            },
            schema_overrides={"STARTDT": pl.Date, "ADT": pl.Date, "CNSR": pl.Int64},
        )

    return build


@pytest.fixture(scope="session")
def scans():
    """Build ADTR of the local reading: (USUBJID, day, change in percent); the visit is the day."""

    def build(*rows: tuple[str, int, float]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "USUBJID": [subject for subject, _, _ in rows],
                "PARAMCD": "SDIAMI",
                "ADT": [RANDOMISED + timedelta(days=day) for _, day, _ in rows],
                "VISIT": [f"DAY {day}" for _, day, _ in rows],
                "VISITNUM": [float(day) for _, day, _ in rows],
                "PCHG": [float(change) for _, _, change in rows],
                "ANL01FL": "Y",
            }
        )

    return build


@pytest.fixture(scope="session")
def responses():
    """Build ADRS of the local reading: (USUBJID, parameter without suffix, day, answer).

    A visit is the day; a parameter of the subject has none. Flags are Y but for an answer that
    ends in "*", which does not count for best response.
    """

    def build(*rows: tuple[str, str, int | None, str]) -> pl.DataFrame:
        def known(day: int | None) -> date | None:
            return None if day is None else RANDOMISED + timedelta(days=day)

        return pl.DataFrame(
            {
                "USUBJID": [subject for subject, _, _, _ in rows],
                "PARAMCD": [f"{name}I" for _, name, _, _ in rows],
                "ADT": [known(day) for _, _, day, _ in rows],
                "VISIT": [None if day is None else f"DAY {day}" for _, _, day, _ in rows],
                "VISITNUM": [None if day is None else float(day) for _, _, day, _ in rows],
                "AVALC": [answer.removesuffix("*") for *_, answer in rows],
                "ANL01FL": "Y",
                "ANL02FL": [None if answer.endswith("*") else "Y" for *_, answer in rows],
            },
            schema_overrides={
                "ADT": pl.Date,
                "VISIT": pl.String,
                "VISITNUM": pl.Float64,
                "ANL02FL": pl.String,
            },
        )

    return build
