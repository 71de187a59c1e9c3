# SPDX-License-Identifier: Apache-2.0
"""What a protocol says of its size: cutoff, assumptions, accrual, looks."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Fraction, Name, Positive, Record


class Cutoff(Record):
    """When the primary analysis is due: at the nth event of an endpoint."""

    endpoint: Name
    events: Annotated[int, Field(ge=1)]
    published: date | None = None


class AccrualStep(Record):
    """Subjects a month, from a month on until the next step."""

    from_month: Annotated[float, Field(ge=0)]
    per_month: Annotated[float, Field(ge=0)]


class HazardStep(Record):
    """The hazard of the control arm from a month of follow-up on until the next step."""

    from_month: Annotated[float, Field(ge=0)]
    per_month: Annotated[float, Field(ge=0)] | None = None
    median_months: Positive | None = None  # instead: which median that hazard would make


class HazardRatioStep(Record):
    """The effect from a month of follow-up on until the next step."""

    from_month: Annotated[float, Field(ge=0)]
    hazard_ratio: Positive


class Hazards(Record):
    """Hazards and effects that change, as a scenario has them."""

    hazard_steps: tuple[HazardStep, ...] = ()
    hazard_ratio_steps: tuple[HazardRatioStep, ...] = ()


class SiteActivation(Record):
    """Sites that open one after the other, each with the same share of the full rate."""

    sites: Annotated[int, Field(ge=1)]
    per_month: Positive


class Looks(Record):
    """Looks at the data while the events gather; the last look is the final analysis."""

    events: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)]
    spending: Literal[
        "obrien-fleming",
        "pocock",
        "classical-obrien-fleming",
        "classical-pocock",
        "haybittle-peto",
    ] = "obrien-fleming"
    planned_events: tuple[Annotated[int, Field(ge=1)], ...] = ()


class RatePlanning(Record):
    """The assumptions of a comparison of two rates, such as objective response."""

    label: str
    control: Fraction
    experimental: Fraction
    alpha: Fraction
    sided: Literal[1, 2]
    power: Fraction
    margin: Annotated[float, Field(gt=-1, lt=1)] = 0.0


class Planning(Record):
    """The assumptions of the sample size, of a time to event; `also` holds further endpoints."""

    endpoint: Name
    hazard_ratio: Positive
    median_control_months: Positive
    median_experimental_months: Positive | None = None
    alpha: Fraction
    sided: Literal[1, 2]
    power: Fraction
    method: Literal["schoenfeld", "freedman", "lakatos"] = "schoenfeld"
    margin: Positive = 1.0
    shape: Positive = 1.0
    cured_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    delay_months: Annotated[float, Field(ge=0)] = 0.0
    hazard_steps: tuple[HazardStep, ...] = ()
    hazard_ratio_steps: tuple[HazardRatioStep, ...] = ()
    crossover_per_month: Annotated[float, Field(ge=0)] = 0.0
    accrual_per_month: Positive | None = None
    accrual_months: Positive | None = None
    accrual_steps: tuple[AccrualStep, ...] = ()
    ramp_months: Positive | None = None
    site_activation: SiteActivation | None = None
    follow_up_months: Positive | None = None
    dropout_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    dropout_months: Positive | None = None
    multiplicity: Literal["none", "bonferroni", "dunnett"] = "none"
    interim: Looks | None = None
    events: Annotated[int, Field(ge=1)] | None = None
    subjects: Annotated[int, Field(ge=1)] | None = None
    rates: tuple[RatePlanning, ...] = ()
    also: tuple["Planning", ...] = ()
