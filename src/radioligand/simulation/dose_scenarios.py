# SPDX-License-Identifier: Apache-2.0
"""What is assumed of virtual patients' kinetics, and of how they are measured: a user's document.

Nothing here has a default: what a cohort's kidneys get per GBq decides the answer.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from radioligand.simulation.faults import SimulationError

OPTIONAL_KINETICS = (
    "fast_share", "fast_half_life_hours", "uptake_half_life_hours", "mass_g", "mass_log_sd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinetics:
    """Dose per activity and effective half-life of an organ, or of lesions, over patients.

    Spreads are standard deviations of logarithms. `cycle_factor` multiplies the dose per activity
    from cycle to cycle, `cycle_log_sd` is its spread about that. The half-life is the terminal one;
    without the keys below it the curve is one exponential. A virtual study needs the mass.
    """

    region: str
    gy_per_gbq: float
    log_sd: float  # between patients
    within_log_sd: float  # between the lesions of one patient; 0 of an organ
    half_life_hours: float
    half_life_log_sd: float
    cycle_factor: float
    cycle_log_sd: float
    volume_error: float  # relative, of the drawn volume
    fast_share: float | None = None  # of the amplitude of what washes out: a faster second term
    fast_half_life_hours: float | None = None
    uptake_half_life_hours: float | None = None  # nothing is there at time 0 and is taken up so
    mass_g: float | None = None  # median
    mass_log_sd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanning:
    """When virtual patients are scanned, and how wrong that is."""

    hours: tuple[float, ...]
    single_hours: float  # of the one scan, with the rate borrowed from the assumed median
    random_error: float
    systematic_error: float  # between patients, of one site
    site_log_sd: tuple[float, ...]  # between sites; each is tried in turn
    sites: int
    jitter_hours: float | None = None  # of a virtual study's scans, standard deviation
    study_site_log_sd: float | None = None  # between the sites of a virtual study


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseEffect:
    """How dose drives shrinkage: its rate times (mean dose of lesions / `reference_gy`)^`slope`."""

    reference_gy: float
    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseScenario:
    """A whole scenario; `lesions` is how many target lesions a patient has."""

    about: str
    lesions: int
    organs: tuple[Kinetics, ...]
    lesion: Kinetics
    scanning: Scanning
    effect: DoseEffect | None = None  # of virtual patients, on their tumours


def parse_dose_scenario(document: Mapping[str, Any], *, name: str) -> DoseScenario:
    """Return the scenario of a TOML document.

    Raises SimulationError that tells of every key that is missing, unknown or out of range.
    """
    faults: list[str] = []
    known = {"about", "lesions", "organs", "lesion", "scanning"}  # an effect is of a population's
    strange = sorted(document.keys() - known)
    faults += [f"{key}: unknown; known: {', '.join(sorted(known))}" for key in strange]
    organs = document.get("organs", [])
    kinetics = [_kinetics(one, f"organs[{one.get('region')}]", faults) for one in organs]
    lesion = _kinetics(document.get("lesion", {}), "lesion", faults)
    scanning = _scanning(document.get("scanning", {}), faults)
    lesions = document.get("lesions")
    if not organs:
        faults.append("organs: add one entry for every organ that the protocol limits")
    if not isinstance(lesions, int) or lesions < 1:
        faults.append(f"lesions: {lesions!r} is no whole number of target lesions")
    if faults or lesion is None or scanning is None:
        raise SimulationError(f"{name}: {len(faults)} faults.\n  " + "\n  ".join(faults))
    return DoseScenario(
        about=str(document.get("about", "")),
        lesions=int(lesions or 0),
        organs=tuple(one for one in kinetics if one is not None),
        lesion=lesion,
        scanning=scanning,
    )


def _kinetics(table: Mapping[str, Any], path: str, faults: list[str]) -> Kinetics | None:
    usual = {"region": "LESIONS"} if path == "lesion" else {"within_log_sd": 0.0}
    read = {**usual, **table}
    before = len(faults)
    _keys(read, Kinetics, path, faults)
    for key in OPTIONAL_KINETICS:
        _number(read, key, path, faults, above=0.0)
    for key in ("gy_per_gbq", "half_life_hours", "cycle_factor"):
        _number(read, key, path, faults, above=0.0)
    for key in ("log_sd", "within_log_sd", "half_life_log_sd", "cycle_log_sd", "volume_error"):
        _number(read, key, path, faults, above=-1e-12)
    if len(faults) != before:
        return None
    found = Kinetics(**read)
    faults += [f"{path}.{fault}" for fault in shape_faults(found)]
    return found


def shape_faults(one: Kinetics) -> Iterator[str]:
    """What is wrong with the form of a curve: terms that come alone or out of order."""
    if (one.fast_share is None) != (one.fast_half_life_hours is None):
        yield "fast_share: give it and fast_half_life_hours, or neither"
    if one.fast_share is not None and not 0 < one.fast_share < 1:
        yield f"fast_share: {one.fast_share:g}; it must lie between 0 and 1"
    fast, uptake = one.fast_half_life_hours, one.uptake_half_life_hours
    if fast is not None and fast >= one.half_life_hours:
        yield f"fast_half_life_hours: {fast:g} h is not faster than {one.half_life_hours:g} h"
    if uptake is not None and uptake >= (fast or one.half_life_hours):
        yield f"uptake_half_life_hours: {uptake:g} h is slower than what washes out"


def _scanning(table: Mapping[str, Any], faults: list[str]) -> Scanning | None:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    read: dict[str, Any] = {**table, **lists}
    before = len(faults)
    _keys(read, Scanning, "scanning", faults)
    for key in ("single_hours", "random_error", "sites"):
        _number(read, key, "scanning", faults, above=0.0)
    _number(read, "systematic_error", "scanning", faults, above=-1e-12)
    hours = read.get("hours", ())
    if len(hours) < 2 or list(hours) != sorted(set(hours)):
        faults.append(f"scanning.hours: {list(hours)} are not two times or more that rise")
    if not read.get("site_log_sd"):
        faults.append("scanning.site_log_sd: give a list, such as [0.0, 0.1]")
    return Scanning(**read) if len(faults) == before else None


def _keys(table: Mapping[str, Any], kind: type[Any], path: str, faults: list[str]) -> None:
    names = [field.name for field in fields(kind)]
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    faults += [f"{path}.{name}: missing" for name in needed if name not in table]
    strange = sorted(table.keys() - set(names))
    faults += [f"{path}.{key}: unknown; known: {', '.join(names)}" for key in strange]


def _number(
    table: Mapping[str, Any], key: str, path: str, faults: list[str], *, above: float
) -> None:
    value = table.get(key)
    if key not in table:
        return
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= above:
        least = "positive" if above >= 0 else "not negative"
        faults.append(f"{path}.{key}: {value!r}; it must be {least}")
