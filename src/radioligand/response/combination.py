# SPDX-License-Identifier: Apache-2.0
"""RECIST 1.1 overall response at one visit: one table, read by people, frames and kernels."""

from enum import StrEnum
from itertools import product

import polars as pl


class Response(StrEnum):
    """CDISC terms for RECIST 1.1; NONE says: no such lesion at baseline."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    NE = "NE"
    NON_CR_NON_PD = "NON-CR/NON-PD"
    NONE = "NONE"


CR, PR, SD, PD, NE, NON, NONE = Response
TARGET = {CR, PR, SD, PD, NE, NONE}
NON_TARGET = {CR, NON, PD, NE, NONE}
YES, EITHER = {True}, {True, False}

# Eisenhauer et al., Eur J Cancer 2009;45:228-247, tables 1 and 2. The first match wins.
# fmt: off
RULES = (
    # target   non-target   new lesion  overall
    (TARGET,   NON_TARGET,  YES,        PD),
    ({PD},     NON_TARGET,  EITHER,     PD),
    (TARGET,   {PD},        EITHER,     PD),
    ({CR},     {CR, NONE},  EITHER,     CR),
    ({CR},     {NON, NE},   EITHER,     PR),
    ({PR},     NON_TARGET,  EITHER,     PR),
    ({SD},     NON_TARGET,  EITHER,     SD),
    ({NE},     NON_TARGET,  EITHER,     NE),
    ({NONE},   {CR},        EITHER,     CR),
    ({NONE},   {NON},       EITHER,     NON),
    ({NONE},   {NE},        EITHER,     NE),
)
# fmt: on

OVERALL: dict[tuple[Response, Response, bool], Response] = {}
for _target, _non_target, _new, _overall in reversed(RULES):  # so that the first rule wins
    OVERALL |= dict.fromkeys(product(_target, _non_target, _new), _overall)

OVERALL_FRAME = pl.DataFrame(
    sorted((*found, overall) for found, overall in OVERALL.items()),
    schema={
        "TRGRESP": pl.String,
        "NTGRESP": pl.String,
        "NEWLES": pl.Boolean,
        "OVR": pl.String,
    },
    orient="row",
)

# The number that stands for a response in AVAL; a response without one is not counted.
NUMBERS = {CR: 1, PR: 2, SD: 3, NON: 4, PD: 5, NE: 6, "MISSING": 7}

# Of several responses on one date the worst counts; one that could not be evaluated is no answer.
SEVERITY = {NE: 0, CR: 1, PR: 2, SD: 3, NON: 4, PD: 5}


def overall_response(target: str, non_target: str, new_lesion: bool) -> Response:
    """Combine target, non-target and new-lesion findings of one visit into its response.

    Raises ValueError for a term RECIST does not use there, and for a subject without any
    lesion at baseline, of whom RECIST says nothing and the protocol must.
    """
    try:
        return OVERALL[Response(target), Response(non_target), new_lesion]
    except (KeyError, ValueError):
        found = f"target {target!r}, non-target {non_target!r}, new lesion {new_lesion!r}"
        raise ValueError(f"RECIST 1.1 has no overall response for {found}") from None
