# SPDX-License-Identifier: Apache-2.0
"""The order of a study's derivation: SDTM in, ADaM out."""

from collections.abc import Callable, Mapping
from datetime import date

import polars as pl

from radioligand.cdisc import Dictionary
from radioligand.derivation.blocks import gathered, in_blocks
from radioligand.derivation.cutoff import cut, date_of_event
from radioligand.derivation.invariants import invariants, joined
from radioligand.derivation.remarks import remarks, summed, unavailable
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.endpoints import derive_adtte
from radioligand.patient_dosimetry.sdtm import derive_study_adrad
from radioligand.protocol import Protocol
from radioligand.quality_of_life import derive_adqs
from radioligand.response import derive_adrs, derive_adtr
from radioligand.safety import derive_adae, derive_adlb
from radioligand.screening import screen
from radioligand.subjects import derive_adsl, fields
from radioligand.treatment import derive_addose, derive_adex

__all__ = [
    "cut",
    "date_of_event",
    "derive",
    "gathered",
    "in_blocks",
    "invariants",
    "joined",
    "missing_domains",
    "remarks",
    "summed",
    "unavailable",
]

# domain: what a study without it cannot have
DEPENDS = {
    "EX": "exposure, cycles and activity (ADEX)",
    "TU": "lesions: sums of diameters and response from measurements (ADTR, ADRS)",
    "TR": "lesions: sums of diameters and response from measurements (ADTR, ADRS)",
    "AE": "adverse events (ADAE)",
    "LB": "laboratory values (ADLB) and what eligibility asks of them",
    "QS": "quality of life (ADQS) and time to deterioration",
    "CM": "prior and new anticancer therapy",
    "DS": "disposition",
    "MI": "histology: Ki-67 and differentiation",
    "SC": "disease characteristics",
    "XA": "absorbed doses (ADRAD)",
}


def missing_domains(
    study: Mapping[str, pl.DataFrame], *, protocol: Protocol | None = None
) -> tuple[tuple[str, str], ...]:
    """Domains a study lacks, and what depends on each.

    Questionnaires are not missed where the protocol plans none, nor scans without dosimetry.
    """
    unplanned = set()
    if protocol is not None and protocol.quality_of_life is None:
        unplanned.add("QS")
    if protocol is None or protocol.dosimetry is None:
        unplanned.add("XA")
    asked = (domain for domain in DEPENDS if domain not in unplanned)
    return tuple((domain, DEPENDS[domain]) for domain in asked if domain not in study)


def derive(
    study: Mapping[str, pl.DataFrame],
    *,
    protocol: Protocol,
    cutoff: date | None = None,
    dictionary: Dictionary | None = None,
    s_values: Mapping[str, SValues] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> dict[str, pl.DataFrame]:
    """Derive every ADaM dataset that the study's domains allow, by name.

    study : SDTM domains by name, as `io.datasets.read_study` gives them.
    cutoff : the data cutoff; records after it are left out first.
    dictionary : codes adverse events that the study has not coded.
    s_values : S values by sex, F and M; without them organs have self-dose alone.
    progress : called with the name of each dataset before it is derived.

    Raises DatasetError if a domain breaks what a derivation needs.
    """
    seen = cut(study, cutoff=cutoff) if cutoff else dict(study)
    get = seen.get
    adam: dict[str, pl.DataFrame] = {}
    progress("ADSL")
    adsl = adam["ADSL"] = derive_adsl(seen, protocol=protocol, cutoff=cutoff)
    if protocol.eligibility:
        progress("ADIE")
        adam["ADIE"] = _derive_adie(adsl, protocol)
    if (ex := get("EX")) is not None:
        progress("ADEX")
        adam["ADEX"] = derive_adex(ex, adsl, protocol=protocol, ds=get("DS"), ec=get("EC"))
    xa = get("XA")
    if xa is not None and not xa.is_empty() and ex is not None and protocol.dosimetry:
        progress("ADRAD")
        adam["ADRAD"] = derive_study_adrad(
            xa, ex, adam["ADEX"], adsl, dosimetry=protocol.dosimetry, tables=s_values
        )
    tr, tu, rs = get("TR"), get("TU"), get("RS")
    if tr is not None and tu is not None:
        progress("ADTR")
        adam["ADTR"] = derive_adtr(tr, tu, adsl, protocol=protocol)
    if protocol.evaluations and ((tr is not None and tu is not None) or rs is not None):
        progress("ADRS")
        adam["ADRS"] = derive_adrs(tr, tu, rs, adsl, protocol=protocol)
    if (qs := get("QS")) is not None and protocol.quality_of_life:
        progress("ADQS")
        adam["ADQS"] = derive_adqs(qs, adsl, protocol=protocol)
    if (ae := get("AE")) is not None and protocol.safety:
        progress("ADAE")
        adam["ADAE"] = derive_adae(ae, adsl, protocol=protocol, dictionary=dictionary)
    if protocol.endpoints:
        progress("ADTTE")
        adam["ADTTE"] = derive_adtte(
            adsl,
            adam.get("ADRS"),
            adam.get("ADQS"),
            protocol=protocol,
            cutoff=cutoff,
            adae=adam.get("ADAE"),
        )
    if (lb := get("LB")) is not None:
        progress("ADLB")
        adam["ADLB"] = derive_adlb(lb, adsl, protocol=protocol)
    if "ADEX" in adam and protocol.dosing:
        progress("ADDOSE")
        adam["ADDOSE"] = derive_addose(
            adam["ADEX"], adsl, adam.get("ADLB"), adam.get("ADAE"), protocol=protocol
        )
    return adam


def _derive_adie(adsl: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """The screening log as a dataset: a row a subject and criterion, AVALC the verdict."""
    log = screen(fields(adsl, protocol=protocol), protocol=protocol)
    return log.select(
        "USUBJID",
        PARAMCD="CRITERION",
        PARAM="SAYS",
        PARCAT1=pl.col("KIND").str.to_titlecase(),
        AVALC="VERDICT",
        FIELDS="FIELDS",
        MISSING="MISSING",
    )
