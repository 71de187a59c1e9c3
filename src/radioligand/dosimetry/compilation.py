# SPDX-License-Identifier: Apache-2.0
"""How the loops of this room are compiled; numba is imported where one is first needed."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, *, fast: bool = False, parallel: bool = False) -> Function:
    """Compile at the first call, and keep the code for the next process where that is allowed.

    fast : let the compiler reorder and contract arithmetic, so that loops run in lanes.
    parallel : let `numba.prange` use every core.
    """
    build = partial(numba.njit, error_model="numpy", fastmath=fast, parallel=parallel, nogil=True)
    try:
        return cast(Function, build(function, cache=True))
    except RuntimeError:  # no folder for the code may be written to
        return cast(Function, build(function))
