# SPDX-License-Identifier: Apache-2.0
"""A trial as one frozen document: arms, schedule, criteria, dose rules, endpoints, analyses."""

from radioligand.protocol.parsing import (
    Fault,
    ProtocolError,
    adaptation_faults,
    parse_adaptation,
    parse_hazards,
    parse_protocol,
    policies,
)
from radioligand.protocol.records import *  # noqa: F403
from radioligand.protocol.records import MONTH_DAYS, Protocol

__all__ = [
    "MONTH_DAYS",
    "Fault",
    "Protocol",
    "ProtocolError",
    "adaptation_faults",
    "parse_adaptation",
    "parse_hazards",
    "parse_protocol",
    "policies",
]
