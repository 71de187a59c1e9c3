# SPDX-License-Identifier: Apache-2.0
"""What was done for the tumour before the study: therapy (CM) and procedures (PR)."""

from typing import Any, NamedTuple

import numpy as np

from radioligand.protocol import MONTH_DAYS
from radioligand.simulation.frames import iso_dates, numbers, texts, yes_no
from radioligand.simulation.population import PRIOR_THERAPY, Subjects
from radioligand.simulation.streams import Flags, Floats, Texts, Whole, uniforms

Days = Floats | Whole
_PROGRESSED_DAYS = 21  # assumed: from the image that shows progression to consent
_PRRT_DAYS = 168  # from the first dose to the last of four
_LOW_DOSE = 0.2  # assumed: share whose constant dose of the analogue is 20 mg


def progression_after_prrt(subjects: Subjects) -> Floats:
    """Day of the image that showed progression after earlier PRRT, (n,); nan without any."""
    return np.where(
        np.isfinite(subjects.months_after_prrt), subjects.consent_day - _PROGRESSED_DAYS, np.nan
    )


class _Therapy(NamedTuple):
    """A kind of therapy that everyone is asked about: who had it, from when to when, (n,)."""

    category: str
    drug: str
    had: Flags
    began: Days
    ended: Days  # inf: goes on
    amount_mg: Floats
    interval: str = ""


def prior_therapy(
    subjects: Subjects, *, washout_days: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of prior therapy for CM and of prior procedures for PR, asked of everyone.

    Therapy and procedures end so many days before consent. An analogue at a constant dose goes
    on; where the population has none, what was given of one was short.
    """
    name, columns = PRIOR_THERAPY
    u = uniforms(seed, name, subjects.arm.size, columns)
    long_term = bool((subjects.analogue_days > 0).any())
    therapies = _therapies(subjects, u, long_term=long_term, washout_days=washout_days, seed=seed)
    room = subjects.consent_day - subjects.diagnosis_day
    operated = subjects.diagnosis_day + np.floor(u[:, 4] * 0.8 * room)
    operated = np.minimum(operated, subjects.consent_day - washout_days)
    through_liver = "LIVER-DIRECTED TRANSARTERIAL THERAPY"
    procedures = {
        through_liver if long_term else "HEPATIC ARTERY EMBOLISATION": subjects.prior_embolisation,
        "RADIOFREQUENCY ABLATION": np.zeros(subjects.arm.size, dtype=bool),
        "SURGERY": subjects.prior_surgery,
    }
    return _medication(subjects.identifier, therapies, dosed=long_term), _procedures(
        subjects.identifier, procedures, operated
    )


def _therapies(
    subjects: Subjects, u: Floats, *, long_term: bool, washout_days: int, seed: int
) -> list[_Therapy]:
    """Every kind of therapy that a trial of this population asks about."""
    n = subjects.arm.size
    none, unknown = np.zeros(n, dtype=bool), np.full(n, np.nan)
    room = subjects.consent_day - subjects.diagnosis_day
    began = subjects.diagnosis_day + np.floor(u[:, 0] * 0.6 * room)
    ended = np.minimum(began + 60, subjects.consent_day - washout_days)
    systemic = _Therapy(
        "SYSTEMIC THERAPY",
        "CAPECITABINE AND TEMOZOLOMIDE",
        subjects.prior_systemic,
        np.minimum(began, ended),
        ended,
        unknown,
    )
    last_prrt = progression_after_prrt(subjects) - np.floor(subjects.months_after_prrt * MONTH_DAYS)
    radionuclide = _Therapy(
        "PRRT",
        "PEPTIDE RECEPTOR RADIONUCLIDE THERAPY",
        np.isfinite(last_prrt),
        last_prrt - _PRRT_DAYS,
        last_prrt,
        unknown,
    )
    if not long_term:
        # most had a single injection
        lasted = np.where(u[:, 1] < 0.75, 1, np.floor(29 * (1 + 3 * u[:, 2])))
        until = np.minimum(began + lasted - 1, subjects.consent_day - 1)
        short = _Therapy(
            "SOMATOSTATIN ANALOGUE", "OCTREOTIDE", subjects.prior_analogue, began, until, unknown
        )
        return [short, systemic, radionuclide]
    low = uniforms(seed, "analogue dose", n) < _LOW_DOSE
    constant = _Therapy(
        "SOMATOSTATIN ANALOGUE",
        "OCTREOTIDE LAR",
        subjects.prior_analogue,
        subjects.randomised_day - subjects.analogue_days,
        np.full(n, np.inf),
        np.where(low, 20.0, 30.0),
        "EVERY 4 WEEKS",
    )
    high = _Therapy("OCTREOTIDE LAR ABOVE 30 MG", "OCTREOTIDE LAR", none, began, ended, unknown)
    chemotherapy = systemic._replace(
        category="CHEMOTHERAPY",
        drug="STREPTOZOTOCIN AND FLUOROURACIL",
        had=subjects.prior_chemotherapy,
    )
    return [constant, systemic, radionuclide, high, chemotherapy]


def _medication(subject: Texts, therapies: list[_Therapy], *, dosed: bool) -> dict[str, Any]:
    """Columns of CM, one row a subject and therapy; doses only where they are asked for."""
    n = subject.size

    def repeated(name: str) -> Texts:
        return np.repeat([getattr(each, name) for each in therapies], n)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(each, name) for each in therapies])

    had = joined("had")
    columns = {
        "USUBJID": np.concatenate([subject] * len(therapies)),
        "CMTRT": repeated("drug"),
        "CMDECOD": repeated("drug"),
        "CMCAT": np.full(had.size, "PRIOR CANCER THERAPY"),
        "CMSCAT": repeated("category"),
        "CMPRESP": np.full(had.size, "Y"),
        "CMOCCUR": yes_no(had),
        "CMSTDTC": iso_dates(np.where(had, joined("began"), np.inf)),
        "CMENDTC": iso_dates(np.where(had, joined("ended"), np.inf)),
    }
    if not dosed:
        return columns
    amount = np.where(had, joined("amount_mg"), np.nan)
    return columns | {
        "CMDOSE": numbers(amount),
        "CMDOSU": texts(np.where(np.isnan(amount), "", "mg")),
        "CMDOSFRQ": texts(np.where(had, repeated("interval"), "")),
    }


def _procedures(subject: Texts, procedures: dict[str, Flags], day: Days) -> dict[str, Any]:
    """Columns of PR, one row a subject and procedure."""
    had = np.concatenate([*procedures.values()])
    named = np.repeat([*procedures], subject.size)
    return {
        "USUBJID": np.concatenate([subject] * len(procedures)),
        "PRTRT": named,
        "PRCAT": "PRIOR CANCER PROCEDURE",
        "PRSCAT": named,
        "PRPRESP": "Y",
        "PROCCUR": yes_no(had),
        "PRSTDTC": iso_dates(np.where(had, np.concatenate([day] * len(procedures)), np.inf)),
    }
