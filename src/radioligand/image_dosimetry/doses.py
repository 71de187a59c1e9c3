# SPDX-License-Identifier: Apache-2.0
"""From the images of one cycle to the dose of every voxel and region, and how sure it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.dose_volume import DoseVolume, dose_volume
from radioligand.dosimetry.kernels import (
    VoxelKernel,
    check_energy,
    kernel_from_s_values,
    voxel_kernel,
)
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.spheres import LEAST_G, MOST_G, sphere_s_value
from radioligand.dosimetry.voxel_fits import Singles
from radioligand.dosimetry.voxel_uncertainty import replicate_doses
from radioligand.dosimetry.voxels import Box, local_dose, voxel_dose
from radioligand.image_dosimetry.reading import ReadStudy
from radioligand.image_dosimetry.study import Fault, GivenKernel, ImageStudyError

KERNEL_SIDE = 0.005  # by which a kernel's voxel may differ from the image's
LEVEL = 0.95
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionDose:
    """What was found in one region."""

    name: str
    role: str
    drawn_ml: float
    mass_g: float  # volume on the image times density, or the sum over its voxels by the CT
    density_g_ml: float  # mass over volume
    not_soft: float  # share of its voxels that are no soft tissue by the CT; 0 without its curve
    plausible_gy_per_gbq: tuple[float, float] | None
    mask: NDArray[np.bool_]
    activity_mbq: tuple[float, ...]  # at the times of the images
    fitted_mbq: tuple[float, ...]  # sum of the voxels' curves at those times
    time_integrated_mbq_h: float
    half_life_hours: float  # effective: ln 2 times time-integrated over initial activity
    tail_fraction: float  # of the time-integrated activity, after the last image
    volume: DoseVolume
    local_gy: float  # mean, were every electron stopped in its voxel
    sphere_gy: float | None  # of a sphere of the region's mass, self-dose only
    lower_gy: float | None  # of the mean, 95 %
    upper_gy: float | None
    initial_mbq: NDArray[np.float64]  # of each voxel, (n,)
    rate_per_hour: NDArray[np.float64]  # of each voxel, (n,)

    def gy_per_gbq(self, activity_mbq: float) -> float:
        """Mean dose per activity given."""
        return self.volume.mean_gy / activity_mbq * 1e3

    def curve(self, time_hours: NDArray[np.float64]) -> NDArray[np.float64]:
        """Activity in MBq at those times: the sum of the voxels' curves."""
        return np.array([np.exp(-self.rate_per_hour * t) @ self.initial_mbq for t in time_hours])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageDosimetry:
    """Doses of one cycle and everything they follow from."""

    read: ReadStudy
    kernel: VoxelKernel
    kernel_source: str
    dose_gy: Singles
    rate_per_hour: Singles
    box: Box
    shared_rate: int  # voxels that got the rate of the sum
    measured: int  # voxels with any activity
    regions: tuple[RegionDose, ...]

    @property
    def method(self) -> dict[str, Any]:
        """Every choice and constant behind the doses."""
        study, nuclide = self.read.study, LUTETIUM_177
        errors = study.errors
        return {
            "nuclide": nuclide.name,
            "half_life_days": nuclide.half_life_days,
            "electron_kev": nuclide.electron_kev,
            "constants": nuclide.source,
            "curve": "one exponential in each voxel, errors in proportion, rate at least physical",
            "time_zero": study.start.isoformat(),
            "kernel": self.kernel_source,
            "kernel_spacing_mm": [round(side, 6) for side in self.kernel.spacing_mm],
            "kernel_energy_kev": round(float(self.kernel.energy_kev.sum()), 4),
            "photons_beyond_reach_kev": round(self.kernel.photons_beyond_kev, 4),
            "reach_mm": self.kernel.reach_mm,
            "density_g_ml": study.density_g_ml,
            "density_of_voxels": "as declared, for all alike"
            if study.density_curve is None
            else f"of soft tissue by the CT ({study.density_curve.calibration}), else as declared",
            "overlap": study.overlap or "none found",
            "errors": None
            if errors is None
            else {
                "calibration": errors.calibration,
                "each_image": errors.each_image,
                "each_voxel": errors.each_voxel,
                "volume": errors.volume,
                "replicates": errors.replicates,
                "seed": errors.seed,
                "level": LEVEL,
            },
        }

    def as_json(self) -> dict[str, Any]:
        """Regions, images, method and hashes of every input, for machines."""
        study = self.read.study
        return {
            "subject": study.subject,
            "cycle": study.cycle,
            "activity_mbq": study.activity_mbq,
            "method": self.method,
            "inputs": self.read.hashes,
            "images": [
                {
                    "name": one.name,
                    "time_hours": round(one.time_hours, 6),
                    "total_mbq": round(one.total_mbq, 4),
                    "corrected_to": one.corrected_to,
                    "said_by": one.says,
                    "moved": one.moved,
                }
                for one in self.read.moments
            ],
            "voxels": {"measured": self.measured, "with_the_rate_of_the_sum": self.shared_rate},
            "regions": [_as_json(one, study.activity_mbq) for one in self.regions],
        }


def activity_rows(found: ImageDosimetry) -> list[dict[str, str | int | float]]:
    """Return a row for each region and image, as `radioligand dose fit` reads activities.csv.

    None without [errors] and its `volume`: what is not known is not invented.
    """
    study = found.read.study
    errors = study.errors
    if errors is None or errors.volume is None:
        return []
    return [
        {
            "subject": study.subject,
            "cycle": study.cycle,
            "region": region.name,
            "role": region.role,
            "hours": round(moment.time_hours, 6),
            "activity": float(f"{measured:.8g}"),
            "unit": "MBq",
            "decay_corrected_to": "none",
            "relative_error": errors.each_image,
            "systematic_error": errors.calibration,
            "volume_ml": float(f"{region.volume.volume_ml:.8g}"),
            "volume_error": errors.volume,
            "density_g_per_ml": float(f"{region.density_g_ml:.6g}"),
            "nuclide": "Lu-177",
            "source": f"{moment.name} {moment.sha256[:16]}",
        }
        for region in found.regions
        for moment, measured in zip(found.read.moments, region.activity_mbq, strict=True)
    ]


def _as_json(region: RegionDose, activity_mbq: float) -> dict[str, Any]:
    found, band = region.volume, region.plausible_gy_per_gbq
    numbers: dict[str, float | None] = {
        "volume_ml": found.volume_ml,
        "mass_g": region.mass_g,
        "density_g_ml": region.density_g_ml,
        "not_soft_tissue": region.not_soft,
        "drawn_ml": region.drawn_ml,
        "time_integrated_mbq_h": region.time_integrated_mbq_h,
        "half_life_hours": region.half_life_hours,
        "tail_fraction": region.tail_fraction,
        "mean_gy": found.mean_gy,
        "lower_gy": region.lower_gy,
        "upper_gy": region.upper_gy,
        "gy_per_gbq": region.gy_per_gbq(activity_mbq),
        "plausible_from": band[0] if band else None,
        "plausible_to": band[1] if band else None,
        "deviation_gy": found.deviation_gy,
        "d98_gy": found.d98_gy,
        "d70_gy": found.d70_gy,
        "d50_gy": found.d50_gy,
        "d2_gy": found.d2_gy,
        "least_gy": found.least_gy,
        "most_gy": found.most_gy,
        "local_gy": region.local_gy,
        "sphere_gy": region.sphere_gy,
    }
    shown = {k: None if v is None else float(f"{v:.6g}") for k, v in numbers.items()}
    return {
        "name": region.name,
        "role": region.role,
        **shown,
        "activity_mbq": [float(f"{one:.6g}") for one in region.activity_mbq],
        "fitted_mbq": [float(f"{one:.6g}") for one in region.fitted_mbq],
    }


def compute_doses(read: ReadStudy, *, told: Told = lambda stage: None) -> ImageDosimetry:
    """Fit every voxel, convolve, and sum up each region.

    Raises ImageStudyError if the document's own kernel is of other voxels or loses energy.
    """
    study = read.study
    told("kernel")
    kernel, source = _kernel(read)
    told("doses")
    activity, times = read.activity, read.time_hours
    found = voxel_dose(activity, times, kernel=kernel, least=study.least_bq_ml * 1e-6)
    _check_inside(read, found.box)
    ratio = _density_ratio(read, kernel)
    dose = found.dose_gy if ratio is None else found.dose_gy * ratio
    intervals = _intervals(read, kernel, ratio, told)
    integrated, rate = found.fit.time_integrated, found.fit.rate_per_hour
    local = local_dose(integrated, density_g_ml=kernel.density_g_ml)
    if ratio is not None:
        local = local * ratio
    regions = []
    for i, (given, region) in enumerate(read.regions):
        mask = region.mask
        volume = dose_volume(dose, mask, voxel_ml=read.grid.voxel_ml)
        held = integrated[mask].astype(np.float64) * read.grid.voxel_ml
        rates = np.where(rate[mask] > 0, rate[mask], 1.0).astype(np.float64)
        initial = held * rates
        total = float(held.sum())
        fitted = tuple(float(np.exp(-rates * t) @ initial) for t in times)
        measured = tuple(
            float(one[mask].sum(dtype=np.float64)) * read.grid.voxel_ml for one in activity
        )
        density = study.density_g_ml
        if read.density is not None:
            density = float(read.density.used[mask].mean(dtype=np.float64))
        mass_g = volume.volume_ml * density
        ball = LEAST_G <= mass_g <= MOST_G
        lower, upper = intervals[i] if intervals is not None else (None, None)
        regions.append(
            RegionDose(
                name=given.name,
                role=given.role,
                drawn_ml=region.drawn_ml,
                mass_g=mass_g,
                density_g_ml=density,
                not_soft=0.0
                if read.density is None
                else 1 - float(read.density.is_soft[mask].mean()),
                plausible_gy_per_gbq=given.plausible_gy_per_gbq,
                mask=mask,
                activity_mbq=measured,
                fitted_mbq=fitted,
                time_integrated_mbq_h=total,
                half_life_hours=float(np.log(2) * total / max(initial.sum(), 1e-30)),
                tail_fraction=float((held * np.exp(-rates * times[-1])).sum() / max(total, 1e-30)),
                volume=volume,
                local_gy=float(local[mask].mean(dtype=np.float64)),
                sphere_gy=float(total * sphere_s_value(mass_g, density_g_ml=density))
                if ball
                else None,
                lower_gy=lower,
                upper_gy=upper,
                initial_mbq=initial,
                rate_per_hour=rates,
            )
        )
    return ImageDosimetry(
        read=read,
        kernel=kernel,
        kernel_source=source,
        dose_gy=dose,
        rate_per_hour=rate,
        box=found.box,
        shared_rate=found.fit.shared_rate,
        measured=int((activity > 0).any(0).sum()),
        regions=tuple(regions),
    )


def _density_ratio(read: ReadStudy, kernel: VoxelKernel) -> Singles | None:
    """The kernel's density over each voxel's own, by which its dose is multiplied."""
    if read.density is None:
        return None
    ratio: Singles = np.float32(kernel.density_g_ml) / read.density.used
    return ratio


def _check_inside(read: ReadStudy, box: Box) -> None:
    """Refuse regions that `least_bq_ml` cuts: their voxels would count as without dose."""
    faults = []
    for _, region in read.regions:
        lost = int(region.mask.sum() - region.mask[box].sum())
        if lost:
            says = f"{lost} of {int(region.mask.sum())} voxels lie outside the body's box"
            mend = "Lower least_bq_ml, or draw the region within the body."
            faults.append(Fault(f"region {region.name!r}", says, mend))
    if faults:
        raise ImageStudyError(faults, name=read.study.whose)


def _intervals(
    read: ReadStudy, kernel: VoxelKernel, ratio: Singles | None, told: Told
) -> list[tuple[float, float]] | None:
    errors = read.study.errors
    if errors is None:
        return None
    told("replicates")
    found = replicate_doses(
        read.activity,
        read.time_hours,
        [region.mask for _, region in read.regions],
        kernel=kernel,
        replicates=errors.replicates,
        random=np.random.default_rng(errors.seed),
        calibration=errors.calibration,
        each_image=errors.each_image,
        each_voxel=errors.each_voxel,
        volume=errors.volume or 0.0,
        density_ratio=ratio,
    )
    lower, upper = found.interval(LEVEL)
    return list(zip(lower.tolist(), upper.tolist(), strict=True))


def _kernel(read: ReadStudy) -> tuple[VoxelKernel, str]:
    study, given = read.study, read.study.kernel
    if given is None:
        own = voxel_kernel(
            read.grid.spacing_mm, reach_mm=study.reach_mm, density_g_ml=study.density_g_ml
        )
        return own, "generated for these voxels from the shipped point kernel of 177Lu"
    faults = []
    apart = max(abs(a / b - 1) for a, b in zip(given.spacing_mm, read.grid.spacing_mm, strict=True))
    if apart > KERNEL_SIDE:
        told = " x ".join(f"{one:g}" for one in given.spacing_mm)
        own_told = " x ".join(f"{one:.4g}" for one in read.grid.spacing_mm)
        says = f"its voxels of {told} mm differ by {100 * apart:.1f} % from {own_told} mm"
        faults.append(Fault("kernel", says, "Leave [kernel] out: ours is made for any voxel."))
    found = _user_kernel(given, faults)
    if faults or found is None:
        raise ImageStudyError(faults, name=study.whose)
    return found, f"S values of {given.path.name}"


def _user_kernel(given: GivenKernel, faults: list[Fault]) -> VoxelKernel | None:
    mend = "Leave [kernel] out: ours is made for any voxel."
    try:
        values = np.load(given.path, allow_pickle=False)
        found = kernel_from_s_values(
            values, spacing_mm=given.spacing_mm, density_g_ml=given.density_g_ml
        )
        check_energy(found)
    except (ValueError, OSError) as error:
        faults.append(Fault("kernel", str(error).rstrip("."), mend))
        return None
    return found
