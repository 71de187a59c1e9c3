# SPDX-License-Identifier: Apache-2.0
"""Tables of the document on dosimetry: how doses are found, what limits and what is aimed at."""

from typing import Annotated, Literal

from pydantic import Field

from radioligand.protocol.base import Positive, Record, Word

Share = Annotated[float, Field(ge=0, lt=1)]
CurveForm = Literal["mono", "bi", "tri", "uptake", "uptake-bi"]
Role = Literal["organ", "lesion", "remainder", "marrow"]


class DosePrior(Record):
    """An effective half-life that is borrowed from a cohort, with the source that gives it."""

    id: Word
    median_hours: Positive
    log_sd: Positive  # standard deviation of the half-life's logarithm
    citation: Annotated[str, Field(min_length=3)]


class DoseMethod(Record):
    """How the dose of a region is found from its scans; the first that fits a region counts."""

    role: Role
    regions: tuple[str, ...] = ()  # empty: all of that role
    integral: Literal["curve", "trapezoid", "haenscheid", "madsen", "prior cycle", "map"] = "curve"
    form: CurveForm = "mono"
    forms: tuple[CurveForm, ...] = ()  # chosen among on the pooled cohort, in place of `form`
    tail: Literal["last-two", "physical"] = "last-two"  # of a trapezoid
    before: Literal["constant", "zero"] = "constant"  # of a trapezoid: what it comes from
    prior: Word | None = None
    outside_window: bool = False  # whether one scan may lie outside its window
    blood_ratio: Positive | None = None  # of marrow to blood, where blood is measured
    volume_slope: float = 0.0  # d ln(activity) / d ln(volume)
    dose_factor_error: Share = 0.0  # relative, of the S value
    plausible_gy_per_gbq: tuple[Positive, Positive] | None = None  # outside: a warning


class DoseLimit(Record):
    """The most that a region may get over all cycles, as dose or as BED."""

    region: str
    quantity: Literal["dose", "bed"] = "dose"
    limit_gy: Positive
    alpha_beta_gy: Positive | None = None
    repair_half_time_hours: Positive | None = None
    citation: Annotated[str, Field(min_length=3)]


class DoseTarget(Record):
    """What target lesions shall get over all cycles, and the statistic over them that steers."""

    lower_gy: Positive
    upper_gy: Positive
    aim_gy: Positive
    steering: Literal["min", "mean", "mass-weighted mean", "max"]


class DoseExpectation(Record):
    """How the next cycle's dose per activity is foretold from those before."""

    by: Literal["last", "mean", "trend"] = "last"
    factor: Positive = 1.0
    spread: Share  # relative standard deviation from cycle to cycle


class SValueFiles(Record):
    """Files of S values in the folder of the study, each of a phantom of that sex."""

    female: Annotated[str, Field(min_length=1)] | None = None
    male: Annotated[str, Field(min_length=1)] | None = None

    @property
    def by_sex(self) -> dict[str, str]:
        """The files by the values of SEX."""
        both = {"F": self.female, "M": self.male}
        return {sex: name for sex, name in both.items() if name}


class Dosimetry(Record):
    """A part of the trial in which measured doses decide the next activity."""

    arms: Annotated[tuple[str, ...], Field(min_length=1)]
    strategy: Literal["lesion target", "organ limit"]
    cycles: Annotated[int, Field(ge=1)]
    cap_gbq: Positive
    step_ratio: Positive | None = None  # most of the next activity over the one before
    spread_over_cycles: bool = True  # whether what is left is shared by the cycles left
    missing_cycle: Literal["refuse", "carry"] = "refuse"
    carry_spread: Share | None = None
    overlap: Literal["refuse", "subtract"] = "refuse"  # of a lesion that lies in an organ
    half_life_days: Positive | None = None
    half_life_reason: str = ""
    s_values: SValueFiles | None = None  # of a study; without, organs have self-dose alone
    methods: Annotated[tuple[DoseMethod, ...], Field(min_length=1)]
    priors: tuple[DosePrior, ...] = ()
    limits: Annotated[tuple[DoseLimit, ...], Field(min_length=1)]
    target: DoseTarget | None = None
    organs: DoseExpectation
    lesions: DoseExpectation

    def method(self, region: str, role: str) -> DoseMethod | None:
        """The method of a region, or None if the document has none."""
        return next(
            (
                one
                for one in self.methods
                if one.role == role and (not one.regions or region in one.regions)
            ),
            None,
        )

    def prior(self, prior_id: str | None) -> DosePrior | None:
        return next((one for one in self.priors if one.id == prior_id), None)
