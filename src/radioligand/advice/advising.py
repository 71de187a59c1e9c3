# SPDX-License-Identifier: Apache-2.0
"""One patient's advice: every finding, and what follows from them, as one record and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from radioligand.advice.library import Library, patient_of
from radioligand.guidance import Finding, Question, judge, questions
from radioligand.guidance.cards import cards
from radioligand.guidance.matrix import Disagreement, Matrix, disagreements, matrix
from radioligand.guidance.patient import assessed
from radioligand.guidance.schedule import Due, Stale, due, stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the statements say of one patient; without one, of nobody: the literature itself.

    `stale` lists the statements out of date on `on`, the day of the assessment unless another
    was given; nothing where neither is known.
    """

    library: Library
    patient: pl.DataFrame
    is_literature: bool
    findings: tuple[Finding, ...]
    matrix: Matrix
    disagreements: tuple[Disagreement, ...]
    questions: tuple[Question, ...]
    due: tuple[Due, ...]
    stale: tuple[Stale, ...]
    on: date | None

    def as_json(self) -> list[dict[str, Any]]:
        """One entry a statement, in the documents' order, as `radioligand advise --json` prints."""
        guidelines = self.library.guidelines
        settled: dict[str, list[str]] = {}
        for question in self.questions:
            for name in question.statements:
                settled.setdefault(name, []).append(question.field)
        stale_ids = {one.statement.id for one in self.stale}
        entries = []
        for one in self.findings:
            statement, source = one.statement, guidelines.source_of[one.statement.source]
            strength = statement.strength
            entries.append(
                {
                    "statement": statement.id,
                    "option": statement.option,
                    "stance": statement.stance,
                    "source": guidelines.place_of(statement),
                    "verdict": one.verdict,
                    "missing": list(one.missing),
                    "says": statement.says,
                    "because": list(one.because),
                    "settled_by": settled.get(statement.id, []),
                    "kind": guidelines.kind_of(statement),
                    "jurisdiction": source.jurisdiction,
                    "published": source.published,
                    "valid_from": guidelines.since(statement),
                    "strength": f"{strength.system} {strength.grade}" if strength else None,
                    "evidence": list(statement.evidence),
                    "doi": source.doi or None,
                    "dissent": statement.dissent or None,
                    "superseded_by": statement.superseded_by or source.superseded_by,
                    "stale": statement.id in stale_ids if self.on else None,
                }
            )
        return entries

    def as_cards(self) -> dict[str, Any]:
        """The same as the answer of a CDS Hooks service."""
        return cards(
            self.findings,
            guidelines=self.library.guidelines,
            disagreements=self.disagreements,
            questions=self.questions,
        )


def advise(form: Mapping[str, Any] | None, *, library: Library, on: date | None = None) -> Advice:
    """Judge the patient of a form by every statement; None is literature mode, without a patient.

    Raises PatientError with every fault of the form.
    """
    guidelines = library.guidelines
    patient = patient_of(form or {}, library=library)
    findings = judge(patient, guidelines=guidelines, also=library.fields)
    day = on or assessed(patient)
    return Advice(
        library=library,
        patient=patient,
        is_literature=form is None,
        findings=findings,
        matrix=matrix(findings, guidelines=guidelines),
        disagreements=disagreements(findings, guidelines=guidelines),
        questions=()
        if form is None
        else questions(patient, guidelines=guidelines, also=library.fields),
        due=due(patient, guidelines=guidelines),
        stale=stale(guidelines, on=day) if day else (),
        on=day,
    )
