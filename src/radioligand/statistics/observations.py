# SPDX-License-Identifier: Apache-2.0
"""What may be given to an estimator: arrays made plain, and every fault of them in one message.

Lists, numpy arrays and the Series of polars or pandas are all welcome. Nothing is guessed: an
event coded 1 and 2, a text, a missing value or an entry after its exit is refused by name.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.statistics.records import Record

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Rows = NDArray[np.integer[Any]]  # places in the arrays that were given
Numbers = float | Floats  # a float where one was asked for

SHOWN = 3  # as many bad values as a reader needs to find the rest
FEW = 32  # labels that are looked for one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Times to an event or to censoring, checked; one row a subject, (n,) each."""

    time: Floats
    event: Bools
    entry: Floats | None  # at risk after this time only
    weights: Floats | None  # a row of weight 2 stands for two equal rows
    order: "OrderedTimes | None" = None  # of `time`, if it was sorted before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderedTimes(Record, rows="time"):
    """Times that `in_order` sorted; may be given as `time` to every function of this room."""

    time: Floats  # (n,) as they came
    row: Rows  # (n,) the rows by ascending time
    ascending: Floats  # (n,) the times by ascending time, equal where rounding alone parts them

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the times as they came."""
        return np.array(self.time, dtype, copy=copy)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.time.size


class Faults(list[str]):
    """Collects what is wrong, to be told at once."""

    def refuse(self) -> None:
        """Raise ValueError with every fault, one a line, if there is any."""
        if self:
            raise ValueError("\n".join(self))

    def among(self, name: str, values: NDArray[Any], bad: Bools, says: str, mend: str) -> None:
        """Note how many of `values` are bad, and show the first of them."""
        if not bad.any():
            return
        where = np.flatnonzero(bad)[:SHOWN]
        shown = ", ".join(f"[{row}] {values[row]}" for row in where)
        self.append(f"{name}: {int(bad.sum())} of {values.size} {says} ({shown}); {mend}.")


def observations(
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    **others: ArrayLike | None,
) -> Observations:
    """Check times, events, entries and weights, and that `others` have as many rows.

    Raises ValueError that names every fault.
    """
    faults = Faults()
    plain_time = numbers("time", time, faults)
    plain_event = events("event", event, faults)
    plain_entry = None if entry is None else numbers("entry", entry, faults)
    plain_weights = None if weights is None else numbers("weights", weights, faults)

    check_times("time", plain_time, faults)
    if plain_entry is not None:
        check_times("entry", plain_entry, faults)
    if plain_entry is not None and plain_entry.size == plain_time.size:
        late = plain_entry >= plain_time
        mend = "a subject must enter before leaving"
        faults.among("entry", plain_entry, late, "are not before the row's own time", mend)
    if plain_weights is not None:
        bad_weight = ~((plain_weights > 0) & (plain_weights < np.inf))
        mend = "leave out a row that should not count"
        says = "are zero, negative, missing or infinite"
        faults.among("weights", plain_weights, bad_weight, says, mend)

    given = {"time": time, "event": event, "entry": entry, "weights": weights, **others}
    sizes = {name: rows_of(values) for name, values in given.items() if values is not None}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        faults.append(f"Lengths differ: {told}; give one value a row in each.")
    elif sizes["time"] == 0:
        faults.append("There are no rows: time is empty.")
    faults.refuse()
    return Observations(
        time=plain_time,
        event=plain_event,
        entry=plain_entry,
        weights=plain_weights,
        order=time if isinstance(time, OrderedTimes) else None,
    )


def check_times(name: str, times: Floats, faults: Faults) -> None:
    """Note how many of `times` are no days from an origin."""
    if times.size and times.min() >= 0 and times.max() < np.inf:  # nan is neither
        return
    bad = ~((times >= 0) & (times < np.inf))
    mend = "give days from origin, 0 or more"
    faults.among(name, times, bad, "are negative, missing or infinite", mend)


def numbers(name: str, values: ArrayLike, faults: Faults) -> Floats:
    """Return `values` as floats, (n,); a missing one turns to nan, a text is a fault."""
    array = np.asarray(values)
    if array.ndim != 1:
        faults.append(f"{name}: has shape {array.shape}; give one value a row.")
    elif array.dtype.kind in "biuf":
        return array.astype(np.float64, copy=False)
    elif array.dtype.kind == "O" and not any(isinstance(one, str) for one in array):
        try:
            return np.array([np.nan if is_missing(one) else float(one) for one in array])
        except (TypeError, ValueError, OverflowError):
            faults.append(f"{name}: holds {first_type(array)}; give numbers.")
    elif array.size:
        faults.append(f"{name}: holds {first_type(array)}, such as {array[0]!s}; give numbers.")
    return np.empty(0)


def events(name: str, values: ArrayLike, faults: Faults) -> Bools:
    """Return `values` as booleans, (n,), True where an event was seen."""
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind == "b":
        return array
    before = len(faults)
    codes = numbers(name, array, faults)
    if len(faults) > before:
        faults[-1] = faults[-1].replace("give numbers", "give True where the event was seen")
    seen = np.asarray(codes == 1, np.bool_)
    odd = ~(seen | (codes == 0))
    if odd.any() and bool(np.all(seen | (codes == 2))):
        faults.append(f"{name}: is coded 1 and 2, which may mean either; give {name} == 2.")
    else:
        faults.among(name, codes, odd, "are neither 0 nor 1", "give True where the event was seen")
    return seen


def coded(
    name: str, labels: ArrayLike, *, order: Sequence[Hashable] | None = None
) -> tuple[tuple[Any, ...], Ints]:
    """Return the distinct labels, sorted or in the order given, and each row's place in them.

    Raises ValueError for a missing label, labels that cannot be sorted, or an `order` that
    leaves a label out or names one that no row has.
    """
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ValueError(f"{name}: has shape {array.shape}; give one label a row.")
    labels, code = whole_labels(array) or few_labels(array) or any_labels(name, array)
    found = set(labels)
    try:
        known: tuple[Any, ...] = tuple(sorted(found)) if order is None else tuple(order)
    except TypeError:
        raise ValueError(f"{name}: labels of several types cannot be put in order.") from None
    if unknown := sorted(map(str, found - set(known))):
        raise ValueError(f"{name}: holds {', '.join(unknown)}, not in the order {known}.")
    if absent := [one for one in known if one not in found]:
        raise ValueError(f"{name}: no row is of {', '.join(map(str, absent))}; leave it out.")
    place = {label: code for code, label in enumerate(known)}
    wanted = [place[label] for label in labels]
    if wanted == list(range(len(labels))):
        return known, code
    return known, np.array(wanted, np.intp)[code]


def whole_labels(array: NDArray[Any]) -> tuple[list[Any], Ints] | None:
    """Return the distinct labels and each row's place, if they are whole numbers near each other.

    No row is looked at twice, so that this suits millions of them.
    """
    if array.dtype.kind not in "biu" or not array.size:
        return None
    low, high = int(array.min()), int(array.max())
    if high >= 2**63 or high - low > 4 * array.size:
        return None
    code = array.astype(np.intp, copy=False)
    code = code - low if low else code
    there = np.bincount(code) > 0
    labels = (np.flatnonzero(there) + low).astype(array.dtype).tolist()
    return labels, code if there.all() else (np.cumsum(there) - 1)[code]


def few_labels(array: NDArray[Any]) -> tuple[list[Any], Ints] | None:
    """Return the distinct labels and each row's place, if many rows have few texts or numbers."""
    if array.dtype.kind not in "fUS" or array.size < 10 * FEW:
        return None
    labels: list[Any] = []
    code, row = np.full(array.size, -1), 0
    while code[row] < 0 and len(labels) < FEW:
        code[array == array[row]] = len(labels)
        labels.append(array[row].item())
        row = int(code.argmin())
    return None if code[row] < 0 else (labels, code)


def any_labels(name: str, array: NDArray[Any]) -> tuple[list[Any], Ints]:
    """Return the distinct labels and each row's place; refuse a missing one."""
    rows = array.tolist()
    try:
        found = set(rows)
    except TypeError:
        raise ValueError(f"{name}: holds {first_type(array)}; give texts or numbers.") from None
    if any(map(is_missing, found)):
        missing = sum(map(is_missing, rows))
        raise ValueError(f"{name}: {missing} of {array.size} labels are missing; leave them out.")
    labels = list(found)
    place = {label: code for code, label in enumerate(labels)}
    return labels, np.fromiter(map(place.__getitem__, rows), np.intp, count=len(rows))


def check_level(level: float) -> None:
    """Raise ValueError unless `level` lies between 0 and 1, such as 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level} is no coverage; give a number such as 0.95.")


def deviate(level: float) -> float:
    """Return the normal deviate that leaves half of 1 - level on each side."""
    return NormalDist().inv_cdf(0.5 + level / 2)  # scipy's is no closer, and waits for its import


def check_choice(name: str, given: object, known: tuple[str, ...]) -> None:
    """Raise ValueError if `given` is not one of the known words."""
    if given not in known:
        raise ValueError(f"{name}: {given!r} is unknown; give one of {', '.join(known)}.")


def rows_of(values: ArrayLike) -> int:
    """Count the rows of an array of one or two dimensions."""
    shape = np.shape(np.asarray(values))
    return shape[0] if shape else 1


def is_missing(value: object) -> bool:
    """Tell whether `value` is None, nan, NaT or pandas' NA, which alone differ from themselves."""
    return value is None or type(value).__name__ == "NAType" or value != value


def first_type(array: NDArray[Any]) -> str:
    """Name the kind of a value that is not a number, in a reader's words."""
    if array.dtype.kind in "mM":
        return "dates or durations"
    values = array.tolist()
    odd = [one for one in values if not (is_missing(one) or isinstance(one, (int, float)))]
    first = (odd or values)[0]
    return "text" if isinstance(first, (str, bytes)) else type(first).__name__
