# SPDX-License-Identifier: Apache-2.0
"""Which form of curve: by the corrected criterion of Akaike, where it is defined, over a cohort.

Three or four scans cannot choose a form for one patient; the criterion is then not defined, and
that is said. The pooled cohort can choose, or the protocol fixes the form.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.curves import Floats
from radioligand.dosimetry.time_activity import CurveFit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FormChoice:
    """The forms that were compared, best first, with their criterion and weight, (f,) each."""

    forms: tuple[str, ...]
    aicc: Floats
    weight: Floats  # of Akaike; together 1
    scans: int
    refused: tuple[str, ...]  # forms that could not be compared, and why

    @property
    def best(self) -> str:
        return self.forms[0]


def corrected_aic(
    chi_square: float, scans: int, parameters: int, *, errors: Literal["known", "estimated"]
) -> float:
    """Return AICc: chi² + 2K + 2K(K+1)/(n-K-1) with errors known; with estimated, n ln(SS/n) first.

    K counts the error when it is estimated. Raises ValueError unless n > K + 1.
    """
    k = parameters + (errors == "estimated")
    if scans <= k + 1:
        raise ValueError(
            f"AICc is not defined for {scans} scans and {k} parameters"
            f"{' (the error is one)' if errors == 'estimated' else ''}: it takes {k + 2} scans or "
            "more. Fix the form in the protocol, or choose it on the pooled cohort."
        )
    misfit = chi_square if errors == "known" else scans * math.log(chi_square / scans)
    return misfit + 2 * k + 2 * k * (k + 1) / (scans - k - 1)


def akaike_weights(aicc: ArrayLike) -> Floats:
    """Return exp(-d/2), d from the smallest, divided by their sum."""
    criterion = np.asarray(aicc, float)
    weight = np.exp(-(criterion - criterion.min()) / 2)
    return np.asarray(weight / weight.sum())


def choose_form(fits: Mapping[str, Sequence[CurveFit | None]]) -> FormChoice:
    """Choose the form for a cohort, or for one region, from the fits of each form.

    `fits` has for each form one fit a curve, in the same order, None where the fit was refused; a
    form that was refused once is out. Sums of chi-square, of scans and of parameters are compared,
    so all fits need known errors. Raises ValueError if no form can be compared.
    """
    counts = {len(each) for each in fits.values()}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"each form needs a fit of every curve; found {sorted(counts)} fits.")
    found: dict[str, float] = {}
    refused: list[str] = []
    scans = 0
    for form, each in fits.items():
        kept = [one for one in each if one is not None]
        if len(kept) < len(each):
            missing = len(each) - len(kept)
            refused.append(f"{form}: {missing} of {len(each)} curves do not determine it")
            continue
        if any(one.errors == "estimated" for one in kept):
            refused.append(f"{form}: errors were estimated, so its fits cannot be added")
            continue
        scans = sum(one.time_hours.size for one in kept)
        parameters = sum(one.parameters.size for one in kept)
        chi_square = sum(one.chi_square for one in kept)
        try:
            found[form] = corrected_aic(chi_square, scans, parameters, errors="known")
        except ValueError as error:
            refused.append(f"{form}: {error}")
    if not found:
        raise ValueError("no form can be chosen. " + " ".join(refused))
    forms = sorted(found, key=lambda form: found[form])
    aicc = np.array([found[form] for form in forms])
    return FormChoice(
        forms=tuple(forms),
        aicc=aicc,
        weight=akaike_weights(aicc),
        scans=scans,
        refused=tuple(refused),
    )
