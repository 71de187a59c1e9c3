# SPDX-License-Identifier: Apache-2.0
"""ADaM and the protocol's analyses in, one results frame out: a row for every number."""

from radioligand.analysis.kinds import analyse
from radioligand.analysis.results import SCHEMA, invariant_rows, results_json

__all__ = ["SCHEMA", "analyse", "invariant_rows", "results_json"]
