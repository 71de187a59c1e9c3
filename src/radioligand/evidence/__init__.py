# SPDX-License-Identifier: Apache-2.0
"""Published results as documents: every number that follows from others, recomputed and compared.

A paper prints counts and what was made of them. The documents hold both, `reproduce` makes the
second from the first by the functions that a study uses, and says by which method it succeeds.
"""

from radioligand.evidence.methods import METHODS, Method
from radioligand.evidence.parsing import PublishedError, parse_published
from radioligand.evidence.records import (
    Alternative,
    Conflict,
    Group,
    Paper,
    Published,
    Row,
    Statement,
    Study,
)
from radioligand.evidence.reproduction import Reproduced, counted, read_published, reproduce

__all__ = [
    "METHODS",
    "Alternative",
    "Conflict",
    "Group",
    "Method",
    "Paper",
    "Published",
    "PublishedError",
    "Reproduced",
    "Row",
    "Statement",
    "Study",
    "counted",
    "parse_published",
    "read_published",
    "reproduce",
]
