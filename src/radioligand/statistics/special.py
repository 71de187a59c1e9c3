# SPDX-License-Identifier: Apache-2.0
"""The special functions of scipy by their own names, imported when the first one is called.

`scipy.special` costs a fifth of a second, which a Kaplan-Meier curve has no need of.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    from scipy import special

    return getattr(special, name)
