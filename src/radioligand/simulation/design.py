# SPDX-License-Identifier: Apache-2.0
"""What a virtual study takes from the protocol, gathered in one place."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import TypeVar

from radioligand.protocol import Arm, Protocol, Treatment

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drug:
    """A drug beside radioligand and analogue: given at an interval, or with each infusion."""

    name: str
    amount: float
    unit: str
    route: str
    every_days: int  # 0: with each infusion
    lasts_days: int  # of one record: how many days it is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The part of a protocol that decides how a virtual study is conducted.

    Arms are in the protocol's order. An arm that is infused is given the radioligand in cycles and
    an analogue beside and after it; another the analogue alone; either may be given further drugs.
    """

    study: str
    title: str
    registry: str
    planned_subjects: int | None
    arms: tuple[str, ...]  # ARMCD
    labels: tuple[str, ...]  # ARM
    ratio: tuple[int, ...]
    infused: tuple[bool, ...]  # by arm: given the radioligand
    block_size: int
    entries_per_stratum: int
    factors: tuple[tuple[str, str], ...]  # QNAM and label of each stratification factor
    scan_days: tuple[int, ...]  # planned, after randomisation
    follow_up_scan_days: tuple[int, ...]  # after entering long-term follow-up, read locally
    treatment_days: float  # of the treatment phase, at most; inf: until progression
    treatment_limit: date  # the day on which that limit comes into force
    form_days: int  # from one questionnaire to the next; 0: there are none
    radioligand: str
    activity_gbq: float
    infusion_minutes: float
    cycles: int
    cycle_days: int
    protection: str  # amino acids
    protection_start_minutes: float  # after the radioligand's start
    protection_hours: float
    analogue: str
    analogue_mg: tuple[float, ...]  # by arm; 0: none
    analogue_days: int
    further: tuple[tuple[Drug, ...], ...]  # by arm: what is given besides


def design_of(protocol: Protocol, *, days: int) -> Design:
    """Take from a protocol what the simulation needs, with visits up to `days`.

    Raises ValueError if the protocol is not of the kind these virtual patients know: one
    radioligand, given in GBq and the same cycles wherever it is given, with the same protection;
    and at most one analogue an arm, injected in mg at an interval.
    """
    radioligand = _only(
        protocol,
        "radioligand in GBq with its cycles",
        _alike(t for arm in protocol.arms for t in arm.treatments if t.unit == "GBq" and t.cycles),
    )
    protection = _only(
        protocol,
        "infusion that accompanies the radioligand",
        _alike(
            t
            for arm in protocol.arms
            for t in arm.treatments
            if t.accompanies and t.duration_hours and not t.amount
        ),
    )
    analogues = [_analogue(protocol, arm) for arm in protocol.arms]
    given = _only(protocol, "analogue", _alike(_nameless(each) for each in analogues if each))
    randomisation = protocol.randomisation
    if randomisation is None:
        raise ValueError(f"{protocol.trial.id}: virtual patients need a [randomisation]. Add it.")
    imaging = _only(
        protocol,
        "activity of the schedule that fills TR, for every reader",
        [each for each in protocol.schedule if "TR" in each.domains and not each.evaluations],
    )
    later = [each for each in protocol.schedule if "TR" in each.domains and each.evaluations]
    forms = [each for each in protocol.schedule if "QS" in each.domains]
    phase = next((each for each in protocol.phases if each.weeks), None)
    return Design(
        study=protocol.trial.name,
        title=protocol.trial.title,
        registry=protocol.trial.registry,
        planned_subjects=protocol.planning.subjects if protocol.planning else None,
        arms=tuple(arm.id for arm in protocol.arms),
        labels=tuple(arm.label for arm in protocol.arms),
        ratio=tuple(arm.ratio for arm in protocol.arms),
        infused=tuple(radioligand in arm.treatments for arm in protocol.arms),
        block_size=randomisation.block_size,
        entries_per_stratum=randomisation.entries_per_stratum,
        factors=tuple((factor.id, factor.label) for factor in randomisation.strata),
        scan_days=imaging.planned_days(days),
        follow_up_scan_days=later[0].planned_days(days) if later else (),
        treatment_days=7 * phase.weeks if phase and phase.weeks else inf,
        treatment_limit=phase.weeks_from if phase and phase.weeks_from else date.min,
        form_days=round(7 * (forms[0].then_every_weeks or 12)) if forms else 0,
        radioligand=radioligand.name,
        activity_gbq=radioligand.amount or 0.0,
        infusion_minutes=radioligand.infusion_minutes or 30,
        cycles=radioligand.cycles or 1,
        cycle_days=round(7 * (radioligand.every_weeks or 8)),
        protection=protection.name,
        protection_start_minutes=protection.start_minutes or 0,
        protection_hours=protection.duration_hours or 0,
        analogue=given.name,
        analogue_mg=tuple((each.amount or 0.0) if each else 0.0 for each in analogues),
        analogue_days=round(7 * (given.every_weeks or 4)),
        further=tuple(_further(arm, radioligand.name, given.name) for arm in protocol.arms),
    )


def _alike(found: Iterable[_Kind]) -> list[_Kind]:
    """What is found, each kind once."""
    kinds: list[_Kind] = []
    for each in found:
        if each not in kinds:
            kinds.append(each)
    return kinds


def _nameless(analogue: Treatment) -> Treatment:
    """An analogue whatever its amount and when it is given."""
    keys = ("amount", "follows", "until", "note")
    return analogue.model_copy(update=dict.fromkeys(keys))


def _analogue(protocol: Protocol, arm: Arm) -> Treatment | None:
    """What an arm is injected in mg at an interval; None if nothing."""
    found = [
        t for t in arm.treatments if t.unit == "mg" and t.every_weeks and t.route == "INTRAMUSCULAR"
    ]
    return _only(protocol, f"analogue in arm {arm.id}", found) if found else None


def _further(arm: Arm, radioligand: str, analogue: str) -> tuple[Drug, ...]:
    """What has an amount and an interval, or goes with the infusions, and is neither of the two."""
    return tuple(
        Drug(
            name=each.name,
            amount=each.amount,
            unit=each.unit,
            route=each.route,
            every_days=round(7 * each.every_weeks) if each.every_weeks else 0,
            lasts_days=max(round((each.duration_hours or 0) / 24), 1),
        )
        for each in arm.treatments
        if each.name not in (radioligand, analogue)
        and each.amount
        and each.unit
        and (each.every_weeks or each.accompanies)
    )


def _only(protocol: Protocol, what: str, found: list[_Kind]) -> _Kind:
    if len(found) != 1:
        raise ValueError(
            f"{protocol.trial.id}: virtual patients need one {what}; there are {len(found)}. "
            "Simulate a protocol of this kind, or read a real study."
        )
    return found[0]
