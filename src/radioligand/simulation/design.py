# SPDX-License-Identifier: Apache-2.0
"""What a virtual study takes from the protocol, gathered in one place."""

from dataclasses import dataclass
from datetime import date
from math import inf
from typing import TypeVar

from radioligand.protocol import Arm, Protocol, Treatment

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The part of a protocol that decides how a virtual study is conducted.

    The first arm is the experimental one, given a radioligand in cycles and an analogue beside
    and after it; the second is given the analogue alone.
    """

    study: str
    title: str
    registry: str
    planned_subjects: int | None
    arms: tuple[str, str]  # ARMCD
    labels: tuple[str, str]  # ARM
    ratio: tuple[int, int]
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
    analogue_mg: tuple[float, float]  # by arm
    analogue_days: int


def design_of(protocol: Protocol, *, days: int) -> Design:
    """Take from a protocol what the simulation needs, with visits up to `days`.

    Raises ValueError if the protocol is not of the kind these virtual patients know: one arm
    with cycles of a radioligand in GBq, one control arm, both with an analogue in mg.
    """
    experimental = _only(
        protocol, "experimental arm", [a for a in protocol.arms if a.role == "experimental"]
    )
    control = _only(protocol, "control arm", [a for a in protocol.arms if a.role == "control"])
    radioligand = _only(
        protocol,
        "radioligand in GBq with its cycles",
        [t for t in experimental.treatments if t.unit == "GBq" and t.cycles],
    )
    protection = _only(
        protocol,
        "infusion that accompanies the radioligand",
        [t for t in experimental.treatments if t.accompanies and t.duration_hours],
    )
    analogues = [_analogue(protocol, arm) for arm in (experimental, control)]
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
        arms=(experimental.id, control.id),
        labels=(experimental.label, control.label),
        ratio=(experimental.ratio, control.ratio),
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
        analogue=analogues[0].name,
        analogue_mg=(analogues[0].amount or 0.0, analogues[1].amount or 0.0),
        analogue_days=round(7 * (analogues[0].every_weeks or 4)),
    )


def _analogue(protocol: Protocol, arm: Arm) -> Treatment:
    of = f"treatment in mg at an interval, in arm {arm.id}"
    return _only(protocol, of, [t for t in arm.treatments if t.unit == "mg" and t.every_weeks])


def _only(protocol: Protocol, what: str, found: list[_Kind]) -> _Kind:
    if len(found) != 1:
        raise ValueError(
            f"{protocol.trial.id}: virtual patients need one {what}; there are {len(found)}. "
            "Simulate a protocol of this kind, or read a real study."
        )
    return found[0]
