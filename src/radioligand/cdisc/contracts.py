# SPDX-License-Identifier: Apache-2.0
"""What each dataset must hold: its columns and their types, its keys, and its rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from radioligand.cdisc import terms
from radioligand.cdisc.dates import is_iso8601, is_not_before
from radioligand.cdisc.rules import Rule, Severity
from radioligand.cdisc.terms import Contents, Kind, Variable

Need = Literal["required", "expected", "optional"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One variable of a dataset."""

    name: str
    kind: Kind
    need: Need
    label: str
    terms: tuple[str, ...] = ()  # the only ones it may hold, if any are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The contract of one dataset. Columns beyond it are welcome and kept."""

    name: str
    label: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]


def _shows(domain: str, *stems: str) -> tuple[str, ...]:
    """Return the identifying variables of a domain and those of the given stems."""
    return ("USUBJID", f"{domain}SEQ", *(s if s == "VISIT" else f"{domain}{s}" for s in stems))


def _is_one_of(variable: str, allowed: Iterable[str]) -> pl.Expr:
    return pl.col(variable).is_in(list(allowed)) | pl.col(variable).is_null()


def _null_or(result: str, then: pl.Expr) -> pl.Expr:
    return pl.col(result).is_null() | then


def _implies(condition: pl.Expr, then: pl.Expr) -> pl.Expr:
    return ~condition.fill_null(False) | then


def _ends_after_start(domain: str, severity: Severity) -> Rule:
    start, end = f"{domain}STDTC", f"{domain}ENDTC"
    return Rule(
        holds=is_not_before(pl.col(end), pl.col(start)),
        says=f"nothing ends before it starts ({start}, {end})",
        shows=("USUBJID", f"{domain}SEQ", start, end),
        mend="Query the site for the two dates.",
        severity=severity,
    )


def _has_unit(domain: str) -> Rule:
    number, unit = f"{domain}STRESN", f"{domain}STRESU"
    return Rule(
        holds=_null_or(number, pl.col(unit).is_not_null()),
        says=f"a numeric result has a unit ({unit})",
        shows=_shows(domain, "TESTCD", "STRESN", "STRESU"),
        mend="Give the unit when mapping; a ratio or a pH may stay without one.",
        severity="warning",
    )


def _has_dose_unit(domain: str) -> tuple[Rule, Rule]:
    dose, unit = f"{domain}DOSE", f"{domain}DOSU"
    shows = _shows(domain, "TRT", "DOSE", "DOSU")
    return (
        Rule(
            holds=_null_or(dose, pl.col(dose).is_between(0, 1e7)),
            says=f"a dose is not negative ({dose})",
            shows=shows,
            mend="Give 0 for an infusion that was not given, or leave the row out.",
        ),
        Rule(
            holds=_null_or(dose, pl.col(unit).is_in(terms.DOSE_UNITS)),
            says=f"a dose has a unit that CDISC knows ({unit}), such as GBq, MBq, mCi or mg",
            shows=shows,
            mend="Write the unit as in the CDISC codelist UNIT; it is never guessed here.",
        ),
    )


_diameter = pl.col("TRTESTCD").is_in(terms.DIAMETERS)
_length = (
    pl.col("TRTESTCD").is_in([*terms.DIAMETERS, *terms.SUMS]) & pl.col("TRSTRESN").is_not_null()
)
_response = pl.col("RSTESTCD").is_in(terms.RESPONSE_TESTS)
_irecist = pl.col("RSCAT").str.to_uppercase().str.contains("IRECIST", literal=True).fill_null(False)
_recist = (
    _response & ~_irecist & pl.col("RSCAT").fill_null("RECIST").str.contains("RECIST", literal=True)
)
_weight = pl.col("VSTESTCD") == "WEIGHT"
_height = pl.col("VSTESTCD") == "HEIGHT"

RULES: dict[str, tuple[Rule, ...]] = {
    "DM": (
        Rule(
            holds=_null_or("AGE", pl.col("AGE").is_between(0, 120)),
            says="an age lies between 0 and 120 years (AGE)",
            shows=("USUBJID", "AGE", "AGEU"),
            mend="Query the site.",
        ),
        Rule(
            holds=is_not_before(pl.col("RFSTDTC"), pl.col("BRTHDTC")),
            says="nobody is born after the reference start of the study (BRTHDTC, RFSTDTC)",
            shows=("USUBJID", "BRTHDTC", "RFSTDTC"),
            mend="Query the site for the two dates.",
        ),
        Rule(
            holds=is_not_before(pl.col("DTHDTC"), pl.col("RFSTDTC")),
            says="nobody dies before the reference start of the study (DTHDTC, RFSTDTC)",
            shows=("USUBJID", "RFSTDTC", "DTHDTC"),
            mend="Query the site for the two dates.",
        ),
        Rule(
            holds=(pl.col("DTHFL") == "Y").fill_null(False) == pl.col("DTHDTC").is_not_null(),
            says="who is flagged dead has a date of death, and nobody else (DTHFL, DTHDTC)",
            shows=("USUBJID", "DTHFL", "DTHDTC"),
            mend="Complete whichever is missing; a death without a date is not counted in time.",
            severity="warning",
        ),
    ),
    "SV": (_ends_after_start("SV", "warning"),),
    "EX": (*_has_dose_unit("EX"), _ends_after_start("EX", "error")),
    "EC": (*_has_dose_unit("EC"), _ends_after_start("EC", "error")),
    "AE": (_ends_after_start("AE", "warning"),),
    "CM": (_ends_after_start("CM", "warning"),),
    "PR": (_ends_after_start("PR", "warning"),),
    "MH": (_ends_after_start("MH", "warning"),),
    "LB": (
        _has_unit("LB"),
        Rule(
            holds=(pl.col("LBSTNRLO") <= pl.col("LBSTNRHI")).fill_null(True),
            says="a normal range starts below its end (LBSTNRLO, LBSTNRHI)",
            shows=_shows("LB", "TESTCD", "STNRLO", "STNRHI"),
            mend="Correct the range; grades depend on it.",
            severity="warning",
        ),
    ),
    "VS": (
        _has_unit("VS"),
        Rule(
            holds=_implies(_weight, _null_or("VSSTRESN", pl.col("VSSTRESU") == "kg"))
            & _implies(_height, _null_or("VSSTRESN", pl.col("VSSTRESU") == "cm")),
            says="weight is in kg and height in cm (VSSTRESU)",
            shows=_shows("VS", "TESTCD", "STRESN", "STRESU"),
            mend="Convert when mapping to SDTM; a unit is never guessed here.",
        ),
    ),
    "TU": (
        Rule(
            holds=_implies(
                pl.col("TUTESTCD") == "TUMIDENT",
                _is_one_of("TUSTRESC", (*terms.LESIONS, *terms.NOT_DISEASE)),
            ),
            says=f"a lesion is identified as one of {', '.join(terms.LESIONS)} (TUSTRESC)",
            shows=_shows("TU", "LNKID", "TESTCD", "STRESC"),
            mend="Write the term as in the CDISC codelist TUIDRS.",
        ),
    ),
    "TR": (
        Rule(
            holds=_implies(_length, pl.col("TRSTRESU") == "mm"),
            says="every lesion diameter is in millimetres (TRSTRESU)",
            shows=_shows("TR", "TESTCD", "STRESN", "STRESU"),
            mend="Convert when mapping to SDTM; the unit of a length is never guessed here.",
        ),
        Rule(
            holds=_implies(_diameter, _null_or("TRSTRESN", pl.col("TRSTRESN").is_between(0, 500))),
            says="a diameter lies between 0 and 500 mm (TRSTRESN)",
            shows=_shows("TR", "TESTCD", "STRESN"),
            mend="Query the site, or set it null with TRSTAT = 'NOT DONE'.",
        ),
        Rule(
            holds=_implies(
                pl.col("TRTESTCD") == "TUMSTATE", _is_one_of("TRSTRESC", terms.LESION_STATES)
            ),
            says="the state of a lesion is a known term, such as PRESENT or ABSENT (TRSTRESC)",
            shows=_shows("TR", "TESTCD", "STRESC"),
            mend="Write the term as in CDISC Controlled Terminology.",
        ),
        Rule(
            holds=_implies(pl.col("TRSTAT") == "NOT DONE", pl.col("TRSTRESN").is_null()),
            says="what was not done has no result (TRSTAT, TRSTRESN)",
            shows=_shows("TR", "TESTCD", "STAT", "STRESN"),
            mend="Remove the result, or the status.",
        ),
    ),
    "RS": (
        Rule(
            holds=_implies(_recist, _is_one_of("RSSTRESC", terms.RECIST_RESPONSES)),
            says=f"a response is one of {', '.join(terms.RECIST_RESPONSES)} (RSSTRESC)",
            shows=_shows("RS", "VISIT", "TESTCD", "STRESC"),
            mend="Query the reader: a response that needs a check is not a response.",
        ),
        Rule(
            holds=_implies(
                _response & _irecist,
                _is_one_of("RSSTRESC", (*terms.RECIST_RESPONSES, *terms.IRECIST_RESPONSES)),
            ),
            says=f"iRECIST knows also {', '.join(terms.IRECIST_RESPONSES)} (RSSTRESC)",
            shows=_shows("RS", "VISIT", "TESTCD", "STRESC"),
            mend="Query the reader: a response that needs a check is not a response.",
        ),
        Rule(
            holds=_implies(
                pl.col("RSTESTCD").is_in(["NEWLPROG", "NEWLIND"]),
                _is_one_of("RSSTRESC", terms.NEW_LESION_RESULTS),
            ),
            says="a new lesion is equivocal or unequivocal (RSSTRESC)",
            shows=_shows("RS", "VISIT", "TESTCD", "STRESC"),
            mend="Write EQUIVOCAL or UNEQUIVOCAL.",
        ),
    ),
    "ADTTE": (
        Rule(
            holds=pl.col("CNSR").is_not_null()
            & (pl.col("CNSR") >= 0)
            & pl.col("AVAL").is_not_null(),
            says="every time to event has a length (AVAL) and a censoring code of 0 or more (CNSR)",
            shows=("USUBJID", "PARAMCD", "AVAL", "CNSR"),
            mend="Leave out a subject who has no such time, rather than the time.",
        ),
        Rule(
            holds=(pl.col("ADT") >= pl.col("STARTDT")).fill_null(True) & (pl.col("AVAL") >= 0),
            says="no time to event ends before its origin (STARTDT, ADT, AVAL)",
            shows=("USUBJID", "PARAMCD", "STARTDT", "ADT", "AVAL"),
            mend="The source date lies before the origin: look at it in SDTM.",
        ),
    ),
}

# --- the contracts, made from the tables ----------------------------------------------------------

ENDINGS: tuple[tuple[str, Kind], ...] = (
    ("DTF", "text"),
    ("FL", "text"),
    ("GR1", "text"),
    ("GR2", "text"),
    ("GR1N", "number"),
    ("GR2N", "number"),
    ("DTM", "datetime"),
    ("DTC", "iso"),
    ("DT", "date"),
    ("TM", "time"),
    ("DY", "whole"),
    ("SEQ", "whole"),
)


def variable_of(dataset: str, name: str) -> Variable | None:
    """Return kind and label of a variable by its name, as CDISC gives names a meaning.

    None for a variable that the guides do not name. In ADaM the variables of any SDTM domain may
    stand beside its own, and the last letters of a name tell a date (DT), a date and time (DTM),
    a time (TM), a day (DY), a number in sequence (SEQ), groups (GR1, GR1N) and flags (FL, DTF).
    """
    in_adam = dataset.startswith("AD")
    known = terms.SDTM_VARIABLES.get(name)
    if known is None and (in_adam or name[:2] == dataset[:2]):
        known = terms.SDTM_VARIABLES.get(f"--{name[2:]}")
    if in_adam:
        known = terms.ADAM_VARIABLES.get(name) or known
        ending = next((kind for letters, kind in ENDINGS if name.endswith(letters)), None)
        return known or (Variable(ending, name) if ending else None)
    return known or (Variable("iso", name) if name.endswith("DTC") else None)


def _column(dataset: str, name: str, need: Need) -> Column:
    variable = variable_of(dataset, name)
    if variable is None:
        raise LookupError(f"{dataset} lists {name}, which no table of variables describes")
    allowed = terms.TERMS.get(name, ())
    return Column(name=name, kind=variable.kind, need=need, label=variable.label, terms=allowed)


def _dataset(contents: Contents, common: tuple[str, ...]) -> Dataset:
    name, keys, optional = contents.name, contents.keys.split(), contents.optional.split()
    required = [key for key in keys if key not in optional] + contents.required.split()
    expected = [each for each in (*common, *contents.expected.split()) if each not in keys]
    needs: dict[str, Need] = dict.fromkeys(required, "required")
    needs |= dict.fromkeys(expected, "expected")
    needs |= dict.fromkeys(optional, "optional")
    unique = Rule(
        holds=~pl.struct(keys).is_duplicated(),
        says=f"no two rows have the same {' and '.join(keys)}",
        shows=tuple(keys),
        mend="Remove the copy, or number the records of each subject.",
    )
    never_blank = [
        Rule(
            holds=pl.col(key).is_not_null(),
            says=f"{key} is never blank",
            shows=tuple(keys),
            mend="Fill it in; without it the row belongs to nobody.",
        )
        for key in keys
        if needs[key] == "required"
    ]
    own_name = [
        Rule(
            holds=_is_one_of("DOMAIN", [name]),
            says=f"the rows belong to {name} (DOMAIN)",
            shows=(*keys, "DOMAIN"),
            mend="Name the file after the domain it holds.",
        )
    ]
    if "DOMAIN" not in needs:  # ADaM keeps the DOMAIN of its source
        own_name = []
    return Dataset(
        name=name,
        label=contents.label,
        keys=tuple(keys),
        columns=tuple(_column(name, each, need) for each, need in needs.items()),
        rules=(*never_blank, unique, *own_name, *RULES.get(name, ())),
    )


SDTM: dict[str, Dataset] = {
    each.name: _dataset(each, ("STUDYID", "DOMAIN")) for each in terms.SDTM_DATASETS
}
ADAM: dict[str, Dataset] = {each.name: _dataset(each, ("STUDYID",)) for each in terms.ADAM_DATASETS}
CONTRACTS = SDTM | ADAM


def is_sdtm(dataset: str) -> bool:
    """Return whether a dataset is one of the SDTM, with a contract here or not."""
    return dataset in SDTM or dataset in terms.OTHER_SDTM or dataset.startswith("SUPP")


def is_known(dataset: str) -> bool:
    """Return whether a dataset is one of the SDTM, or an ADaM dataset with a contract here."""
    return is_sdtm(dataset) or dataset in ADAM


def value_rules(contract: Dataset, columns: Iterable[str]) -> list[Rule]:
    """Return the rules that the columns present bring with them: dates and controlled terms."""
    rules = []
    for name in columns:
        variable = variable_of(contract.name, name)
        if variable and variable.kind == "iso":
            rules.append(
                Rule(
                    holds=pl.col(name).is_null() | is_iso8601(pl.col(name)),
                    says=f"a date is written as in ISO 8601 and is on the calendar ({name})",
                    shows=(*contract.keys, name),
                    mend="Write 2024-03-09 or, as far as it is known, 2024-03 or 2024.",
                )
            )
        allowed = terms.TERMS.get(name, ())
        if contract.name in ADAM and name.endswith("FL"):
            allowed = terms.NO_YES
        if allowed:
            rules.append(
                Rule(
                    holds=_is_one_of(name, allowed),
                    says=f"{name} is blank or one of {', '.join(allowed)}",
                    shows=(*contract.keys, name),
                    mend="Write the CDISC term, in upper case.",
                )
            )
    return rules
