# SPDX-License-Identifier: Apache-2.0
"""Holds a whole study against its contracts: each dataset, and what they say of each other."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import polars as pl

from radioligand.cdisc.columns import DTYPES, SAYS
from radioligand.cdisc.contracts import (
    ADAM,
    CONTRACTS,
    SDTM,
    Column,
    Need,
    is_known,
    value_rules,
    variable_of,
)
from radioligand.cdisc.dates import is_not_before
from radioligand.cdisc.rules import Rule, find, found, refuse, together


class Study(NamedTuple):
    """Datasets by name, and what was found while they were made ready (columns of FINDINGS)."""

    frames: dict[str, pl.DataFrame]
    findings: pl.DataFrame


def _absent(frame: pl.DataFrame, dataset: str, columns: tuple[Column, ...]) -> pl.DataFrame:
    def named(need: Need) -> str:
        absent = [each for each in columns if each.need == need and each.name not in frame.columns]
        return ", ".join(f"{each.name} ({each.label})" for each in absent)

    findings = []
    if names := named("required"):
        findings.append(found(dataset, f"lacks {names}", "Add it when mapping."))
    if names := named("expected"):
        mend = "What needs it is left out."
        findings.append(found(dataset, f"lacks {names}", mend, severity="warning"))
    return together(findings)


def _mistyped(frame: pl.DataFrame, dataset: str) -> dict[str, str]:
    """Return what columns should be that are of another type, by their names."""
    wrong = {}
    for name, dtype in frame.schema.items():
        variable = variable_of(dataset, name)
        if variable and dtype != DTYPES[variable.kind]:
            numeric = variable.kind in ("whole", "number") and dtype.is_numeric()
            if not numeric:
                wrong[name] = f"{name} is {SAYS[variable.kind]}, but the column is {dtype}"
    return wrong


def check_dataset(frame: pl.DataFrame, *, dataset: str) -> pl.DataFrame:
    """Return what `frame` breaks of the contract of `dataset`; raises nothing.

    Columns of a wrong type are a finding, and the rules about them are not asked; `conform` makes
    the types right. A dataset without a contract breaks nothing.
    """
    contract = CONTRACTS.get(dataset)
    if contract is None:
        return together([])
    wrong = _mistyped(frame, dataset)
    mend = "Read the file with read_dataset, or give the frame to conform."
    mistyped = [found(dataset, says, mend) for says in wrong.values()]
    blank = {
        each.name: pl.lit(None, DTYPES[each.kind])
        for each in contract.columns
        if each.need != "required" and each.name not in frame.columns
    }
    rules = (*contract.rules, *value_rules(contract, frame.columns))
    broken = find(frame.drop(wrong).with_columns(**blank), dataset=dataset, rules=rules)
    return together([*mistyped, _absent(frame, dataset, contract.columns), broken])


def _subjects(frames: Mapping[str, pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Return subjects that the roll of subjects, DM or in ADaM ADSL, does not know."""
    roll = "DM" if "DM" in frames else "ADSL"
    if roll not in frames or "USUBJID" not in frames[roll].columns:
        return
    known = frames[roll]["USUBJID"].unique().implode()
    for name, frame in frames.items():
        if name != roll and name in CONTRACTS and "USUBJID" in frame.columns:
            enrolled = Rule(
                holds=pl.col("USUBJID").is_in(known) | pl.col("USUBJID").is_null(),
                says=f"every subject is in {roll} (USUBJID)",
                shows=("USUBJID", f"{name}SEQ"),
                mend=f"Add the subject to {roll}, or correct the identifier.",
            )
            yield find(frame, dataset=name, rules=[enrolled])


def _lifetimes(frames: Mapping[str, pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Return observations before a subject's birth or after the death."""
    born_and_died = ["USUBJID", "BRTHDTC", "DTHDTC"]
    if "DM" not in frames or "USUBJID" not in frames["DM"].columns:
        return
    life = frames["DM"].select(name for name in born_and_died if name in frames["DM"].columns)
    life = life.unique("USUBJID", keep="first", maintain_order=True)
    for name, variable in OBSERVED.items():
        seen = pl.col(variable)
        if name not in frames or not {"USUBJID", variable} <= set(frames[name].columns):
            continue
        keys = [key for key in (*SDTM[name].keys, variable) if key in frames[name].columns]
        rows = frames[name].select(keys).join(life, on="USUBJID", how="left")
        alive = (
            Rule(
                holds=is_not_before(seen, pl.col("BRTHDTC")),
                says=f"nobody is observed before birth ({variable}, BRTHDTC)",
                shows=(*keys, "BRTHDTC"),
                mend="Query the site for the two dates.",
                severity="warning",
            ),
            Rule(
                holds=is_not_before(pl.col("DTHDTC"), seen),
                says=f"nobody is observed after death ({variable}, DTHDTC)",
                shows=(*keys, "DTHDTC"),
                mend="Query the site for the two dates.",
                severity="warning",
            ),
        )
        yield find(rows, dataset=name, rules=alive)


def _lesions(frames: Mapping[str, pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Return measurements of lesions that TU does not identify."""
    lesion = ["USUBJID", "TULNKID"]
    measured = ["USUBJID", "TRLNKID"]
    if not {"TU", "TR"} <= frames.keys():
        return
    if not ({*lesion} <= set(frames["TU"].columns) and {*measured} <= set(frames["TR"].columns)):
        return
    identified = frames["TU"].select(lesion).unique().with_columns(IDENTIFIED=pl.lit(True))
    shows = [name for name in ("USUBJID", "TRSEQ", "TRLNKID") if name in frames["TR"].columns]
    rows = frames["TR"].select(shows)
    rows = rows.join(identified, left_on=measured, right_on=lesion, how="left")
    rule = Rule(
        holds=pl.col("TRLNKID").is_null() | pl.col("IDENTIFIED"),
        says="every measured lesion is identified in TU (TRLNKID, TULNKID)",
        shows=tuple(shows),
        mend="Add the lesion to TU, or correct the link; an unknown lesion counts in no sum.",
        severity="warning",
    )
    yield find(rows, dataset="TR", rules=[rule])


# The date by which an observation is held against birth and death.
OBSERVED = {
    "EX": "EXSTDTC",
    "EC": "ECSTDTC",
    "AE": "AESTDTC",
    "LB": "LBDTC",
    "VS": "VSDTC",
    "TU": "TUDTC",
    "TR": "TRDTC",
    "RS": "RSDTC",
    "QS": "QSDTC",
    "XA": "XADTC",
}


def find_study(frames: Mapping[str, pl.DataFrame], *, unread: Collection[str] = ()) -> pl.DataFrame:
    """Return all that a study breaks, of each contract and between datasets; raises nothing.

    unread : datasets that exist, although they could not be read; nobody needs to add them.
    """
    findings = []
    if "DM" not in (*frames, *unread) and not (frames and frames.keys() <= ADAM.keys()):
        mend = "Add Demographics; every other dataset refers to it."
        findings.append(found("DM", "the dataset is in the study", mend))
    for name, frame in frames.items():
        if not is_known(name):
            mend = "It is kept as it is; nothing is derived from it."
            says = "the dataset is one that we know"
            findings.append(found(name, says, mend, severity="warning"))
        findings.append(check_dataset(frame, dataset=name))
    sound = {name: frame.drop(_mistyped(frame, name)) for name, frame in frames.items()}
    return together([*findings, *_subjects(sound), *_lifetimes(sound), *_lesions(sound)])


def check_study(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Hold a study against every contract; return its warnings, one finding a row (FINDINGS).

    Raises one DatasetError that tells of everything that stops the work, and of the warnings too.
    """
    return refuse(find_study(frames))
