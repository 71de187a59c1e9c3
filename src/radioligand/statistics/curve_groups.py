# SPDX-License-Identifier: Apache-2.0
"""One survival curve for each group or stratum, side by side as a figure or a table needs them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.curves import Convention, Interval, KaplanMeier, kaplan_meier
from radioligand.statistics.observations import Floats, coded, observations
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeierCurves(Record, rows="time", apart=("groups",)):
    """Survival curves of several groups, one after the other; arrays as in `KaplanMeier`, (m,)."""

    groups: tuple[Any, ...]
    group: tuple[Any, ...]  # (m,) whose curve a time is of
    time: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    survival: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats
    interval: Interval
    level: float
    convention: Convention

    @property
    def curves(self) -> tuple[KaplanMeier, ...]:
        """The curve of each group, in their order."""
        return tuple(map(self.curve, self.groups))

    @property
    def medians(self) -> Floats:
        """Time at which survival of each group falls to one half, (g,); nan if it does not."""
        return np.array([curve.median for curve in self.curves])

    def curve(self, group: Hashable) -> KaplanMeier:
        """Return the curve of one group. Raises ValueError if there is none of this name."""
        if group not in self.groups:
            raise ValueError(f"group: {group!r} is none of {self.groups}.")
        here = np.fromiter((one == group for one in self.group), np.bool_, len(self.group))
        own: dict[str, Any] = {}
        for field in fields(KaplanMeier):
            value = getattr(self, field.name)
            own[field.name] = value[here] if isinstance(value, np.ndarray) else value
        return KaplanMeier(**own)


def kaplan_meier_curves(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    interval: Interval = "log-log",
    level: float = 0.95,
    convention: Convention = "r",
) -> KaplanMeierCurves:
    """Estimate survival of each group by itself: arms, or the strata of a stratified analysis.

    Parameters
    ----------
    group : (n,) each subject's group; sorted, unless `groups` says the order.
    time, event, entry, weights, interval, level, convention : as in `kaplan_meier`.

    Raises ValueError that names each fault of the input.

    Oracle: R ``survival::survfit(Surv(time, status) ~ group)``.

    """
    rows = observations(time, event, entry=entry, weights=weights, group=group)
    known, member = coded("group", group, order=groups)
    curves = []
    for code in range(len(known)):
        own = member == code
        curves.append(
            kaplan_meier(
                rows.time[own],
                rows.event[own],
                entry=None if rows.entry is None else rows.entry[own],
                weights=None if rows.weights is None else rows.weights[own],
                interval=interval,
                level=level,
                convention=convention,
            )
        )
    arrays: dict[str, Any] = {
        field.name: np.concatenate([getattr(curve, field.name) for curve in curves])
        for field in fields(KaplanMeier)
        if isinstance(getattr(curves[0], field.name), np.ndarray)
    }
    return KaplanMeierCurves(
        groups=known,
        group=tuple(label for label, curve in zip(known, curves, strict=True) for _ in curve.time),
        interval=interval,
        level=level,
        convention=convention,
        **arrays,
    )
