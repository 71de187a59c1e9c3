# SPDX-License-Identifier: Apache-2.0
"""The page on dosimetry names every column, status, parameter and method that there is."""

from pathlib import Path
from typing import get_args

from radioligand.dosimetry.next_activity import Status
from radioligand.patient_dosimetry.adam import PARAMETERS
from radioligand.patient_dosimetry.columns import ACTIVITIES, ADMINISTRATIONS
from radioligand.patient_dosimetry.s_values import COLUMNS
from radioligand.protocol.records import DoseMethod

PAGE = (Path(__file__).parents[2] / "docs" / "dosimetry.md").read_text("utf-8")


def test_every_column_is_explained_as_the_code_says_it():
    for column in (*ACTIVITIES, *ADMINISTRATIONS, *COLUMNS):
        needed = "yes" if column.required else ""
        assert f"| `{column.name}` | {needed} | {column.says} |" in PAGE


def test_every_status_parameter_and_method_is_named():
    integrals = get_args(DoseMethod.model_fields["integral"].annotation)
    forms = get_args(DoseMethod.model_fields["form"].annotation)
    words = {f"`{word}`" for word in (*integrals, *forms, *PARAMETERS) if word != "curve"}
    words |= {f"| {word} |" for word in get_args(Status)}
    assert {word for word in words if word not in PAGE} == set()
