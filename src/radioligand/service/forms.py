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
    """Return what one form says: verdict, criteria, and the level of each stratification factor.

    The verdict is "eligible", "not eligible" or "undetermined"; the levels are those of
    `levels_of`. Raises ValueError that lists every fault of the form.
    """
    patient = _fields(form, protocol)
    told = answer(patient, protocol=protocol)
    levels = _levels(patient, protocol)
    return {"verdict": told["verdict"], "criteria": told["criteria"], "levels": levels}


def levels_of(form: Mapping[str, Any], *, protocol: Protocol) -> dict[str, str | None]:
    """Tell the level of each stratification factor by the form; None where the form cannot tell.

    Raises ValueError that lists every fault of the form.
    """
    return _levels(_fields(form, protocol), protocol)


def _levels(patient: pl.DataFrame, protocol: Protocol) -> dict[str, str | None]:
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    told: dict[str, str | None] = {}
    for factor in factors:
        asked = {level.id: level.holds for level in factor.levels if level.holds is not None}
        fits = [name for name, holds in asked.items() if patient.select(met(holds)).item()]
        told[factor.id] = fits[0] if len(fits) == 1 else None
    return told


def _fields(form: Mapping[str, Any], protocol: Protocol) -> pl.DataFrame:
    patient = read_patient(form, protocol=protocol)
    return complete(patient, variables=protocol.variables, data=protocol.data)
