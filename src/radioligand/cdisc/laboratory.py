# SPDX-License-Identifier: Apache-2.0
"""Which of two laboratory values of one day is the worse for the patient: one table for all."""

from typing import Literal

Side = Literal["L", "H"]

# counts, proteins and clearance are bad when low; all other tests when high, as are grades
BAD_WHEN_LOW = frozenset(
    {"ALB", "CREATCLR", "GFR", "HCT", "HGB", "LYM", "NEUT", "PLAT", "PROT", "RBC", "WBC"}
)


def worse_side(test: str) -> Side:
    """Return the side on which a test is worse for the patient: "L" (low) or "H" (high).

    test : code of CDISC (LBTESTCD or PARAMCD), such as PLAT. Of tests that are bad on both sides,
        such as potassium, the higher value counts as the worse.
    """
    return "L" if test in BAD_WHEN_LOW else "H"
