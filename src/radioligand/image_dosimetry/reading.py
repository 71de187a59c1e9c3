# SPDX-License-Identifier: Apache-2.0
"""The images of a study on one grid in one unit, and everything that forbids their use.

What can be seen before a dose is computed is seen here, and all of it is told at once: what each
file says of itself against what the document says, then the images against each other and against
the activity given, then the regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.densities import SOFT_TISSUE, Densities, densities
from radioligand.dosimetry.grids import Grid, furthest_mm, is_same_place, resample
from radioligand.dosimetry.nuclide import ACCEPTED_DAYS, LUTETIUM_177
from radioligand.image_dosimetry.study import (
    Fault,
    GivenFile,
    GivenImage,
    GivenRegion,
    ImageStudy,
    ImageStudyError,
)
from radioligand.io.images import Image, ImageError, read_image, read_transform
from radioligand.io.segmentations import Region, read_regions

Singles = NDArray[np.float32]
APART = timedelta(hours=12)  # of two clocks that should tell one time
MINUTES = timedelta(minutes=5)
MORE = 1.10  # times what was given, that images may hold
COVERED = 0.5  # of the first image's voxels, that a later one must reach
VOLUME = 0.25  # by which a region may change from where it was drawn to the image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """One time point on the grid of the first: MBq/mL as it was when measured."""

    name: str
    time_hours: float  # since the start of the infusion
    activity: Singles
    total_mbq: float  # in the field of view
    sha256: str
    unit: str
    corrected_to: str
    says: str  # whether the file or the document said these
    moved: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadStudy:
    """Everything that was read, fit to be computed with."""

    study: ImageStudy
    grid: Grid
    moments: tuple[Moment, ...]
    regions: tuple[tuple[GivenRegion, Region], ...]  # lesions subtracted where the rule says so
    ct: Singles | None  # on the same grid, Hounsfield units
    density: Densities | None  # by the CT's curve, if the document has one
    hashes: dict[str, str]
    first: Image

    @property
    def activity(self) -> Singles:
        """All images, (t, a, b, c) in MBq/mL."""
        return np.stack([moment.activity for moment in self.moments])

    @property
    def time_hours(self) -> NDArray[np.float64]:
        """Times of the images since the start of the infusion, (t,)."""
        return np.array([moment.time_hours for moment in self.moments])


def read_images(study: ImageStudy) -> ReadStudy:
    """Read and check everything that a study names.

    Raises ImageStudyError that lists every fault found.
    """
    faults: list[Fault] = []
    images = [_read(given.path, faults) for given in study.images]
    first = images[0]
    if first is None:
        raise ImageStudyError(faults, name=study.whose)
    _check_grid(first, faults)
    moments = [
        moment
        for given, image in zip(study.images, images, strict=True)
        if image and (moment := _moment(study, given, image, first, faults))
    ]
    _check_times(moments, faults)
    _check_totals(study, moments, faults)
    regions, digest = _regions(study, first, faults)
    ct, ct_digest = _ct(study, first, faults)
    density = _density(study, ct, regions, faults)
    if faults:
        raise ImageStudyError(faults, name=study.whose)
    hashes = {f"image {moment.name}": moment.sha256 for moment in moments}
    hashes |= {"segmentation": digest} | ({"ct": ct_digest} if ct is not None else {})
    return ReadStudy(
        study=study,
        grid=first.grid,
        moments=tuple(moments),
        regions=tuple(regions),
        ct=ct,
        density=density,
        hashes=hashes,
        first=first,
    )


def _read(path: Path, faults: list[Fault]) -> Image | None:
    try:
        return read_image(path)
    except ImageError as error:
        faults.append(_fault_of(error))
        return None


def _fault_of(error: ImageError) -> Fault:
    where, _, says = str(error).partition(": ")
    return Fault(where, says.rstrip("."), "Mend the file.")


def _check_grid(image: Image, faults: list[Fault]) -> None:
    if not image.grid.is_rectangular:
        says = "its axes are not at right angles, so no kernel can be convolved with it"
        faults.append(Fault(image.name, says, "Resample it onto a right-angled grid."))


# --- one image ------------------------------------------------------------------------------------


def _moment(
    study: ImageStudy, given: GivenImage, image: Image, first: Image, faults: list[Fault]
) -> Moment | None:
    found: list[Fault] = []
    header = image.header
    unit = _agreed(image.name, "unit", given.unit, header.unit, found)
    if unit and unit != "Bq/mL":
        says = f"voxels are in {unit!r}, not Bq/mL"
        mend = "Calibrate the image; counts and SUV are no activity concentration."
        found.append(Fault(image.name, says, mend))
    corrected = _agreed(image.name, "corrected_to", given.corrected_to, header.corrected_to, found)
    acquired = _time(image.name, given.acquired, header.acquired, found)
    if header.injected and abs(header.injected - study.start) > APART:
        says = f"its header has the injection at {header.injected}, the document at {study.start}"
        mend = "One of the dates or time zones is wrong, or it is another cycle's image."
        found.append(Fault(image.name, says, mend))
    low, high = ACCEPTED_DAYS
    if header.half_life_days and not low <= header.half_life_days <= high:
        says = f"its header has a half-life of {header.half_life_days:.4g} d"
        mend = f"177Lu has {LUTETIUM_177.half_life_days:g} d; the image is of another nuclide."
        found.append(Fault(image.name, says, mend))
    bad = int((~np.isfinite(image.values)).sum())
    if bad:
        says = f"{bad} of {image.values.size} voxels are not finite"
        found.append(Fault(image.name, says, "Export the image anew."))
    values, moved = _onto_first(image, given, first, found)
    faults += found
    if found or values is None or acquired is None:
        return None
    hours = (acquired - study.start).total_seconds() / 3600
    if hours <= 0:
        says = f"acquired at {acquired}, before the infusion began ({study.start})"
        faults.append(Fault(image.name, says, "Mend the time, or leave the image out."))
        return None
    if corrected == "none":
        hours += given.duration_minutes / 120
    decay = LUTETIUM_177.decay_per_hour
    undo = np.exp(-decay * hours) if corrected == "injection" else 1.0
    activity = (values * np.float32(undo * 1e-6)).astype(np.float32)
    total = float(activity.sum(dtype=np.float64)) * first.grid.voxel_ml
    own = bool(header.unit and header.corrected_to and header.acquired)
    return Moment(
        name=image.name,
        time_hours=hours,
        activity=activity,
        total_mbq=total,
        sha256=image.sha256,
        unit=unit,
        corrected_to=corrected,
        says="file" if own else "document",
        moved=moved,
    )


def _agreed(name: str, key: str, given: str, header: str, faults: list[Fault]) -> str:
    """Return what file and document agree on, or what one of them says."""
    if given and header and given.lower() != header.lower():
        says = f"{key} is {header!r} in the file and {given!r} in the document"
        faults.append(Fault(name, says, "Leave it out of the document, or mend the file."))
    if not given and not header:
        word = {"unit": "unit", "corrected_to": "state of decay correction"}[key]
        says = f"its {word} is unknown"
        mend = {
            "unit": 'Write unit = "Bq/mL" in its [[images]] if that is what it holds.',
            "corrected_to": 'Write corrected_to = "none", "scan" or "injection".',
        }[key]
        faults.append(Fault(name, says, mend))
    return header or given


def _time(
    name: str, given: datetime | None, header: datetime | None, faults: list[Fault]
) -> datetime | None:
    if given and header and abs(given - header) > MINUTES:
        says = f"acquired at {header} by the file and at {given} by the document"
        faults.append(Fault(name, says, "Leave it out of the document, or mend the file."))
    if not given and not header:
        mend = "Write acquired = 2026-05-05T09:30:00 in its [[images]]."
        faults.append(Fault(name, "its time of acquisition is unknown", mend))
    return header or given


def _onto_first(
    image: Image, given: GivenImage, first: Image, faults: list[Fault]
) -> tuple[Singles | None, bool]:
    """Return the image's values on the first image's grid, and whether they were moved there."""
    found = _in_frame(image, given, first, faults)
    if found is None:
        return None, False
    if is_same_place(found, first.grid):
        return image.values, False
    moved = resample(image.values, found, first.grid)
    if moved.covered < COVERED:
        says = f"it reaches {100 * moved.covered:.0f} % of the first image's voxels"
        mend = "It lies elsewhere: register it and name the transform."
        faults.append(Fault(image.name, says, mend))
        return None, True
    return moved.values, True


def _in_frame(
    image: Image, given: GivenImage | GivenFile, first: Image, faults: list[Fault]
) -> Grid | None:
    """Return where an image lies in the first one's frame, by frame, statement or transform."""
    grid, frame = image.grid, first.grid.frame
    if given.transform is not None:
        try:
            return grid.moved(read_transform(given.transform), frame=frame)
        except ImageError as error:
            faults.append(_fault_of(error))
            return None
    if given.same_frame or (frame and grid.frame == frame):
        return grid.moved(np.eye(4), frame=frame)
    if not frame and not grid.frame:  # NIfTI knows no frame: only the same grid is the same place
        if furthest_mm(grid, first.grid) <= 0.1:
            return grid
        says = "a NIfTI file on another grid than the first image"
    else:
        says = f"its frame of reference is {grid.frame or 'unknown'}, that of the first is {frame}"
    mend = "Name a rigid transform, or write same_frame = true if they are registered."
    faults.append(Fault(image.name, says, mend))
    return None


# --- images against each other --------------------------------------------------------------------


def _check_times(moments: Sequence[Moment], faults: list[Fault]) -> None:
    for before, after in pairwise(moments):
        if after.time_hours <= before.time_hours:
            same = after.time_hours == before.time_hours
            says = (
                f"at {after.time_hours:.2f} h, {'as' if same else 'before'} {before.name} at "
                f"{before.time_hours:.2f} h"
            )
            faults.append(Fault(after.name, says, "List each time point once, by time."))


def _check_totals(study: ImageStudy, moments: Sequence[Moment], faults: list[Fault]) -> None:
    decay = LUTETIUM_177.decay_per_hour
    for moment in moments:
        left = study.activity_mbq * float(np.exp(-decay * moment.time_hours))
        if moment.total_mbq > MORE * left:
            says = (
                f"holds {moment.total_mbq:.0f} MBq at {moment.time_hours:.1f} h, where "
                f"{left:.0f} MBq are left of the {study.activity_mbq:.0f} MBq given"
            )
            mend = "Check calibration, unit and decay correction."
            faults.append(Fault(moment.name, says, mend))
        if moment.total_mbq <= 0:
            faults.append(Fault(moment.name, "holds no activity", "Leave it out."))
    for before, after in pairwise(moments):
        if before.total_mbq <= 0:
            continue
        ratio = after.total_mbq / before.total_mbq
        physics = float(np.exp(-decay * (after.time_hours - before.time_hours)))
        if after.time_hours > before.time_hours > 3 and ratio > physics * (
            1 + 3 * study.quantification
        ):
            says = (
                f"its total is {ratio:.3g} times that of {before.name}; physical decay leaves "
                f"{physics:.3g} at most"
            )
            mend = "The images are not on one quantitative scale, or parts of the body are missing."
            faults.append(Fault(after.name, says, mend))


# --- regions and CT -------------------------------------------------------------------------------


def _regions(
    study: ImageStudy, first: Image, faults: list[Fault]
) -> tuple[list[tuple[GivenRegion, Region]], str]:
    given = study.segmentation
    wanted = {region.name: region.label for region in study.regions}
    try:
        move = read_transform(given.transform) if given.transform else None
        found = read_regions(given.path, wanted, onto=first.grid, transform=move)
    except ImageError as error:
        faults.append(_fault_of(error))
        return [], ""
    registered = given.same_frame or given.transform is not None
    alike = (
        found.frame == first.grid.frame
        if found.frame or first.grid.frame
        else (found.grid is not None and furthest_mm(found.grid, first.grid) <= 0.1)
    )
    if not (registered or alike):
        says = (
            f"its frame of reference is {found.frame or 'unknown'}, that of the images "
            f"{first.grid.frame or 'unknown'}"
        )
        mend = "Name a rigid transform, or write same_frame = true if they are registered."
        faults.append(Fault("segmentation", says, mend))
    pairs = list(zip(study.regions, found.regions, strict=True))
    for each, region in pairs:
        _check_region(each, region, first.grid, faults)
    for image in study.images:
        if image.segmentation is not None:
            _check_volumes(image.segmentation, found.regions, wanted, first.grid, faults)
    return _without_lesions(study, pairs, faults), found.sha256


def _check_volumes(
    path: Path,
    regions: Sequence[Region],
    wanted: dict[str, int | str],
    grid: Grid,
    faults: list[Fault],
) -> None:
    """Compare the regions as drawn at one time with those that the doses are summed over."""
    try:
        at_that_time = read_regions(path, wanted, onto=grid).regions
    except ImageError as error:
        faults.append(_fault_of(error))
        return
    for one, other in zip(at_that_time, regions, strict=True):
        if abs(one.drawn_ml / other.drawn_ml - 1) > VOLUME:
            says = f"has {one.drawn_ml:.1f} mL in {path.name} and {other.drawn_ml:.1f} mL otherwise"
            mend = "Draw it anew; one mass has to serve all times."
            faults.append(Fault(f"region {one.name!r}", says, mend))


def _check_region(given: GivenRegion, region: Region, grid: Grid, faults: list[Fault]) -> None:
    where = f"region {region.name!r}"
    volume = float(region.mask.sum()) * grid.voxel_ml
    if not volume:
        mend = "It lies outside the image or is smaller than a voxel; leave it out."
        faults.append(Fault(where, "holds no voxel of the image", mend))
        return
    if abs(volume / region.drawn_ml - 1) > VOLUME:
        says = f"has {volume:.2f} mL on the image and {region.drawn_ml:.2f} mL where it was drawn"
        mend = "Use the sphere model for a lesion of few voxels; cut off regions are no regions."
        faults.append(Fault(where, says, mend))
    edges = [
        side
        for axis in range(3)
        for side in (region.mask.take(0, axis), region.mask.take(-1, axis))
    ]
    if given.role != "remainder" and any(side.any() for side in edges):
        mend = "Part of it is missing from the field of view; leave it out."
        faults.append(Fault(where, "touches the edge of the image", mend))


def _without_lesions(
    study: ImageStudy, pairs: list[tuple[GivenRegion, Region]], faults: list[Fault]
) -> list[tuple[GivenRegion, Region]]:
    """Return the regions with lesions taken out of organs, if the document says so."""
    lesions = np.zeros(pairs[0][1].mask.shape, dtype=bool)
    for given, region in pairs:
        if given.role == "lesion":
            lesions |= region.mask
    for i, (given, region) in enumerate(pairs):
        for other, its in pairs[i + 1 :]:
            shared = int((region.mask & its.mask).sum())
            roles = {given.role, other.role}
            if not shared or "remainder" in roles:
                continue
            where = f"regions {region.name!r} and {its.name!r}"
            if len(roles) == 1:
                says = f"two {given.role}s share {shared} voxels"
                faults.append(Fault(where, says, "Draw them apart."))
            elif not study.overlap:
                says = f"lesion and organ share {shared} voxels and no rule says whose they are"
                mend = 'Write overlap = "subtract lesions", or draw them apart.'
                faults.append(Fault(where, says, mend))
    if study.overlap != "subtract lesions":
        return pairs
    return [
        (given, region) if given.role == "lesion" else (given, _less(region, lesions))
        for given, region in pairs
    ]


def _less(region: Region, lesions: NDArray[np.bool_]) -> Region:
    return Region(name=region.name, mask=region.mask & ~lesions, drawn_ml=region.drawn_ml)


def _ct(study: ImageStudy, first: Image, faults: list[Fault]) -> tuple[Singles | None, str]:
    if study.ct is None:
        return None, ""
    image = _read(study.ct.path, faults)
    if image is None:
        return None, ""
    if image.header.modality not in ("CT", "NIfTI"):
        says = f"is an image of modality {image.header.modality}, not CT"
        faults.append(Fault(image.name, says, "Name the CT."))
    grid = _in_frame(image, study.ct, first, faults)
    if grid is None:
        return None, ""
    shift = np.float32(1000)  # air beyond the CT's edge
    return resample(image.values + shift, grid, first.grid).values - shift, image.sha256


def _density(
    study: ImageStudy,
    ct: Singles | None,
    regions: Sequence[tuple[GivenRegion, Region]],
    faults: list[Fault],
) -> Densities | None:
    """Return what voxels weigh by the CT; regions that are no soft tissue by it are faults."""
    curve = study.density_curve
    if ct is None or curve is None:
        return None
    found = densities(ct, curve=curve, otherwise_g_ml=study.density_g_ml)
    low, high = SOFT_TISSUE
    for given, region in regions:
        if given.role == "remainder" or not region.mask.any():
            continue
        mean = float(found.by_ct[region.mask].mean(dtype=np.float64))
        if not low <= mean <= high:
            says = f"weighs {mean:.2f} g/mL by the CT, outside {low:g} to {high:g}"
            mend = "The kernel is of soft tissue: leave the region out, or check the CT's place."
            faults.append(Fault(f"region {region.name!r}", says, mend))
    return found
