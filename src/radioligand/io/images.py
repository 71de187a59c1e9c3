# SPDX-License-Identifier: Apache-2.0
"""Images from files: DICOM series (NM, PT, CT) and NIfTI, with where their voxels lie.

pydicom and nibabel come with the extra `images`; they are imported when an image is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.grids import Grid
from radioligand.io.outputs import sha256

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI counts towards the right and the front
EVEN = 0.01  # share by which distances between slices may differ
BQ_ML = {"bq/ml", "bqml", "becquerels/milliliter", "{becquerel}/ml"}
WORDS_OF_CORRECTION = {"NONE": "none", "START": "scan", "ADMIN": "injection"}


class ImageError(ValueError):
    """An image that cannot be used as it is; the message names the file and the mend."""


class MissingExtraError(ValueError):
    """A package of the extra `images` is not installed."""


class Header(NamedTuple):
    """What an image says of itself; empty or None where it says nothing."""

    modality: str  # NM, PT, CT; NIfTI for such a file
    unit: str  # Bq/mL, HU, another, or empty
    acquired: datetime | None
    corrected_to: str  # none, scan, injection, or empty
    injected: datetime | None
    half_life_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """Values of a file's voxels in the order slice, row, column, and where they lie."""

    name: str
    values: NDArray[np.float32]
    grid: Grid
    header: Header
    sha256: str
    datasets: tuple[Any, ...] = ()  # of DICOM, without pixels: whom and what they show


def optional(module: str) -> Any:
    """Import a package of the extra `images`; MissingExtraError says how to get it."""
    try:
        return import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise MissingExtraError(
            f"Images need {name}, which is not installed: pip install 'radioligand[images]'."
        ) from None


def read_image(path: Path) -> Image:
    """Read a NIfTI file, a DICOM file, or a folder with one DICOM series.

    Raises ImageError for a file that is neither, several series in a folder, slices that are
    missing, uneven or of several orientations, and a NIfTI file that does not know where it lies.
    """
    if not path.exists():
        raise ImageError(f"{path}: there is no such file or folder.")
    if path.is_file() and path.name.endswith((".nii", ".nii.gz")):
        return _read_nifti(path)
    try:
        return _read_dicom(path)
    except (ImageError, MissingExtraError):
        raise
    except (AttributeError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ImageError(f"{path}: its DICOM cannot be read ({error}).") from None


# --- NIfTI ----------------------------------------------------------------------------------------


def _read_nifti(path: Path) -> Image:
    nibabel = optional("nibabel")
    try:
        found = nibabel.load(path)
        values = np.asarray(found.get_fdata(dtype=np.float32))
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ImageError(f"{path}: no NIfTI file can be read there ({error}).") from None
    header = found.header
    if values.ndim != 3:
        raise ImageError(
            f"{path}: {values.ndim} axes; give one file of three axes for each time point."
        )
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise ImageError(
            f"{path}: neither sform nor qform says where the voxels lie; write the file anew with "
            "its affine, for left and right cannot be guessed."
        )
    if header.get_xyzt_units()[0] in ("meter", "micron"):
        raise ImageError(f"{path}: lengths are in {header.get_xyzt_units()[0]}s; give millimetres.")
    return Image(
        name=path.name,
        values=values,
        grid=Grid(shape=_shape(values), affine=TO_LPS @ found.affine),
        header=Header("NIfTI", "", None, "", None, None),
        sha256=sha256(path.read_bytes()),
    )


def _shape(values: NDArray[np.float32]) -> tuple[int, int, int]:
    return values.shape[0], values.shape[1], values.shape[2]


# --- DICOM ----------------------------------------------------------------------------------------


def dicom_files(path: Path) -> list[tuple[Any, bytes]]:
    """Datasets and bytes of every DICOM file of a folder, or of one file, by name.

    Raises ImageError if there is none.
    """
    pydicom = optional("pydicom")
    found = []
    for one in [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()):
        content = one.read_bytes()
        if content[128:132] == b"DICM":
            found.append((pydicom.dcmread(one), content))
    if not found:
        raise ImageError(f"{path}: no DICOM and no NIfTI file is there.")
    return found


def _read_dicom(path: Path) -> Image:
    files = dicom_files(path)
    datasets = [dataset for dataset, _ in files if "PixelData" in dataset]
    series = {str(dataset.get("SeriesInstanceUID", "")) for dataset in datasets}
    if not datasets:
        raise ImageError(f"{path}: none of {len(files)} DICOM files holds pixels.")
    if len(series) > 1:
        raise ImageError(
            f"{path}: {len(series)} series in one folder; give each its own folder, for which of "
            "them is meant cannot be guessed."
        )
    several = int(datasets[0].get("NumberOfFrames", 1)) > 1
    if several and len(datasets) > 1:
        raise ImageError(f"{path}: {len(datasets)} files of many frames each; keep one of them.")
    if several and "PerFrameFunctionalGroupsSequence" in datasets[0]:
        raise ImageError(
            f"{path}: an enhanced multi-frame image; export it as a classic series or as NIfTI."
        )
    values, affine, unit = (_frames if several else _slices)(path, datasets)
    first = datasets[0]
    header = _header(first, unit)
    for dataset in datasets:
        del dataset.PixelData
    return Image(
        name=path.name,
        values=values,
        grid=Grid(
            shape=_shape(values),
            affine=affine,
            frame=str(first.get("FrameOfReferenceUID", "")),
        ),
        header=header,
        sha256=sha256("".join(sorted(sha256(content) for _, content in files)).encode()),
        datasets=tuple(datasets),
    )


def _slices(
    path: Path, datasets: list[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float64], str]:
    """Values, affine and unit of a series with one slice a file, sorted along their normal."""
    first = datasets[0]
    if any("ImagePositionPatient" not in d or "ImageOrientationPatient" not in d for d in datasets):
        raise ImageError(f"{path}: a slice does not say where it lies (ImagePositionPatient).")
    turn = np.array(first.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    same = [
        np.allclose(np.ravel(turn), np.array(d.ImageOrientationPatient, float), atol=1e-3)
        and (d.Rows, d.Columns) == (first.Rows, first.Columns)
        and np.allclose(np.array(d.PixelSpacing, float), np.array(first.PixelSpacing, float))
        for d in datasets
    ]
    if not all(same):
        raise ImageError(
            f"{path}: {same.count(False)} of {len(same)} slices have another orientation, size or "
            "pixel spacing than the first; keep one volume in the folder."
        )
    if len(datasets) < 2:
        raise ImageError(f"{path}: one slice is no volume; give the whole series.")
    normal = np.cross(turn[0], turn[1])
    positions = np.array([d.ImagePositionPatient for d in datasets], dtype=np.float64)
    order = np.argsort(positions @ normal)
    datasets[:] = [datasets[i] for i in order]
    positions = positions[order]
    steps = np.diff(positions @ normal)
    middle = float(np.median(steps))
    uneven = int((np.abs(steps - middle) > max(EVEN * abs(middle), 1e-3)).sum())
    if middle <= 0 or uneven:
        raise ImageError(
            f"{path}: {uneven} of {len(steps)} distances between slices differ from {middle:g} mm; "
            "slices are missing, doubled or of two scans."
        )
    affine = np.eye(4)
    affine[:3, 0] = (positions[-1] - positions[0]) / (len(datasets) - 1)
    affine[:3, 1] = turn[1] * float(first.PixelSpacing[0])
    affine[:3, 2] = turn[0] * float(first.PixelSpacing[1])
    affine[:3, 3] = positions[0]
    scaled = [_scaled(dataset, dataset.pixel_array) for dataset in datasets]
    units = {unit for _, unit in scaled}
    if len(units) > 1:
        raise ImageError(f"{path}: slices are in {' and '.join(sorted(units))}; give one unit.")
    return np.stack([values for values, _ in scaled]), affine, units.pop()


def _frames(
    path: Path, datasets: list[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float64], str]:
    """Values, affine and unit of an NM tomogram, whose frames are its slices."""
    dataset = datasets[0]
    if "RECON TOMO" not in [str(word) for word in dataset.get("ImageType", ())]:
        raise ImageError(
            f"{path}: image type {list(dataset.get('ImageType', ()))}; give the reconstructed "
            "tomogram (RECON TOMO), for planar and raw images hold no concentration."
        )
    detector = dataset.get("DetectorInformationSequence") or [dataset]
    found = next((d for d in (detector[0], dataset) if "ImagePositionPatient" in d), None)
    if found is None or "ImageOrientationPatient" not in found:
        raise ImageError(f"{path}: the tomogram does not say where it lies (DetectorInformation).")
    turn = np.array(found.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    step = dataset.get("SpacingBetweenSlices", dataset.get("SliceThickness"))
    if step is None:
        raise ImageError(f"{path}: the distance between slices is not said.")
    affine = np.eye(4)
    affine[:3, 0] = np.cross(turn[0], turn[1]) * float(step)
    affine[:3, 1] = turn[1] * float(dataset.PixelSpacing[0])
    affine[:3, 2] = turn[0] * float(dataset.PixelSpacing[1])
    affine[:3, 3] = np.array(found.ImagePositionPatient, dtype=np.float64)
    values, unit = _scaled(dataset, dataset.pixel_array)
    return values, affine, unit


def _scaled(dataset: Any, stored: Any) -> tuple[NDArray[np.float32], str]:
    """Values of the stored numbers and their unit, empty if the file does not say it."""
    for mapping in dataset.get("RealWorldValueMappingSequence", ()):
        code = mapping.MeasurementUnitsCodeSequence[0]
        if str(code.CodeValue).lower() in BQ_ML and "RealWorldValueSlope" in mapping:
            slope, intercept = mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept
            return (stored * float(slope) + float(intercept)).astype(np.float32), "Bq/mL"
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    values = (stored * float(slope) + float(intercept)).astype(np.float32)
    unit = str(dataset.get("Units", dataset.get("RescaleType", "")))
    if dataset.get("Modality") == "CT":
        unit = "HU"
    return values, "Bq/mL" if unit.lower() in BQ_ML else unit


def _header(dataset: Any, unit: str) -> Header:
    correction = str(dataset.get("DecayCorrection", ""))
    corrected = WORDS_OF_CORRECTION.get(correction, "")
    # PT corrects to the start of the series, of which a slice's own time may be minutes away
    names = ("Series", "Acquisition") if corrected == "scan" else ("Acquisition", "Series")
    acquired = next((time for name in names if (time := _moment(dataset, name)) is not None), None)
    drug = (dataset.get("RadiopharmaceuticalInformationSequence") or [{}])[0]
    seconds = drug.get("RadionuclideHalfLife")
    return Header(
        modality=str(dataset.get("Modality", "")),
        unit=unit,
        acquired=acquired,
        corrected_to=corrected,
        injected=_dicom_time(drug.get("RadiopharmaceuticalStartDateTime")),
        half_life_days=None if seconds is None else float(seconds) / 86_400,
    )


def _moment(dataset: Any, name: str) -> datetime | None:
    day, time = dataset.get(f"{name}Date"), dataset.get(f"{name}Time")
    return _dicom_time(f"{day}{time}") if day and time else None


def _dicom_time(text: Any) -> datetime | None:
    """Return a DICOM date and time in the clinic's own time; None for what is no time."""
    digits = str(text or "").partition(".")[0].partition("+")[0].partition("-")[0]
    try:
        return datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None


def read_transform(path: Path) -> NDArray[np.float64]:
    """Read a rigid transform: four lines of four numbers, millimetres, DICOM's axes.

    It leads from the image's points to those of the first image. Raises ImageError.
    """
    from radioligand.dosimetry.grids import rigid_transform

    try:
        rows: Sequence[Sequence[float]] = [
            [float(one) for one in line.replace(",", " ").split()]
            for line in path.read_text("utf-8").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        return rigid_transform(rows)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: {error}.") from None
