# SPDX-License-Identifier: Apache-2.0
"""Lists and allocation as pure functions: permuted blocks, minimisation, checks, commitments."""

from radioligand.allocation.checks import check_list
from radioligand.allocation.fallback import envelopes, fallback_stratum, with_fallback
from radioligand.allocation.lists import (
    ListError,
    commitments,
    entry_values,
    list_hash,
    make_list,
    make_salts,
    plan_of,
    strata,
    stratum_of,
)
from radioligand.allocation.minimisation import make_draws, minimise

__all__ = [
    "ListError",
    "check_list",
    "commitments",
    "entry_values",
    "envelopes",
    "fallback_stratum",
    "list_hash",
    "make_draws",
    "make_list",
    "make_salts",
    "minimise",
    "plan_of",
    "strata",
    "stratum_of",
    "with_fallback",
]
