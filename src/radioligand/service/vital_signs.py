# SPDX-License-Identifier: Apache-2.0
"""What is measured at a visit: vital signs and performance status, with units and limits."""

from typing import NamedTuple


class Sign(NamedTuple):
    """One measurement of a visit; outside its limits a value is a slip of the pen."""

    code: str
    label: str
    unit: str
    lowest: float
    highest: float


SIGNS = (
    Sign("KPS", "Karnofsky score", "points", 0, 100),
    Sign("WEIGHT", "Weight", "kg", 20, 300),
    Sign("SYSBP", "Systolic blood pressure", "mmHg", 40, 300),
    Sign("DIABP", "Diastolic blood pressure", "mmHg", 20, 200),
    Sign("PULSE", "Pulse rate", "beats/min", 20, 250),
    Sign("TEMP", "Temperature", "C", 30, 45),
)
SIGN_OF = {one.code: one for one in SIGNS}
