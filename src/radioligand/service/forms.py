# SPDX-License-Identifier: Apache-2.0
"""What a screening form says by the protocol: the verdict on eligibility, and the strata."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from radioligand.criteria import met
from radioligand.protocol import Protocol
from radioligand.screening import answer, read_patient
from radioligand.subjects import complete


def judged(form: Mapping[str, Any], *, protocol: Protocol) -> dict[str, Any]:
    """Return verdict ("eligible", "not eligible", "undetermined") and criteria of one form.

    Raises ValueError that lists every fault of the form.
    """
    told = answer(_fields(form, protocol), protocol=protocol)
    return {"verdict": told["verdict"], "criteria": told["criteria"]}


def levels_of(form: Mapping[str, Any], *, protocol: Protocol) -> dict[str, str | None]:
    """Tell the level of each stratification factor by the form; None where the form cannot tell."""
    fields = _fields(form, protocol)
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    told: dict[str, str | None] = {}
    for factor in factors:
        asked = [level for level in factor.levels if level.holds is not None]
        fits = [level.id for level in asked if _is_met(fields, level.holds)]
        told[factor.id] = fits[0] if len(fits) == 1 else None
    return told


def _is_met(fields: pl.DataFrame, condition: Any) -> bool:
    return fields.select(met(condition)).item() is True


def _fields(form: Mapping[str, Any], protocol: Protocol) -> pl.DataFrame:
    patient = read_patient(form, protocol=protocol)
    return complete(patient, variables=protocol.variables, data=protocol.data)
