# SPDX-License-Identifier: Apache-2.0
"""Regions from files onto an image's grid: label maps (NIfTI), DICOM SEG and RTSTRUCT."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.grids import Grid, polygon_mask, resample
from radioligand.io.images import ImageError, dicom_files, optional, read_image
from radioligand.io.outputs import sha256

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
Floats = NDArray[np.float64]
FINER = 10  # pixels along the side of one, to measure what contours enclose


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """Voxels of one region, and the volume it had where it was drawn."""

    name: str
    mask: NDArray[np.bool_]
    drawn_ml: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regions:
    """The regions of one file on the grid that was asked for."""

    regions: tuple[Region, ...]
    frame: str  # of reference; empty for NIfTI
    grid: Grid | None  # on which they were drawn; contours have none
    sha256: str


def read_regions(
    path: Path, wanted: Mapping[str, int | str], *, onto: Grid, transform: Floats | None = None
) -> Regions:
    """Read regions and bring them onto a grid: a voxel belongs if its centre does.

    wanted : name of each region, and the label (NIfTI), segment number or label (SEG) or name
        (RTSTRUCT) under which the file knows it.
    transform : rigid, from the file's space to that of the grid.

    Raises ImageError for a file of none of these kinds, or one that lacks a region; the message
    tells those it has. Whether the frames agree is for the caller to check.
    """
    move = np.eye(4) if transform is None else transform
    if path.is_file() and path.name.endswith((".nii", ".nii.gz")):
        return _from_labels(path, wanted, onto, move)
    found = [one for one in dicom_files(path) if one[0].get("SOPClassUID") in (SEG, RTSTRUCT)]
    if len(found) != 1:
        raise ImageError(
            f"{path}: {len(found)} DICOM segmentations or structure sets; give the path of one."
        )
    dataset, content = found[0]
    read = _from_seg if dataset.SOPClassUID == SEG else _from_structures
    return read(path, dataset, sha256(content), wanted, onto, move)


def _lacking(path: Path, wanted: Mapping[str, int | str], known: Mapping[Any, Any]) -> None:
    lacking = [f"{name!r} ({label!r})" for name, label in wanted.items() if label not in known]
    if lacking:
        told = ", ".join(repr(one) for one in known) or "none"
        raise ImageError(
            f"{path}: {len(lacking)} of {len(wanted)} regions are not there: "
            f"{', '.join(lacking[:3])}. The file has {told}."
        )


def _on_grid(name: str, drawn: NDArray[np.bool_], grid: Grid, onto: Grid, move: Floats) -> Region:
    moved = grid.moved(move, frame=onto.frame)
    found = resample(drawn.astype(np.float32), moved, onto, nearest=True).values > 0.5
    return Region(name=name, mask=found, drawn_ml=float(drawn.sum()) * grid.voxel_ml)


def _from_labels(path: Path, wanted: Mapping[str, int | str], onto: Grid, move: Floats) -> Regions:
    image = read_image(path)
    labels = np.rint(image.values).astype(np.int64)
    if np.abs(image.values - labels).max() > 1e-3:
        raise ImageError(f"{path}: labels are whole numbers; this file holds others.")
    _lacking(path, wanted, {int(one): None for one in np.unique(labels) if one})
    return Regions(
        regions=tuple(
            _on_grid(name, labels == label, image.grid, onto, move)
            for name, label in wanted.items()
        ),
        frame=image.grid.frame,
        grid=image.grid,
        sha256=image.sha256,
    )


def _from_seg(
    path: Path,
    dataset: Any,
    digest: str,
    wanted: Mapping[str, int | str],
    onto: Grid,
    move: Floats,
) -> Regions:
    found = optional("highdicom").seg.Segmentation.from_dataset(dataset)
    numbers: dict[int | str, int] = {}
    for number in found.segment_numbers:
        numbers[str(found.get_segment_description(number).segment_label)] = int(number)
    _lacking(path, wanted, numbers | {number: number for number in numbers.values()})
    frame = str(dataset.get("FrameOfReferenceUID", ""))
    regions = []
    for name, label in wanted.items():
        volume = found.get_volume(segment_numbers=[numbers.get(label, label)])
        drawn = volume.array[..., 0] > 0
        grid = Grid(shape=drawn.shape, affine=np.array(volume.affine), frame=frame)
        regions.append(_on_grid(name, drawn, grid, onto, move))
    return Regions(regions=tuple(regions), frame=frame, grid=grid, sha256=digest)


def _from_structures(
    path: Path,
    dataset: Any,
    digest: str,
    wanted: Mapping[str, int | str],
    onto: Grid,
    move: Floats,
) -> Regions:
    names = {int(one.ROINumber): str(one.ROIName) for one in dataset.StructureSetROISequence}
    frames = {
        str(one.get("ReferencedFrameOfReferenceUID", "")) for one in dataset.StructureSetROISequence
    }
    contours = {
        names[int(one.ReferencedROINumber)]: [
            np.array(each.ContourData, dtype=np.float64).reshape(-1, 3)
            for each in one.get("ContourSequence", ())
            if str(each.ContourGeometricType) == "CLOSED_PLANAR"
        ]
        for one in dataset.ROIContourSequence
    }
    _lacking(path, wanted, contours)
    if len(frames) > 1:
        raise ImageError(f"{path}: its regions lie in {len(frames)} frames of reference.")
    regions = tuple(
        _contoured(path, name, contours[str(label)], onto, move) for name, label in wanted.items()
    )
    return Regions(regions=regions, frame=frames.pop(), grid=None, sha256=digest)


def _contoured(path: Path, name: str, contours: list[Floats], onto: Grid, move: Floats) -> Region:
    """Fill contours; each serves the slices that are nearer to its plane than to any other."""
    leads = np.linalg.inv(onto.affine) @ move
    inside = [points @ leads[:3, :3].T + leads[:3, 3] for points in contours if len(points) >= 3]
    slant = max((float(np.ptp(points[:, 0])) for points in inside), default=0.0)
    if slant > 0.2:
        raise ImageError(
            f"{path}: region {name!r} was drawn across the slices of the image; give a DICOM SEG "
            "or a label map."
        )
    planes: dict[float, list[Floats]] = {}
    for points in inside:
        planes.setdefault(round(float(points[:, 0].mean()), 2), []).append(points)
    heights = np.array(sorted(planes))
    if len(heights) < 2:
        raise ImageError(f"{path}: region {name!r} has {len(heights)} contour planes; draw two.")
    step = float(np.median(np.diff(heights)))
    mask = np.zeros(onto.shape, dtype=bool)
    for i in range(onto.shape[0]):
        nearest = int(np.argmin(np.abs(heights - i)))
        if abs(heights[nearest] - i) <= step / 2 + 1e-6:
            for points in planes[float(heights[nearest])]:  # a contour within another is a hole
                mask[i] ^= polygon_mask(points[:, 1], points[:, 2], onto.shape[1:])
    drawn = sum(_area(planes[height], onto.shape[1:]) for height in heights.tolist())
    return Region(name=name, mask=mask, drawn_ml=drawn * step * onto.voxel_ml)


def _area(contours: list[Floats], shape: tuple[int, int]) -> float:
    """Area of one plane's contours in pixels, holes left out, to a hundredth of a pixel."""
    fine = np.zeros((shape[0] * FINER, shape[1] * FINER), dtype=bool)
    for points in contours:
        rows, columns = (points[:, axis] * FINER + (FINER - 1) / 2 for axis in (1, 2))
        fine ^= polygon_mask(rows, columns, (fine.shape[0], fine.shape[1]))
    return float(fine.sum()) / FINER**2
