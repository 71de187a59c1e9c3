# SPDX-License-Identifier: Apache-2.0
"""The guideline documents together with the shipped protocols that their statements point to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from radioligand.criteria import AllOf
from radioligand.guidance import Guidelines, parse_guidelines, read_patient, with_trials
from radioligand.guidance.patient import complete
from radioligand.guidance.records import PatientField
from radioligand.io.documents import guideline_documents, read_protocol, shipped_protocols
from radioligand.protocol import Protocol
from radioligand.subjects import complete as complete_by_protocol


class Library(NamedTuple):
    """Guidelines whose trial statements hold their protocols' eligibility.

    `protocols` are those pointed to; `fields` what they ask of a patient beyond the guidelines.
    """

    guidelines: Guidelines
    protocols: tuple[Protocol, ...]
    fields: tuple[PatientField, ...]


def read_library(added: Sequence[Path] = ()) -> Library:
    """Read the shipped guideline documents, those of `added`, and the protocols they point to.

    Raises GuidelineError or DocumentError with every fault.
    """
    shipped = shipped_protocols()
    guidelines = parse_guidelines(guideline_documents(added), protocols=shipped)
    wanted = dict.fromkeys(one.trial for one in guidelines.statements if one.trial)
    protocols = {name: read_protocol(name) for name in wanted}
    conditions = {
        name: AllOf(tuple(one.holds for one in protocol.eligibility if one.default))
        for name, protocol in protocols.items()
    }
    known = {one.name for one in guidelines.fields}
    known |= {theirs for one in guidelines.statements for theirs in one.fields}  # asked otherwise
    fields = {
        one.field: PatientField(name=one.field, label=one.label, type=one.type, unit=one.unit)
        for protocol in protocols.values()
        for one in protocol.variables
        if one.field and one.field not in known
    }
    return Library(
        with_trials(guidelines, conditions), tuple(protocols.values()), tuple(fields.values())
    )


def patient_of(form: Mapping[str, Any], *, library: Library) -> pl.DataFrame:
    """Read a patient's form and work out what follows from it, by the protocols too.

    Raises PatientError with every fault of the form.
    """
    read = read_patient(form, guidelines=library.guidelines, also=library.fields)
    for protocol in library.protocols:
        read = _with_derived(read, protocol)
    return complete(read, guidelines=library.guidelines, also=library.fields)


def _with_derived(patient: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Fill the protocol's derived fields, such as months since diagnosis; overwrite nothing."""
    derived = complete_by_protocol(patient, variables=protocol.variables, data=protocol.data)
    return patient.with_columns(derived.drop("USUBJID").get_columns())
