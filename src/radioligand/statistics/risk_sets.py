# SPDX-License-Identifier: Apache-2.0
"""Who is at risk when: rows gathered into cells of one stratum and one time.

Every estimator of survival needs two sums at each time: of those who leave then (`total`) and of
those still there (`at_risk`). Both are taken here, without a loop over times.
"""

from dataclasses import dataclass

import numpy as np

from radioligand.statistics.observations import Floats, Ints, Observations
from radioligand.statistics.ordering import NEAR as NEAR
from radioligand.statistics.ordering import distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSets:
    """The cells, ordered by stratum and then by time; m of them for n rows."""

    time: Floats  # (m,)
    stratum: Ints  # (m,) codes from 0
    cell: Ints  # (n,) where each row leaves
    late: Ints | None  # (n,) last cell of its stratum at or before a row's entry; -1 if none
    first: Ints  # (k,) first cell of each stratum

    def total(self, values: Floats | None = None) -> Floats:
        """Sum `values` (n,) over the rows that leave in each cell; count them if not given."""
        summed = np.bincount(self.cell, weights=values, minlength=self.time.size)
        return summed.astype(np.float64, copy=False)

    def at_risk(self, values: Floats | None = None) -> Floats:
        """Sum `values` (n,) over the rows at risk in each cell: entry < time <= own time."""
        leaving = self.total(values)
        if self.late is not None:
            there = self.late >= 0
            kept = None if values is None else values[there]
            leaving -= np.bincount(self.late[there], weights=kept, minlength=self.time.size)
        return self.onward(leaving)

    def onward(self, values: Floats) -> Floats:
        """Sum cell values (m,) from each cell to the end of its stratum."""
        summed = np.empty(values.size)
        for here in self.strata():
            summed[here] = np.cumsum(values[here][::-1])[::-1]
        return summed

    def so_far(self, values: Floats) -> Floats:
        """Sum cell values (m,) from the beginning of its stratum to each cell."""
        summed = np.empty(values.size)
        for here in self.strata():
            summed[here] = np.cumsum(values[here])
        return summed

    def strata(self) -> list[slice]:
        """Return the cells of each stratum. Sums never cross: one may dwarf the next."""
        ends = np.append(self.first[1:], self.time.size)
        return [slice(*pair) for pair in zip(self.first.tolist(), ends.tolist(), strict=True)]


def risk_sets(rows: Observations, *, stratum: Ints | None = None) -> RiskSets:
    """Gather rows into cells. Times that differ by rounding alone are taken as one.

    Raises ValueError if an entry and its time are one in that sense.
    """
    n = rows.time.size
    moments = rows.time if rows.entry is None else np.concatenate([rows.time, rows.entry])
    times, rank = distinct(moments, order=rows.order if rows.entry is None else None)
    rank, entry_rank = rank[:n], rank[n:]
    if empty := int(np.sum(entry_rank >= rank)) if rows.entry is not None else 0:
        raise ValueError(f"entry: {empty} of {n} equal the row's own time but for rounding.")

    codes = np.zeros(n, np.intp) if stratum is None else stratum
    if stratum is None and rows.entry is None:
        return RiskSets(
            time=times, stratum=np.zeros(times.size, np.intp), cell=rank, late=None,
            first=np.zeros(1, np.intp),
        )  # fmt: skip
    keys, cell = present(codes * times.size + rank)
    cell_stratum, cell_time = np.divmod(keys, times.size)
    first = np.searchsorted(cell_stratum, np.arange(codes.max() + 1))
    late = None
    if rows.entry is not None:
        late = np.searchsorted(keys, codes * times.size + entry_rank, side="right") - 1
        late = np.where(late >= first[codes], late, -1)
    return RiskSets(time=times[cell_time], stratum=cell_stratum, cell=cell, late=late, first=first)


def present(codes: Ints) -> tuple[Ints, Ints]:
    """Return the distinct codes, ascending, and each row's place among them."""
    if codes.max() > 4 * codes.size:
        keys, place = np.unique(codes, return_inverse=True)
        return keys, place
    there = np.bincount(codes) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]
