# SPDX-License-Identifier: Apache-2.0
"""Lesions as they are: where they sit, how they shrink and grow back, when new ones appear.

A lesion's diameter follows tumour growth inhibition, y(t) = y0 (exp(-d t) + exp(g t) - 1), with
d the rate at which sensitive and g the rate at which resistant disease changes (Stein et al.,
Oncologist 2008;13:1046). New lesions and unequivocal progression of non-target disease come with
a hazard that accumulates as the resistant part, exp(g t) - 1, grows.
"""

from dataclasses import dataclass

import numpy as np

from radioligand.simulation.parameters import ArmGrowth, Population
from radioligand.simulation.population import ORGANS, Subjects
from radioligand.simulation.streams import Flags, Floats, Whole, normals, uniforms, waiting_times

# Every subject has the same slots; a lesion is there or not. (organ, key of its share)
SLOTS = (
    ("LIVER", "liver_1"),
    ("LIVER", "liver_2"),
    ("LIVER", "liver_3"),
    ("LYMPH NODE", "node_1"),
    ("LYMPH NODE", "node_2"),
    ("PRIMARY", ""),
    ("PERITONEUM", "peritoneum"),
    ("LUNG", "other"),
    ("BONE", "bone"),  # from here on not measurable
    ("PERITONEUM", "peritoneal_deposits"),
    ("LYMPH NODE", "small_node"),
)
LONGEST_MM = 300.0  # of a lesion, however long it is followed
MEASURABLE = 8  # the first so many slots
ORGAN = np.array([organ for organ, _ in SLOTS])
NODE = ORGAN == "LYMPH NODE"
_DISEASE = {"LIVER": "LIVER", "LYMPH NODE": "LN", "PERITONEUM": "PERI", "BONE": "BONE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tumours:
    """Lesions of the randomised subjects: (n,) a subject, (n, slots) a lesion; weeks."""

    present: Flags  # (n, slots)
    diameter_mm: Floats  # (n, slots) at baseline; of a node its short axis
    shrinkage: Floats  # (n, slots) d per week
    growth: Floats  # (n, slots) g per week
    subject_growth: Floats  # (n,) g per week
    new_lesion_week: Floats  # (n,) after the start of treatment
    non_target_week: Floats  # (n,)


def simulate_tumours(
    subjects: Subjects,
    *,
    population: Population,
    arm_ids: tuple[str, ...],
    seed: int,
    draws: Whole | None = None,
) -> Tumours:
    """Give each randomised subject its lesions and their kinetics under its arm's treatment.

    The lesions are the seed's; their kinetics, and whether any can be measured, are those of each
    subject's draw, (n,).
    """
    n = subjects.arm.size
    model = population.growth
    present, diameter = _at_baseline(subjects, population, seed, draws)

    arms = [population.arms[arm] for arm in arm_ids]
    arm = np.maximum(subjects.arm, 0)
    z = normals(seed, "kinetics", n, 2, draws=draws)
    ki67 = np.log(subjects.ki67_percent / population.baseline.usual_ki67_percent)
    pancreas, grade3 = subjects.origin == "PANCREAS", subjects.grade == "3"
    log_d = (
        np.log([each.shrinkage_per_week for each in arms])[arm]
        + model.shrinkage_pancreas * (pancreas - 0.54)
        + model.shrinkage_grade3 * (grade3 - 0.35)
        + model.shrinkage_uptake4 * ((subjects.highest_uptake == 4) - 0.64)
        + model.shrinkage_sd * z[:, 0]
    )
    correlation = np.array([_correlation(each, population) for each in arms])[arm]
    independent = np.sqrt(1 - correlation**2)
    kind = uniforms(seed, "kind of response", n, draws=draws)
    deep = kind < np.array([each.deep_responder for each in arms])[arm]
    minority = kind > 1 - np.array([each.minority for each in arms])[arm]
    usual = np.array([each.growth_per_week for each in arms])[arm]
    unusual = np.array([each.minority_growth_per_week for each in arms])[arm]
    growth_sd = np.array([each.growth_sd for each in arms])[arm]
    log_g = (
        np.log(np.where(minority, unusual, usual))
        + model.growth_ki67 * ki67
        + growth_sd * (correlation * z[:, 0] + independent * z[:, 1])
    )
    melting = np.array([each.deep_shrinkage_per_week for each in arms])[arm]
    less = np.where(minority, np.array([each.minority_shrinkage for each in arms])[arm], 1.0)
    d = np.where(deep, melting, less * np.exp(log_d))
    g = np.where(deep, np.array([each.deep_growth for each in arms])[arm], 1.0) * np.exp(log_g)

    slots = len(SLOTS)
    large = (ORGAN == "LIVER") & (diameter > (model.large_lesion_mm or np.inf))
    debulked = np.array([each.debulked or 0.0 for each in arms])[arm]
    shielded = large & (uniforms(seed, "debulking", n, slots, draws=draws) >= debulked[:, None])
    between = normals(seed, "lesion kinetics", n, slots, 2, draws=draws)
    lesion_sd = np.where(deep, 0.2, 1.0) * model.lesion_shrinkage_sd
    hazard = waiting_times(seed, "new disease", n, 2, draws=draws)
    weeks = np.log1p((hazard / [model.new_lesion, model.non_target]) ** (1 / model.kinetics_shape))
    return Tumours(
        present=present,
        diameter_mm=diameter,
        shrinkage=d[:, None]
        * np.exp(lesion_sd[:, None] * between[:, :, 0])
        * np.where(shielded, model.large_lesion_shrinkage or 1.0, 1.0),
        growth=g[:, None] * np.exp(model.lesion_growth_sd * between[:, :, 1]),
        subject_growth=g,
        new_lesion_week=weeks[:, 0] / g,
        non_target_week=weeks[:, 1] / g,
    )


def _correlation(arm: ArmGrowth, population: Population) -> float:
    return population.growth.correlation if arm.correlation is None else arm.correlation


def diameters(tumours: Tumours, week: Floats, *, treated: Flags) -> Floats:
    """True diameters in mm at `week` after the start of treatment (n, v), as (n, v, slots)."""
    t = np.maximum(week, 0.0)[:, :, None]
    d = tumours.shrinkage[:, None, :] * treated[:, None, None]
    factor = np.exp(-d * t) + np.expm1(tumours.growth[:, None, :] * t)
    true_mm: Floats = np.minimum(tumours.diameter_mm[:, None, :] * factor, LONGEST_MM)
    return true_mm


def _at_baseline(
    subjects: Subjects, population: Population, seed: int, draws: Whole | None
) -> tuple[Flags, Floats]:
    n, lesions = subjects.arm.size, population.lesions
    share = np.empty((n, len(SLOTS)))
    for slot, (organ, key) in enumerate(SLOTS):
        if organ == "PRIMARY":
            share[:, slot] = [lesions.primary_measurable[each] for each in subjects.origin]
        else:
            share[:, slot] = lesions.measurable[key]
        if organ in _DISEASE:
            share[:, slot] *= subjects.metastases[:, ORGANS.index(_DISEASE[organ])]
    present = uniforms(seed, "lesions", n, len(SLOTS)) < share
    # who has nothing measurable is given one lesion, but for a few without any
    bare = ~present[:, :MEASURABLE].any(1)
    fallback = np.where(subjects.metastases[:, 1], 0, np.where(subjects.metastases[:, 2], 3, 5))
    present[np.flatnonzero(bare), fallback[bare]] = True
    unmeasurable = uniforms(seed, "unmeasurable", n, draws=draws) < lesions.no_measurable
    present[unmeasurable, :MEASURABLE] = False
    present[unmeasurable, MEASURABLE + 1] = True

    median, sd = np.array([lesions.diameter_mm[organ] for organ, _ in SLOTS]).T
    diameter = median * np.exp(sd * normals(seed, "diameters", n, len(SLOTS)))
    least = np.where(NODE, 16.0, 11.0)
    diameter = np.maximum(diameter, least)
    small = np.arange(len(SLOTS)) >= MEASURABLE
    limit = np.where(NODE, 14.4, 60.0)
    return present, np.where(small, np.clip(diameter, 10.2, limit), diameter)
