# SPDX-License-Identifier: Apache-2.0
"""Every statement on patients written from its source: they pass, and every mutation is caught.

The format is told in `patients/guidance/README.md`.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from radioligand.advice import patient_of, read_library
from radioligand.criteria import Comparison, Condition, comparisons, met
from radioligand.guidance import read_patient
from radioligand.guidance.evaluation import kleene

FOLDER = Path(__file__).parents[1] / "patients" / "guidance"
LIBRARY = read_library()
STATEMENTS = {one.id: one for one in LIBRARY.guidelines.statements}
VERDICTS = {"holds": True, "fails": False, "opens": None}
DATES = {"assessment_date": "2025-11-01"}
FOUND = "2025-10-15"  # the day of findings that age, unless a case says otherwise
AGEING = {one.name for one in LIBRARY.guidelines.fields if one.window_days is not None}


class Case(NamedTuple):
    """One patient, and whether the statement applies (None: nobody can tell)."""

    form: dict[str, object]
    expected: bool | None


def documents() -> dict[str, dict]:
    paths = (path for path in FOLDER.glob("*.toml") if path.stem != "shared")
    read = [tomllib.loads(path.read_text("utf-8")) for path in sorted(paths)]
    ids = [name for document in read for name in document]
    assert len(ids) == len(set(ids)), "a statement has two tables of cases"
    return {name: table for document in read for name, table in document.items()}


GOLDEN = documents()
SHARED = tomllib.loads((FOLDER / "shared.toml").read_text("utf-8"))


def changes(entry: object, *, without: bool) -> Iterator[dict[str, object]]:
    """What an entry changes; a list stands for one patient each, "" for unknown."""
    if isinstance(entry, str):
        if without:
            yield {entry: ""}
            return
        entry = SHARED[entry]
    lists = [value if isinstance(value, list) else [value] for value in entry.values()]
    for values in product(*lists):
        yield dict(zip(entry, values))


@cache
def cases(statement: str) -> list[Case]:
    table = GOLDEN[statement]
    assert set(table) <= {"worked", "patient", *VERDICTS}
    found = [Case(table["patient"], True)]
    for key, expected in VERDICTS.items():
        for entry in table.get(key, ()):
            for change in changes(entry, without=key == "opens"):
                found.append(Case(table["patient"] | change, expected))
    return found


@cache
def frame_of(statement: str) -> pl.DataFrame:
    rows, is_trial = [], STATEMENTS[statement].trial is not None
    for case in cases(statement):
        known = {name: value for name, value in case.form.items() if value != ""}
        dated = {f"{name}_date": FOUND for name in known if name in AGEING}
        form = DATES | dated | known
        rows.append(
            patient_of(form, library=LIBRARY)
            if is_trial
            else read_patient(form, guidelines=LIBRARY.guidelines)
        )
    return pl.concat(rows, how="diagonal")


def judged(statement: str, condition: Condition) -> list[bool | None]:
    return frame_of(statement).select(holds=met(condition))["holds"].to_list()


def test_every_statement_has_patients_that_meet_it_do_not_and_leave_it_open():
    assert set(GOLDEN) == set(STATEMENTS)
    for name in GOLDEN:
        assert {case.expected for case in cases(name)} == {True, False, None}, name


@pytest.mark.by_hand
@pytest.mark.parametrize("name", GOLDEN)
def test_patients_worked_from_the_source(name):
    expected = [case.expected for case in cases(name)]
    found = judged(name, STATEMENTS[name].when)

    wrong = [
        (case.form, answer) for case, answer in zip(cases(name), found) if answer != case.expected
    ]
    assert wrong == []
    assert len(found) == len(expected)


# -- mutation: whatever is changed in a condition, a patient notices ------------------------------

NEARBY = {"at_least": "above", "above": "at_least", "at_most": "below", "below": "at_most"}
ALWAYS = Comparison(field="USUBJID", operator="known", value=False)  # of forms without a subject
OWN = [one.id for one in STATEMENTS.values() if one.trial is None]


def survivors(name: str, mutants: list[tuple[Comparison, Comparison]]) -> list[Comparison]:
    """The mutants, each in the place of its comparison, that no case of a statement notices."""
    condition = STATEMENTS[name].when
    terms = list(dict.fromkeys([*comparisons(condition), *(new for _, new in mutants)]))
    frame = frame_of(name).select(**{str(place): met(one) for place, one in enumerate(terms)})
    answers = [dict(zip(terms, row)) for row in frame.rows()]
    expected = [case.expected for case in cases(name)]
    return [
        new
        for old, new in mutants
        if [kleene(condition, known | {old: known[new]}) for known in answers] == expected
    ]


def threshold_mutants(one: Comparison) -> Iterator[Comparison]:
    """A limit moved by one unit either way, or its own value let in or shut out."""
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    if isinstance(values[0], bool | str):
        return
    for place, step in product(range(len(values)), (-1, 1)):
        moved = [value + step * (at == place) for at, value in enumerate(values)]
        yield replace(one, value=tuple(moved) if isinstance(one.value, tuple) else moved[0])
    if one.operator in NEARBY:
        yield replace(one, operator=NEARBY[one.operator])


def word_mutants(one: Comparison) -> Iterator[Comparison]:
    """A flag turned round; a word left out of a list, or a word of the form let in."""
    if one.operator == "is":
        yield replace(one, value=not one.value)
    elif one.operator in ("equals", "one_of") and isinstance(one.value, str | tuple):
        listed = one.value if isinstance(one.value, tuple) else (one.value,)
        words = next((f.words for f in LIBRARY.guidelines.fields if f.name == one.field), ())
        for word in listed:
            left = tuple(each for each in listed if each != word)
            yield replace(one, operator="one_of", value=left or ("nothing",))
        for word in words:
            if word not in listed:
                yield replace(one, operator="one_of", value=(*listed, word))


@pytest.mark.parametrize("name", OWN)
def test_every_moved_threshold_breaks_a_case(name):
    terms = dict.fromkeys(comparisons(STATEMENTS[name].when))
    mutants = [(one, mutant) for one in terms for mutant in threshold_mutants(one)]

    assert survivors(name, mutants) == []


@pytest.mark.parametrize("name", OWN)
def test_every_part_left_out_breaks_a_case(name):
    """But differentiation beside a grade that implies it: G1 and G2 are well differentiated."""
    terms = dict.fromkeys(comparisons(STATEMENTS[name].when))

    assert survivors(name, [(one, ALWAYS) for one in terms if one.field != "differentiation"]) == []


def test_every_changed_word_and_flag_breaks_a_case():
    """A definition is shared: it is enough that one of the statements that use it notices."""
    unnoticed: dict[Comparison, int] = {}
    for name in OWN:
        terms = dict.fromkeys(comparisons(STATEMENTS[name].when))
        mutants = [(one, mutant) for one in terms for mutant in word_mutants(one)]
        survived = survivors(name, mutants)
        for _, mutant in mutants:
            unnoticed[mutant] = min(unnoticed.get(mutant, 1), int(mutant in survived))

    assert [mutant for mutant, missed in unnoticed.items() if missed] == []
