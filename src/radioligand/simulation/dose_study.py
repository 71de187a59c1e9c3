# SPDX-License-Identifier: Apache-2.0
"""A virtual study's dosimetry: true kinetics, scans with errors (XA), and what they recommend.

The next activity is found from the scans by the very functions that plan a real patient. All
cycles are worked out before the study is conducted; who stops earlier is not given the later ones,
which changes nothing before.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from radioligand.dosimetry.nuclide import gray_grams
from radioligand.dosimetry.spheres import LEAST_G, MOST_G, sphere_energy
from radioligand.patient_dosimetry.doses import doses_and_faults
from radioligand.patient_dosimetry.measurements import check_measurements
from radioligand.patient_dosimetry.plans import next_recommended
from radioligand.protocol import Protocol
from radioligand.protocol.records import Dosimetry
from radioligand.simulation.design import Design
from radioligand.simulation.dose_scenarios import DoseScenario, Kinetics
from radioligand.simulation.dosing import filling
from radioligand.simulation.frames import dataset, numbers, plain
from radioligand.simulation.kinetics import half_lives, terms
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import Subjects
from radioligand.simulation.streams import Flags, Floats, Texts, Whole, normals

DENSITY = {"organ": 1.05, "lesion": 1.04}  # g/mL, of soft tissue
SMALLEST_GBQ = 0.01  # activity is ordered in steps of ten MBq, never above what is recommended
CAMERAS = ("A", "B", "C")  # of sites in turn
CALIBRATION = 9.2  # cps per MBq of a site without bias


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VirtualDoses:
    """Of the randomised subjects, (n,), in cycles, (n, c): planned, given and what scans show.

    `per_gbq` is activity in MBq for each GBq given, (n, c, regions, scans), as measured.
    """

    regions: Texts  # (r,)
    roles: Texts  # (r,)
    planned_gbq: Floats  # (n, c)
    given_gbq: Floats  # (n, c)
    true_gy_per_gbq: Floats  # (n, c, r)
    per_gbq: Floats  # (n, c, r, s)
    minutes: Whole  # (n, c, s) from the start of the infusion
    volume_ml: Floats  # (n, r) as drawn
    volume_error: Floats  # (r,)
    random_error: float
    systematic_error: float
    site: Whole  # (n,) place of a subject's site
    calibration: Floats  # (sites,)
    shrinkage: Floats  # (n,) what dose does to the rate of shrinkage


def simulate_doses(
    subjects: Subjects,
    *,
    protocol: Protocol,
    population: Population,
    design: Design,
    seed: int,
) -> VirtualDoses | None:
    """Draw kinetics and scans, and plan every cycle of the arms that dosimetry is for.

    None where the protocol or the population has no dosimetry.
    """
    dosimetry, assumed = protocol.dosimetry, population.dosimetry
    if dosimetry is None or assumed is None:
        return None
    n = subjects.arm.size
    filled, _ = filling(n, population=population, design=design, phase="treatment", seed=seed)
    cycles = filled.shape[1]
    groups = _groups(assumed)
    true = _doses_per_gbq(groups, n, cycles, seed)
    half = np.concatenate(
        [half_lives(one, normals(seed, f"{one.region} half-life", n, m)) for one, _, m in groups], 1
    )
    mass = np.concatenate([_masses(one, m, n, seed) for one, _, m in groups], 1)
    roles = np.array([role for _, role, m in groups for _ in range(m)])
    density = np.array([DENSITY[role] for role in roles])
    energy = np.stack(
        [
            sphere_energy(mass[:, place], density_g_ml=density[place]).total_kev
            for place in range(roles.size)
        ],
        1,
    )
    scanning = assumed.scanning
    jitter = (scanning.jitter_hours or 0.0) * normals(
        seed, "scan time", n, cycles, len(scanning.hours)
    )
    hours = np.maximum(np.array(scanning.hours) + jitter, 0.5 * scanning.hours[0])
    minutes = np.sort(np.round(60 * hours).astype(np.int64), axis=-1)
    site, bias = _sites(subjects, assumed, seed)
    own = scanning.systematic_error * normals(seed, "calibration", n)
    curves = _curves(groups, half, minutes / 60)
    noise = np.exp(scanning.random_error * normals(seed, "scan", *curves.shape))
    integral = true * (mass / gray_grams(1.0) / energy)[:, None, :]  # MBq h per GBq
    seen = np.exp(bias[site] + own)[:, None, None, None] * noise
    volume_error = np.array([one.volume_error for one, _, m in groups for _ in range(m)])
    drawn = np.exp(volume_error * normals(seed, "drawn volume", n, roles.size))
    found = VirtualDoses(
        regions=np.array([name for one, role, m in groups for name in _names(one, role, m)]),
        roles=roles,
        planned_gbq=np.full((n, cycles), design.activity_gbq),
        given_gbq=np.round(design.activity_gbq * filled, 2),
        true_gy_per_gbq=true,
        per_gbq=integral[..., None] * curves * seen,
        minutes=minutes,
        volume_ml=np.round(mass / density * drawn, 2),
        volume_error=volume_error,
        random_error=scanning.random_error,
        systematic_error=scanning.systematic_error,
        site=site,
        calibration=np.round(CALIBRATION * np.exp(bias), 2),
        shrinkage=np.ones(n),
    )
    informed = np.isin(np.array(design.arms)[subjects.arm], dosimetry.arms)
    planned = _planned(found, dosimetry, np.flatnonzero(informed), filled)
    return _with_effect(planned, assumed)


def _groups(assumed: DoseScenario) -> list[tuple[Kinetics, str, int]]:
    """Kinetics, role and how many regions they are of, organs first."""
    organs = [(one, "organ", 1) for one in assumed.organs]
    return [*organs, (assumed.lesion, "lesion", assumed.lesions)]


def _names(one: Kinetics, role: str, members: int) -> list[str]:
    return [one.region] if role == "organ" else [f"LESION {k + 1}" for k in range(members)]


def _doses_per_gbq(
    groups: list[tuple[Kinetics, str, int]], n: int, cycles: int, seed: int
) -> Floats:
    """True Gy/GBq, (n, c, r); lesions of one patient share what is the patient's."""
    parts = []
    for one, _, members in groups:
        own = one.log_sd * normals(seed, f"{one.region} dose", n, 1, 1)
        within = one.within_log_sd * normals(seed, f"{one.region} dose within", n, 1, members)
        change = one.cycle_log_sd * normals(seed, f"{one.region} cycle", n, cycles, members)
        trend = np.log(one.cycle_factor) * np.arange(cycles)[None, :, None]
        parts.append(one.gy_per_gbq * np.exp(own + within + trend + change))
    return np.concatenate(parts, axis=2)


def _masses(one: Kinetics, members: int, n: int, seed: int) -> Floats:
    drawn = (one.mass_g or np.nan) * np.exp(
        (one.mass_log_sd or 0.0) * normals(seed, f"{one.region} mass", n, members)
    )
    return np.asarray(np.clip(drawn, 10 * LEAST_G, 0.9 * MOST_G))


def _curves(groups: list[tuple[Kinetics, str, int]], half: Floats, hours: Floats) -> Floats:
    """Shapes at the scans, (n, c, r, s), of integral 1."""
    parts, place = [], 0
    for one, _, members in groups:
        shape = terms(one, half[:, None, place : place + members])
        parts.append(shape.at(np.broadcast_to(hours[:, :, None, :], _wide(hours, members))))
        place += members
    return np.concatenate(parts, axis=2)


def _wide(hours: Floats, members: int) -> tuple[int, ...]:
    n, cycles, scans = hours.shape
    return n, cycles, members, scans


def _sites(subjects: Subjects, assumed: DoseScenario, seed: int) -> tuple[Whole, Floats]:
    """Place of each subject's site, (n,), and what its calibration is off by, (sites,), a log."""
    names, place = np.unique(subjects.site, return_inverse=True)
    spread = assumed.scanning.study_site_log_sd or 0.0
    return place, spread * normals(seed, "site calibration", names.size)


def _planned(doses: VirtualDoses, dosimetry: Dosimetry, who: Whole, filled: Floats) -> VirtualDoses:
    """The same with the activities that scans recommend to `who`, cycle by cycle."""
    planned, given = doses.planned_gbq.copy(), doses.given_gbq.copy()
    for cycle in range(1, min(planned.shape[1], dosimetry.cycles)):
        going = who[given[who, cycle - 1] > 0]
        planned[np.setdiff1d(who, going), cycle:] = 0.0
        if going.size:
            before = np.zeros(planned.shape, dtype=np.bool_)
            before[going, :cycle] = True
            so_far = replace(doses, given_gbq=given)
            measured = check_measurements(
                _scans(so_far, before), _infusions(so_far, before), dosimetry=dosimetry
            )
            found, _ = doses_and_faults(measured, dosimetry=dosimetry)
            for told in next_recommended(found, measured, dosimetry=dosimetry):
                subject = int(told.subject)
                amount = planned[subject, cycle - 1]  # again, where nothing can be recommended
                if told.activity_gbq is not None:
                    steps = told.activity_gbq / SMALLEST_GBQ
                    amount = SMALLEST_GBQ * np.floor(np.round(steps, 6))
                planned[subject, cycle] = np.round(amount, 2)
        given[who, cycle] = np.round(planned[who, cycle] * filled[who, cycle], 2)
    return replace(doses, planned_gbq=planned, given_gbq=given)


def _scans(doses: VirtualDoses, which: Flags) -> pl.DataFrame:
    """Rows of activities.csv of the cycles that are true, (n, c); subjects are their places."""
    who, cycle = np.nonzero(which)
    regions, scans = doses.regions.size, doses.minutes.shape[2]
    size = (who.size, regions, scans)

    def each(values: Any) -> Any:
        return np.broadcast_to(values, size).ravel()

    mbq = doses.per_gbq[who, cycle] * doses.given_gbq[who, cycle][:, None, None]
    place = doses.site[who]
    return pl.DataFrame(
        {
            "subject": each(who[:, None, None]),
            "cycle": each(cycle[:, None, None] + 1),
            "region": each(doses.regions[None, :, None]),
            "role": each(doses.roles[None, :, None]),
            "hours": each(doses.minutes[who, cycle][:, None, :]) / 60,
            "activity": np.round(mbq, 4).ravel(),
            "unit": each("MBq"),
            "decay_corrected_to": each("none"),
            "relative_error": each(doses.random_error),
            "systematic_error": each(doses.systematic_error),
            "volume_ml": each(doses.volume_ml[who][:, :, None]),
            "volume_error": each(doses.volume_error[None, :, None]),
            "density_g_per_ml": each(
                np.array([DENSITY[role] for role in doses.roles])[None, :, None]
            ),
            "nuclide": each("Lu-177"),
            "camera": each(np.array(CAMERAS)[place % len(CAMERAS)][:, None, None]),
            "recovery_curve": each(
                np.array([f"spheres, camera {one}" for one in CAMERAS])[place % len(CAMERAS)][
                    :, None, None
                ]
            ),
            "calibration_factor": each(doses.calibration[place][:, None, None]),
        }
    )


def _infusions(doses: VirtualDoses, which: Flags) -> pl.DataFrame:
    """Rows of administrations.csv; the calendar does not matter to what is recommended."""
    who, cycle = np.nonzero(which)
    start = np.array([f"2000-{2 * number + 1:02d}-01T09:00" for number in range(which.shape[1])])
    return pl.DataFrame(
        {
            "subject": who,
            "cycle": cycle + 1,
            "start": start[cycle],
            "calibrated_at": start[cycle],
            "activity_mbq": 1000 * doses.given_gbq[who, cycle],
            "nuclide": ["Lu-177"] * who.size,
        }
    )


def _with_effect(doses: VirtualDoses, assumed: DoseScenario) -> VirtualDoses:
    """Let the true dose to lesions over all planned cycles change how fast they shrink."""
    if assumed.effect is None:
        return doses
    lesions = doses.true_gy_per_gbq[:, :, doses.roles == "lesion"]
    dose = (lesions * doses.given_gbq[:, :, None]).sum(1).mean(1)
    least = 0.01 * assumed.effect.reference_gy
    ratio = np.maximum(dose, least) / assumed.effect.reference_gy
    return replace(doses, shrinkage=ratio**assumed.effect.slope)


def measurements(
    ex: pl.DataFrame,
    identifier: Texts,
    end: Floats,
    randomised_day: Whole,
    doses: VirtualDoses,
    *,
    design: Design,
) -> pl.DataFrame:
    """XA: the scans after each infusion of the treatment period, up to the `end` of follow-up.

    ex : EX as written, whose times scans count from. identifier, end, randomised_day : (n,).
    """
    which = doses.given_gbq > 0
    rows = _scans(doses, which).rename({"subject": "place"})
    names = pl.DataFrame({"place": np.arange(identifier.size), "USUBJID": identifier})
    start = (
        ex.filter(pl.col("EXTRT") == design.radioligand, EPOCH="TREATMENT")
        .with_columns(cycle=pl.col("VISIT").str.extract(r"CYCLE (\d+)").cast(pl.Int64))
        .select("USUBJID", "cycle", "VISIT", start=pl.col("EXSTDTC").str.to_datetime())
    )
    last = pl.DataFrame(
        {
            "USUBJID": identifier,
            "last": np.where(np.isfinite(end), end, 1e6) + randomised_day,
        }
    )
    minutes = (60 * pl.col("hours")).round().cast(pl.Int64)
    scanned = (
        rows.join(names, on="place", maintain_order="left")
        .join(start, on=["USUBJID", "cycle"], maintain_order="left")
        .join(last, on="USUBJID", maintain_order="left")
        .with_columns(when=pl.col("start") + pl.duration(minutes=minutes))
    )
    # a cycle whose scans are cut short by death or withdrawal has none
    over = pl.col("when").max().over("USUBJID", "cycle").dt.epoch("d") >= pl.col("last")
    scanned = scanned.filter(~over)
    mbq = scanned["activity"].to_numpy()
    frame = scanned.select(
        "USUBJID",
        XATESTCD=pl.lit("ACTIVITY"),
        XATEST=pl.lit("Activity in the region"),
        XACAT=pl.col("role").str.to_uppercase(),
        XALOC="region",
        XAORRES=plain(mbq),
        XAORRESU="unit",
        XASTRESC=plain(mbq),
        XASTRESN=numbers(mbq),
        XASTRESU="unit",
        XAMETHOD=pl.lit("SPECT/CT"),
        VISIT="VISIT",
        XADTC=pl.col("when").dt.strftime("%Y-%m-%dT%H:%M"),
        XADCORR=pl.lit("NONE"),
        XAERR="relative_error",
        XASYSERR="systematic_error",
        XAVOL="volume_ml",
        XAVOLERR="volume_error",
        XADENS="density_g_per_ml",
        XANUCL="nuclide",
        XACAMERA="camera",
        XACALIB="calibration_factor",
        XARECOV="recovery_curve",
    )
    return dataset("XA", design.study, frame, order=["XADTC", "XALOC"])
