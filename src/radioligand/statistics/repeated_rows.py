# SPDX-License-Identifier: Apache-2.0
"""The rows of repeated measures: who was seen when, in which arm, and what is wrong with that."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import named
from radioligand.statistics.observations import Faults, Floats, Ints, coded, numbers, rows_of


class Study(NamedTuple):
    """Rows, checked and coded; (n,) each, covariates (n, p)."""

    value: Floats
    subject: Ints
    visit: Ints
    arm: Ints
    covariates: Floats
    subjects: int
    visits: tuple[Any, ...]
    arms: tuple[Any, ...]
    words: tuple[str, ...]


def checked(
    value: ArrayLike,
    subject: ArrayLike,
    visit: ArrayLike,
    arm: ArrayLike,
    covariates: ArrayLike | None,
    arms: Sequence[Hashable] | None,
    visits: Sequence[Hashable] | None,
    names: Sequence[str] | None,
) -> Study:
    """Check each array, that a subject is once at a visit and of one arm; name every fault."""
    faults = Faults()
    given = {"value": value, "subject": subject, "visit": visit, "arm": arm}
    given |= {} if covariates is None else {"covariates": covariates}
    sizes = {name: rows_of(one) for name, one in given.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        faults.append(f"Lengths differ: {told}; give one value a row in each.")
    elif not sizes["value"]:
        faults.append("There are no rows: value is empty.")
    faults.refuse()
    y, mend = numbers("value", value, faults), "leave the row out: a visit not made has none"
    faults.among("value", y, ~np.isfinite(y), "are missing or infinite", mend)
    table = np.empty((sizes["value"], 0)) if covariates is None else np.asarray(covariates)
    table = table[:, None] if table.ndim == 1 else table
    words = named(names, table.shape[1])
    columns = [numbers(word, one, faults) for word, one in zip(words, table.T, strict=True)]
    for word, one in zip(words, columns, strict=True):
        mend = "leave the row out of every array"
        faults.among(word, one, ~np.isfinite(one), "are missing or infinite", mend)
        if one.size and np.ptp(one) == 0:
            faults.append(f"{word}: is {one[0]:g} in every row; leave it out.")
    faults.refuse()

    labels, of_subject = coded("subject", subject)
    known_visits, of_visit = coded("visit", visit, order=visits)
    known_arms, of_arm = coded("arm", arm, order=arms)
    made, times = np.unique(of_subject * len(known_visits) + of_visit, return_counts=True)
    if (twice := made[times > 1]).size:
        who, when = divmod(int(twice[0]), len(known_visits))
        faults.append(
            f"visit: {twice.size} of {made.size} visits have more than one row (such as subject "
            f"{labels[who]}, visit {known_visits[when]}); keep one."
        )
    pairs = np.unique(of_subject * len(known_arms) + of_arm)
    held = np.bincount(pairs // len(known_arms))
    if (torn := np.flatnonzero(held > 1)).size:
        shown = ", ".join(str(labels[one]) for one in torn[:3])
        faults.append(
            f"arm: {torn.size} of {len(labels)} subjects have more than one ({shown}); give the "
            "arm each was allocated to."
        )
    faults.refuse()
    x = np.stack(columns, axis=1) if columns else np.empty((y.size, 0))
    return Study(
        y, of_subject, of_visit, of_arm, x, len(labels), known_visits, known_arms, words
    )  # fmt: skip


def check_visits(study: Study, *, linked: bool) -> None:
    """Refuse an arm without a row at a visit, and visits to be `linked` that nobody made both."""
    faults = Faults()
    v = len(study.visits)
    count = np.bincount(study.arm * v + study.visit, minlength=len(study.arms) * v)
    for empty in np.flatnonzero(count == 0).tolist():
        arm, visit = divmod(empty, v)
        faults.append(
            f"arm {study.arms[arm]}: has no row at visit {study.visits[visit]}, so no mean there; "
            "leave the visit or the arm out."
        )
    if linked:
        seen = np.zeros((study.subjects, v))
        seen[study.subject, study.visit] = 1
        for first, second in np.argwhere(np.triu(seen.T @ seen == 0)).tolist():
            faults.append(
                f"visits {study.visits[first]} and {study.visits[second]}: nobody made both, so "
                "their covariance is not known; give another covariance."
            )
    faults.refuse()
