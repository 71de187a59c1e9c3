# SPDX-License-Identifier: Apache-2.0
"""What each dataset must hold; the terms it may use; dates; and DatasetError, which says so."""

from radioligand.cdisc.columns import conform
from radioligand.cdisc.contracts import (
    ADAM,
    CONTRACTS,
    SDTM,
    Column,
    Dataset,
    is_known,
    is_sdtm,
    variable_of,
)
from radioligand.cdisc.dates import imputed_date, is_iso8601, is_not_before
from radioligand.cdisc.dictionaries import Dictionary
from radioligand.cdisc.rules import (
    FINDINGS,
    DatasetError,
    Rule,
    check,
    check_all,
    find,
    found,
    refuse,
    together,
    told,
)
from radioligand.cdisc.studies import (
    Study,
    check_dataset,
    check_study,
    find_study,
)
from radioligand.cdisc.supplemental import join_supplemental

__all__ = [
    "ADAM",
    "CONTRACTS",
    "FINDINGS",
    "SDTM",
    "Column",
    "Dataset",
    "DatasetError",
    "Dictionary",
    "Rule",
    "Study",
    "check",
    "check_all",
    "check_dataset",
    "check_study",
    "conform",
    "find",
    "find_study",
    "found",
    "imputed_date",
    "is_iso8601",
    "is_known",
    "is_not_before",
    "is_sdtm",
    "join_supplemental",
    "refuse",
    "together",
    "told",
    "variable_of",
]
