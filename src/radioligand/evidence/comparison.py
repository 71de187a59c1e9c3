# SPDX-License-Identifier: Apache-2.0
"""One method held against one published text: does it agree, and would a neighbour agree too."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from radioligand.evidence.methods import Method, answer
from radioligand.evidence.printing import (
    decimals_of,
    half_unit,
    in_form,
    numbers_in,
    overlaps,
    rounded,
    value_of,
)

SIZES = {"events": "n", "reference_events": "reference_n"}  # counts of events, and of how many


class Attempt(NamedTuple):
    """What a method made of inputs, in the form of the published text, and unrounded."""

    text: str
    agrees: bool
    values: tuple[float, ...]


def attempt(method: Method, inputs: Mapping[str, Any], published: str) -> Attempt:
    """Apply the method and hold what it gives against the published text."""
    if method.before_rounding:
        return _attempt_before_rounding(method, inputs, published)
    found = answer(method, _as_numbers(method, inputs))
    if isinstance(found, bool):
        return Attempt("holds" if found else "does not hold", found, ())
    text = in_form(found, published, rounding=method.rounding)
    return Attempt(text, text == published, found)


def is_weak(method: Method, inputs: Mapping[str, Any], published: str) -> bool:
    """Return whether one event more or less in one arm would agree as well."""
    neighbours = (
        {**inputs, name: inputs[name] + step} for name in method.nudged for step in (-1, 1)
    )
    return any(
        attempt(method, neighbour, published).agrees
        for neighbour in neighbours
        if _is_possible(neighbour)
    )


def _is_possible(inputs: Mapping[str, Any]) -> bool:
    counted = {name: size for name, size in SIZES.items() if name in inputs}
    return all(
        0 <= inputs[name] <= inputs.get(size, float("inf")) for name, size in counted.items()
    )


def _attempt_before_rounding(method: Method, inputs: Mapping[str, Any], published: str) -> Attempt:
    """Let each printed input be any number that rounds to it.

    The methods rise or fall with each input (a ratio's p value on either side of 1), so what they
    can give lies between the least and the greatest of the answers at the ends.
    """
    tried = (answer(method, ends) for ends in _every_end(method, inputs))
    answers = [found for found in tried if not isinstance(found, bool)]
    ranges = [(min(values), max(values)) for values in zip(*answers, strict=True)]
    forms = list(zip(numbers_in(published), ranges, strict=True))
    agrees = all(overlaps(bound, number, low, high) for (bound, number), (low, high) in forms)
    shown = "; ".join(
        " to ".join(rounded(end, decimals_of(number) + 1) for end in (low, high))
        for (_, number), (low, high) in forms
    )
    return Attempt(shown, agrees, tuple((low + high) / 2 for low, high in ranges))


def _every_end(method: Method, inputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of the least or the greatest number that each printed input can stand for."""
    printed = {
        name: value
        for name, value in inputs.items()
        if method.inputs[name] in ("number", "numbers")
    }
    for ends in product(*map(_ends, printed.values())):
        yield {**inputs, **dict(zip(printed, ends, strict=True))}


def _ends(printed: str | tuple[str, ...]) -> tuple[Any, ...]:
    """The ends of what a printed number can stand for; of several, every choice of their ends."""
    if isinstance(printed, tuple):
        return tuple(product(*map(_ends, printed)))
    return value_of(printed) - half_unit(printed), value_of(printed) + half_unit(printed)


def _as_numbers(method: Method, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Printed numbers as floats, everything else as it is."""
    found = dict(inputs)
    for name, value in inputs.items():
        if method.inputs[name] == "number":
            found[name] = value_of(value)
        elif method.inputs[name] == "numbers":
            found[name] = tuple(value_of(one) for one in value)
    return found
