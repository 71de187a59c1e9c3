# SPDX-License-Identifier: Apache-2.0
"""How the loops of this room are compiled; numba is imported where one is first needed."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, *, lanes: bool = False, cores: bool = False) -> Function:
    """Compile at the first call, and keep the code for the next process where that is allowed.

    lanes : the compiler may reorder sums and contract products, so that loops run in lanes.
    cores : `numba.prange` uses every core.
    """
    build = partial(numba.njit, error_model="numpy", fastmath=lanes, parallel=cores, nogil=True)
    try:
        return cast(Function, build(function, cache=True))
    except RuntimeError:  # no folder for the code may be written to
        return cast(Function, build(function))


def compiled_in_lanes(function: Function) -> Function:
    """Compile, with arithmetic in any order."""
    return compiled(function, lanes=True)


def compiled_for_cores(function: Function) -> Function:
    """Compile, with arithmetic in any order and `numba.prange` on every core."""
    return compiled(function, lanes=True, cores=True)
