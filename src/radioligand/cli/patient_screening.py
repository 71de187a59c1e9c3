# SPDX-License-Identifier: Apache-2.0
"""One patient's form against a protocol's eligibility, as plain data."""

import json
from pathlib import Path
from typing import Any

from radioligand.io.documents import DocumentError, read_form, read_protocol
from radioligand.screening import answer, patient_template, read_patient
from radioligand.subjects import complete


def form_template(name: str) -> str:
    """An empty form of the protocol: every field with its unit and no value, as JSON."""
    return json.dumps(patient_template(read_protocol(name)), indent=2, ensure_ascii=False)


def screened(name: str, path: Path) -> dict[str, Any]:
    """Judge the patient of a form: the verdict, and every criterion with the values it saw.

    Raises DocumentError that lists every fault of the form.
    """
    protocol = read_protocol(name)
    try:
        patient = read_patient(read_form(path), protocol=protocol)
    except DocumentError:
        raise
    except ValueError as error:
        raise DocumentError(f"{path}: {error}") from None
    patient = complete(patient, variables=protocol.variables, data=protocol.data)
    return {"protocol": protocol.trial.id} | answer(patient, protocol=protocol)
