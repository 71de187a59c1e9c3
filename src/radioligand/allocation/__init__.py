# SPDX-License-Identifier: Apache-2.0
"""Lists and allocation as pure functions: permuted blocks, strata, checks and commitments."""

from radioligand.allocation.lists import (
    ListError,
    commitments,
    make_list,
    make_salts,
    plan_of,
    strata,
    stratum_of,
)

__all__ = [
    "ListError",
    "commitments",
    "make_list",
    "make_salts",
    "plan_of",
    "strata",
    "stratum_of",
]
