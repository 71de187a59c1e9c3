# SPDX-License-Identifier: Apache-2.0
"""Lesions as a reader types them: identified at baseline, measured at each image after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radioligand.service.events import Event, Patient

TARGET, NON_TARGET, NEW = "TARGET", "NON-TARGET", "NEW"
TARGETS, OTHERS = 5, 2  # places on the baseline form; RECIST 1.1 allows five targets
STATES = ("PRESENT", "ABSENT", "UNEQUIVOCAL PROGRESSION")
LONGEST_MM = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of the form: a lesion known from baseline, or a place for one."""

    link: str
    kind: str
    location: str  # "" where it is still to be named
    test: str  # LDIAM, LPERP (short axis of a node) or TUMSTATE


def images(patient: Patient, evaluator: str) -> tuple[Event, ...]:
    """Return one reader's images of a patient, in the order they were recorded."""
    return tuple(
        one
        for one in patient.events
        if one.kind == "imaging recorded" and one.payload["evaluator"] == evaluator
    )


def places(patient: Patient, evaluator: str) -> tuple[Place, ...]:
    """Return the lines of a reader's next form: those of the baseline, or empty ones for it."""
    known: dict[str, Place] = {}
    for event in images(patient, evaluator):
        for one in event.payload.get("lesions", ()):
            if one["kind"] != NEW:
                names = ("link", "kind", "location", "test")
                known.setdefault(one["link"], Place(**{name: one[name] for name in names}))
    if known:
        return tuple(known.values())
    targets = [(f"T{number:02d}", TARGET, "LDIAM") for number in range(1, TARGETS + 1)]
    others = [(f"NT{number:02d}", NON_TARGET, "TUMSTATE") for number in range(1, OTHERS + 1)]
    return tuple(
        Place(link=link, kind=kind, location="", test=test)
        for link, kind, test in (*targets, *others)
    )


def lesions_typed(
    form: Mapping[str, str], patient: Patient, evaluator: str
) -> list[dict[str, Any]]:
    """Return the lesions of a form; an empty line is left out at baseline, not done after it.

    Raises ValueError that says every fault.
    """
    lesions: list[dict[str, Any]] = []
    faults: list[str] = []
    for place in places(patient, evaluator):
        location = place.location or form.get(f"{place.link}-location", "").strip().upper()
        text = form.get(f"{place.link}-found", "").strip().replace(",", ".")
        if not location and not text:
            continue
        if not location:
            faults.append(f"{place.link}: say where the lesion lies.")
            continue
        is_node = "NODE" in location and place.kind == TARGET
        test = "LPERP" if is_node and not place.location else place.test
        lesion = {"link": place.link, "kind": place.kind, "location": location[:80], "test": test}
        try:
            lesions.append(lesion | _found(place, text))
        except ValueError as error:
            faults.append(str(error))
    if location := form.get("new-location", "").strip().upper():
        number = sum(
            one["kind"] == NEW
            for event in images(patient, evaluator)
            for one in event.payload.get("lesions", ())
        )
        said = {"link": f"NEW{number + 1:02d}", "kind": NEW, "location": location[:80]}
        lesions.append(said | {"test": "TUMSTATE", "value": None, "result": "UNEQUIVOCAL"})
    if faults:
        raise ValueError(" ".join(faults))
    return lesions


def _found(place: Place, text: str) -> dict[str, Any]:
    """Return value and result; both None for a lesion that was not assessed."""
    if not text:
        return {"value": None, "result": None}
    if place.kind != TARGET:
        if text not in STATES:
            raise ValueError(f"{place.link}: {text} is none of {', '.join(STATES)}.")
        return {"value": None, "result": text}
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{place.link}: {text} is not a number of millimetres.") from None
    if not 0 <= value <= LONGEST_MM:
        raise ValueError(f"{place.link}: {value:g} mm does not lie between 0 and 500.")
    return {"value": value, "result": f"{value:g}"}
