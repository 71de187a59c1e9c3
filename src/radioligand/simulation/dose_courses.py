# SPDX-License-Identifier: Apache-2.0
"""Virtual courses: a fixed activity against one that measured doses decide, on the same patients.

Each patient has true doses per activity, which change from cycle to cycle; they are scanned with
errors, fitted, and planned by the very functions that plan a real patient. What is counted is the
truth: dose to lesions, who ends in the target, who exceeds a limit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from radioligand.dosimetry.course import Course, Expectation, Limit, Target, steering_gy
from radioligand.dosimetry.curve_forms import FORMS
from radioligand.dosimetry.next_activity import Strategy, next_activity
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.radiobiology import bed_gy
from radioligand.dosimetry.time_activity import fit_replicates
from radioligand.protocol.records import DoseLimit, Dosimetry
from radioligand.simulation.dose_scenarios import DoseScenario
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kinetics import Terms, terms

Floats = NDArray[np.float64]
MULTIPLE, SINGLE = "several scans", "one scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignOutcome:
    """What one design does to the virtual patients, with Monte Carlo errors of the shares."""

    design: str  # "fixed", or "informed"
    strategy: str  # of the informed design
    scans: str
    site_log_sd: float
    patients: int
    activity_gbq: float  # mean over patients, all cycles together
    cycles: float  # given, mean
    steering_gy: float  # median of the truth
    steering_lower_gy: float  # 5th and 95th percentile
    steering_upper_gy: float
    in_target: float
    in_target_error: float
    below_target: float
    above_target: float
    over_limit: float  # any limit, in truth
    over_limit_error: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cohort:
    """True Gy/GBq by cycle, (n, c, r), and half-lives, (n, r); organs first, then lesions.

    Masses are those of the lesions, (n, l); all alike where nothing is weighted by them.
    """

    gy_per_gbq: Floats
    half_life_hours: Floats
    lesion_mass_g: Floats
    organs: int
    shapes: tuple[Terms, ...]  # of each organ, and of all lesions together

    def at(self, hours: Floats) -> Floats:
        """Every region's curve of integral 1 at these times, (n, r, t), per hour."""
        return np.concatenate([one.at(hours) for one in self.shapes], axis=1)


def compare_designs(
    dosimetry: Dosimetry,
    scenario: DoseScenario,
    *,
    fixed_gbq: float,
    patients: int,
    rng: Generator,
    strategies: Sequence[Strategy] = (),
    progress: Callable[[str], None] | None = None,
) -> tuple[DesignOutcome, ...]:
    """Return what the fixed and the informed design do, by scans and by spread between sites.

    All designs meet the same patients. Informed designs follow each of `strategies`; without them
    that of the protocol. `progress` is told of each informed design as it begins.

    Raises SimulationError if the scenario lacks an organ that the protocol limits, or the masses of
    lesions that the target is weighted by, or the protocol has no target.
    """
    known = [one.region for one in scenario.organs]
    lost = [one.region for one in dosimetry.limits if one.region not in known]
    if lost or dosimetry.target is None:
        raise SimulationError(
            f"the scenario needs the kinetics of {', '.join(lost)}."
            if lost
            else "the protocol has no [dosimetry.target] to compare designs by."
        )
    weighted = dosimetry.target.steering == "mass-weighted mean"
    if weighted and (scenario.lesion.mass_g is None or scenario.lesion.mass_log_sd is None):
        raise SimulationError(
            "the protocol's target is weighted by mass, and the scenario has none of lesions: add "
            "mass_g and mass_log_sd to its [lesion]."
        )
    cohort = _draw(scenario, dosimetry.cycles, patients, rng)
    scanning = scenario.scanning
    fixed = np.full((patients, dosimetry.cycles), fixed_gbq)
    outcomes = [_outcome("fixed", "", "none", 0.0, cohort, fixed, dosimetry, scenario)]
    site = _sites(scanning.sites)[np.arange(patients) % scanning.sites]
    shared = rng.standard_normal((2, patients, cohort.gy_per_gbq.shape[2]))
    noise = rng.standard_normal((*cohort.gy_per_gbq.shape, len(scanning.hours)))
    for strategy in strategies or (dosimetry.strategy,):
        steered = dosimetry.model_copy(update={"strategy": strategy})
        for spread in scanning.site_log_sd:
            for scans in (MULTIPLE, SINGLE):
                if progress:
                    progress(f"{strategy}, {scans}, {spread:g}")
                given = _informed(
                    cohort, steered, scenario, fixed_gbq, scans, spread * site, shared, noise
                )
                found = _outcome(
                    "informed", strategy, scans, spread, cohort, given, steered, scenario
                )
                outcomes.append(found)
    return tuple(outcomes)


def _sites(count: int) -> Floats:
    """Site effects of spread 1: quantiles of a normal distribution, so that few stand for all.

    A draw of ten sites would decide the answer, and no number of patients would tell its error.
    """
    quantiles = ndtri((np.arange(count) + 0.5) / count)
    spread = quantiles.std()
    return np.asarray(quantiles / spread if spread > 0 else quantiles)


def _draw(scenario: DoseScenario, cycles: int, patients: int, rng: Generator) -> _Cohort:
    """True kinetics; lesions of one patient share what is the patient's."""
    rates, half_lives, shapes = [], [], []
    groups = [*((one, 1) for one in scenario.organs), (scenario.lesion, scenario.lesions)]
    for one, members in groups:
        own = one.log_sd * rng.standard_normal((patients, 1))
        within = one.within_log_sd * rng.standard_normal((patients, members))
        change = one.cycle_log_sd * rng.standard_normal((patients, cycles, members))
        trend = math.log(one.cycle_factor) * np.arange(cycles)[None, :, None]
        rates.append(one.gy_per_gbq * np.exp((own + within)[:, None, :] + trend + change))
        spread = one.half_life_log_sd * rng.standard_normal((patients, members))
        half_life = one.half_life_hours * np.exp(spread)
        half_lives.append(np.minimum(half_life, 0.99 * LUTETIUM_177.half_life_hours))
        shapes.append(terms(one, half_lives[-1]))
    # of a stream of their own, so that masses change nothing else of the patients
    deviation = rng.spawn(1)[0].standard_normal((patients, scenario.lesions))
    of_masses = scenario.lesion.mass_log_sd or 0.0
    return _Cohort(
        gy_per_gbq=np.concatenate(rates, axis=2),
        half_life_hours=np.concatenate(half_lives, axis=1),
        lesion_mass_g=(scenario.lesion.mass_g or 1.0) * np.exp(of_masses * deviation),
        organs=len(scenario.organs),
        shapes=tuple(shapes),
    )


def _informed(
    cohort: _Cohort,
    dosimetry: Dosimetry,
    scenario: DoseScenario,
    first_gbq: float,
    scans: str,
    site: Floats,
    shared: Floats,
    noise: Floats,
) -> Floats:
    """Activities that the protocol recommends from measured doses, (n, c)."""
    patients, cycles, regions = cohort.gy_per_gbq.shape
    scanning = scenario.scanning
    volume = np.array(
        [one.volume_error for one in scenario.organs]
        + [scenario.lesion.volume_error] * scenario.lesions
    )
    bias = np.exp(site[:, None] + scanning.systematic_error * shared[0] + volume * shared[1])
    systematic = np.hypot(scanning.systematic_error, volume)
    drawn = np.exp(-volume * shared[1])  # volume over the true one: too small, and the dose is high
    mass = np.ones((patients, regions))
    mass[:, cohort.organs :] = cohort.lesion_mass_g * drawn[:, cohort.organs :]
    given = np.zeros((patients, cycles))
    given[:, 0] = min(first_gbq, dosimetry.cap_gbq)
    measured, random, half = (np.full((patients, cycles, regions), np.nan) for _ in range(3))
    going = np.ones(patients, bool)
    for cycle in range(cycles):
        true = cohort.gy_per_gbq[:, cycle] * given[:, cycle, None]
        found = _measure(true, cohort, scenario, scans, noise[:, cycle])
        measured[:, cycle] = found[0] * bias
        random[:, cycle], half[:, cycle] = found[1], found[2]
        if cycle + 1 == cycles:
            break
        for patient in np.flatnonzero(going):
            activity = _next(
                measured[patient, : cycle + 1],
                random[patient, : cycle + 1],
                half[patient, : cycle + 1],
                given[patient, : cycle + 1],
                mass[patient],
                systematic,
                cohort.organs,
                dosimetry,
                scenario,
            )
            given[patient, cycle + 1] = activity
            going[patient] = activity > 0
        if not going.any():
            break
    return given


def _measure(
    dose_gy: Floats, cohort: _Cohort, scenario: DoseScenario, scans: str, noise: Floats
) -> tuple[Floats, Floats, Floats]:
    """Measured dose, its relative random error and the half-life found, (n, r) each.

    Activities are in units of dose: the curve is the dose times one of integral 1. Whatever its
    form, one exponential is fitted to it, as the protocol's methods do.
    """
    scanning = scenario.scanning
    rate = np.log(2) / cohort.half_life_hours
    u = scanning.random_error
    if scans == SINGLE:
        median = np.array(
            [one.half_life_hours for one in scenario.organs]
            + [scenario.lesion.half_life_hours] * scenario.lesions
        )
        spread = np.array(
            [one.half_life_log_sd for one in scenario.organs]
            + [scenario.lesion.half_life_log_sd] * scenario.lesions
        )
        borrowed = np.log(2) / median
        when = scanning.single_hours
        seen = dose_gy * cohort.at(np.array([when]))[..., 0] * np.exp(u * noise[..., 0])
        by_rate = np.abs(borrowed * when - 1) * spread  # d ln(dose) / d ln(rate) = rate T - 1
        error = np.broadcast_to(np.hypot(u, by_rate), dose_gy.shape)
        half = np.broadcast_to(median, dose_gy.shape)
        return seen * np.exp(borrowed * when) / borrowed, error, half
    times = np.asarray(scanning.hours, float)
    seen = dose_gy[..., None] * cohort.at(times) * np.exp(u * noise)
    rows = (seen[..., 0].size, times.size)
    treated = dose_gy.reshape(-1) > 0  # who had no activity has nothing to fit
    flat = np.where(treated[:, None], seen.reshape(rows), 1.0)
    decay = LUTETIUM_177.decay_per_hour
    start = np.column_stack(
        [np.log(flat[:, 0]), np.log(np.maximum(rate.reshape(-1) - decay, 1e-6))]
    )
    parameters, _, integral = fit_replicates(
        np.broadcast_to(times, rows), flat, u * flat, start, shape=FORMS["mono"],
        nuclide=LUTETIUM_177,
    )  # fmt: skip
    found_rate = decay + np.exp(parameters[:, 1])
    # ln(integral) = ln(amplitude) - ln(rate), from a straight line through the logarithms
    mean, scatter = times.mean(), float(np.sum((times - times.mean()) ** 2))
    error = u * np.sqrt(1 / times.size + (mean - 1 / found_rate) ** 2 / scatter)
    shape = dose_gy.shape
    found = np.where(treated, integral, 0.0).reshape(shape)
    return found, error.reshape(shape), (np.log(2) / found_rate).reshape(shape)


def _next(
    dose: Floats,
    random: Floats,
    half: Floats,
    given: Floats,
    mass_g: Floats,
    systematic: Floats,
    organs: int,
    dosimetry: Dosimetry,
    scenario: DoseScenario,
) -> float:
    """One patient's next activity, by the function that plans real patients."""
    limits = {one.region: one for one in dosimetry.limits}
    names = [one.region for one in scenario.organs]
    names += [f"lesion {place + 1}" for place in range(scenario.lesions)]
    courses = []
    for place, name in enumerate(names):
        repair = limits[name].repair_half_time_hours if name in limits else None
        g = repair / (repair + half[:, place]) if repair else np.full(given.size, np.nan)
        courses.append(
            Course(
                region=name,
                activity_gbq=given,
                dose_gy=dose[:, place],
                random=random[:, place],
                systematic=float(systematic[place]),
                protraction=g,
                mass_g=float(mass_g[place]),
            )
        )
    assert dosimetry.target is not None
    left = dosimetry.cycles - given.size
    plan = next_activity(
        courses[:organs],
        courses[organs:],
        limits=[_limit(one) for one in dosimetry.limits],
        target=Target(**dosimetry.target.model_dump()),
        strategy=dosimetry.strategy,
        organ_expectation=Expectation(**dosimetry.organs.model_dump()),
        lesion_expectation=Expectation(**dosimetry.lesions.model_dump()),
        cap_gbq=dosimetry.cap_gbq,
        step_ratio=dosimetry.step_ratio or math.inf,
        cycles_left=left if dosimetry.spread_over_cycles else 1,
        samples=1,
        rng=np.random.default_rng(0),  # its probabilities are not looked at
    )
    return plan.activity_gbq


def _limit(one: DoseLimit) -> Limit:
    return Limit(
        region=one.region,
        quantity=one.quantity,
        limit_gy=one.limit_gy,
        alpha_beta_gy=one.alpha_beta_gy or math.nan,
    )


def _outcome(
    design: str,
    strategy: str,
    scans: str,
    spread: float,
    cohort: _Cohort,
    given: Floats,
    dosimetry: Dosimetry,
    scenario: DoseScenario,
) -> DesignOutcome:
    """Count the truth: lesions by the steering statistic, organs against their limits."""
    target = dosimetry.target
    assert target is not None
    doses = cohort.gy_per_gbq * given[..., None]
    lesions = doses[..., cohort.organs :].sum(axis=1)
    steering = np.array(
        [
            steering_gy(dose, mass, steering=target.steering)
            for dose, mass in zip(lesions, cohort.lesion_mass_g, strict=True)
        ]
    )
    over = np.zeros(len(given), bool)
    names = [one.region for one in scenario.organs]
    for limit in dosimetry.limits:
        place = names.index(limit.region)
        each = doses[..., place]
        if limit.quantity == "bed" and limit.alpha_beta_gy and limit.repair_half_time_hours:
            g = cohort.shapes[place].protraction(limit.repair_half_time_hours)
            each = bed_gy(each, protraction=g, alpha_beta_gy=limit.alpha_beta_gy)
        over |= each.sum(axis=1) > limit.limit_gy
    inside = (steering >= target.lower_gy) & (steering <= target.upper_gy)
    n = len(given)
    low, middle, high = np.quantile(steering, (0.05, 0.5, 0.95))
    return DesignOutcome(
        design=design,
        strategy=strategy,
        scans=scans,
        site_log_sd=spread,
        patients=n,
        activity_gbq=float(given.sum(axis=1).mean()),
        cycles=float((given > 0).sum(axis=1).mean()),
        steering_gy=float(middle),
        steering_lower_gy=float(low),
        steering_upper_gy=float(high),
        in_target=float(inside.mean()),
        in_target_error=math.sqrt(inside.mean() * (1 - inside.mean()) / n),
        below_target=float((steering < target.lower_gy).mean()),
        above_target=float((steering > target.upper_gy).mean()),
        over_limit=float(over.mean()),
        over_limit_error=math.sqrt(over.mean() * (1 - over.mean()) / n),
    )
