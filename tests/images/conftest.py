# SPDX-License-Identifier: Apache-2.0
"""A phantom made of formulas, written as DICOM or NIfTI in any orientation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest

try:
    import highdicom  # noqa: F401
    import nibabel
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian
except ModuleNotFoundError:  # the extra `images` is not installed
    collect_ignore_glob = ["test_*.py"]

ROOT = "1.2.826.0.1.3680043.8.498."
KINDS = {
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "NM": "1.2.840.10008.5.1.4.1.1.20",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
}
INJECTED = datetime(2026, 5, 4, 9, 0)
HOURS = (4.0, 24.0, 96.0)
RATES = {"body": 0.03, "kidney": 0.0139, "lesion": 0.0087}  # 1/h, all faster than physics
AMOUNTS = {"body": 0.02, "kidney": 0.6, "lesion": 2.5}  # MBq/mL at time 0


@dataclass
class Box:
    """A grid of voxels: axis i leads through slices, j down rows, k along columns."""

    shape: tuple[int, int, int] = (22, 26, 30)
    spacing: tuple[float, float, float] = (5.0, 4.0, 4.0)
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))  # columns: i, j, k in LPS
    middle: tuple[float, float, float] = (10.0, -120.0, 300.0)

    @property
    def affine(self) -> np.ndarray:
        found = np.eye(4)
        found[:3, :3] = self.turn * np.array(self.spacing)
        found[:3, 3] = self.middle - found[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        return found

    def points(self) -> np.ndarray:
        """Centres of voxels about the middle of the phantom, (a, b, c, 3) mm in LPS."""
        places = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij"), -1)
        return places @ self.affine[:3, :3].T + self.affine[:3, 3] - np.array((10, -120, 300))


AXIAL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)  # i to the head, j back, k left


def inside(points: np.ndarray, name: str) -> np.ndarray:
    x, y, z = np.moveaxis(points, -1, 0)
    if name == "body":
        return (x / 52) ** 2 + (y / 44) ** 2 + (z / 48) ** 2 < 1
    centre, radius = {"kidney": ((18, 14, -12), 20), "lesion": ((-22, -8, 14), 12)}[name]
    return ((points - centre) ** 2).sum(-1) < radius**2


def activity(points: np.ndarray, hours: float) -> np.ndarray:
    """Activity concentration in Bq/mL."""
    found = np.zeros(points.shape[:-1])
    for name in ("body", "kidney", "lesion"):
        found[inside(points, name)] = 1e6 * AMOUNTS[name] * np.exp(-RATES[name] * hours)
    return found


def identity(*parts) -> str:
    return ROOT + ".".join(str(crc32(str(part).encode())) for part in parts)


def empty(kind: str, name: str) -> Dataset:
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = kind
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID = kind
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = identity(name, kind)
    found.StudyInstanceUID, found.SeriesInstanceUID = ROOT + "1", identity("series", kind, name)
    found.FrameOfReferenceUID = ROOT + "77"
    found.PatientID, found.PatientName, found.PatientBirthDate = "P1", "Phantom^Simulated", ""
    found.PatientSex, found.StudyID, found.AccessionNumber = "O", "1", ""
    found.StudyDate, found.StudyTime, found.ReferringPhysicianName = "20260504", "090000", ""
    found.SeriesNumber, found.InstanceNumber, found.Manufacturer = 1, 1, "phantom"
    return found


def dated(found: Dataset, at: datetime) -> None:
    for name in ("Series", "Acquisition", "Content"):
        setattr(found, f"{name}Date", f"{at:%Y%m%d}")
        setattr(found, f"{name}Time", f"{at:%H%M%S}")


def pixels(found: Dataset, stored: np.ndarray) -> None:
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 16
    found.HighBit = 15
    found.PixelRepresentation = int(stored.dtype == np.int16)
    found.Rows, found.Columns = stored.shape[-2:]
    found.PixelData = stored.tobytes()


def write_slices(folder: Path, values, box: Box, *, kind="PT", hours=0.0, change=None) -> Path:
    """Write a classic series, one file a slice; `change` may alter each dataset."""
    folder.mkdir(parents=True)
    sides = box.spacing
    for i, slice_ in enumerate(values):
        found = empty(KINDS[kind], folder.name)
        found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = identity(folder.name, i)
        found.Modality, found.InstanceNumber = kind, i + 1
        found.ImageOrientationPatient = [*box.turn[:, 2], *box.turn[:, 1]]
        found.ImagePositionPatient = list((box.affine @ (i, 0, 0, 1))[:3])
        found.PixelSpacing, found.SliceThickness = [sides[1], sides[2]], sides[0]
        dated(found, INJECTED + timedelta(hours=hours))
        if kind == "CT":
            found.RescaleSlope, found.RescaleIntercept = 1, -1024
            pixels(found, (slice_ + 1024).astype(np.int16))
        else:
            slope = max(float(slice_.max()), 1.0) / 60000
            found.RescaleSlope, found.RescaleIntercept = f"{slope:.10g}", 0
            found.Units, found.DecayCorrection = "BQML", "START"
            drug = Dataset()
            drug.RadiopharmaceuticalStartDateTime = f"{INJECTED:%Y%m%d%H%M%S}"
            drug.RadionuclideHalfLife = 6.6443 * 86400
            found.RadiopharmaceuticalInformationSequence = [drug]
            pixels(found, np.rint(slice_ / float(f"{slope:.10g}")).astype(np.uint16))
        if change:
            change(found, i)
        found.save_as(folder / f"slice-{(i * 7) % len(values):03d}.dcm", enforce_file_format=True)
    return folder


def write_tomogram(path: Path, values, box: Box, *, hours=0.0, change=None) -> Path:
    """Write an NM tomogram, all slices in one file, quantitative by a real-world mapping."""
    found = empty(KINDS["NM"], path.name)
    found.Modality, found.ImageType = "NM", ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    place = Dataset()
    place.ImageOrientationPatient = [*box.turn[:, 2], *box.turn[:, 1]]
    place.ImagePositionPatient = list(box.affine[:3, 3])
    found.DetectorInformationSequence = [place]
    found.PixelSpacing, found.SliceThickness = list(box.spacing[1:]), box.spacing[0]
    handed = float(np.cross(box.turn[:, 2], box.turn[:, 1]) @ box.turn[:, 0])
    found.SpacingBetweenSlices = handed * box.spacing[0]
    found.NumberOfFrames = len(values)
    slope = float(f"{values.max() / 60000:.10g}")
    unit, mapping = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "Bq/ml", "UCUM", "Bq/ml"
    mapping.MeasurementUnitsCodeSequence = [unit]
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 0.0
    mapping.LUTLabel, mapping.RealWorldValueFirstValueMapped = "Bq/ml", 0
    mapping.RealWorldValueLastValueMapped = 65535
    found.RealWorldValueMappingSequence = [mapping]
    dated(found, INJECTED + timedelta(hours=hours))
    pixels(found, np.rint(values / slope).astype(np.uint16))
    if change:
        change(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
    return path


def write_nifti(path: Path, values, box: Box) -> Path:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ box.affine
    image = nibabel.Nifti1Image(np.asarray(values), affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def write_structures(path: Path, box: Box, names=("kidney", "lesion"), *, step=2.5) -> Path:
    """Write an RTSTRUCT: circles about each ball, and a hole of 5 mm in the kidney."""
    found = empty("1.2.840.10008.5.1.4.1.1.481.3", path.name)
    found.Modality, found.StructureSetLabel = "RTSTRUCT", "phantom"
    found.StructureSetROISequence, found.ROIContourSequence = [], []
    middle = np.array((10.0, -120.0, 300.0))
    for number, name in enumerate(names, 1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = found.FrameOfReferenceUID
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        centre, radius = {"kidney": ((18, 14, -12), 20), "lesion": ((-22, -8, 14), 12)}[name]
        for height in np.arange(-radius + step / 2, radius, step):
            rings = [(radius**2 - height**2) ** 0.5, *([5.0] if name == "kidney" else [])]
            for ring in rings:
                angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
                points = np.stack(
                    (ring * np.cos(angle), ring * np.sin(angle), np.full(72, height)), -1
                )
                contour = Dataset()
                contour.ContourGeometricType = "CLOSED_PLANAR"
                contour.NumberOfContourPoints = 72
                contour.ContourData = [f"{one:.6g}" for one in (points + middle + centre).ravel()]
                drawn.ContourSequence.append(contour)
        found.StructureSetROISequence.append(roi)
        found.ROIContourSequence.append(drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
    return path


DOCUMENT = """\
subject = "01-001"
cycle = 1
nuclide = "Lu-177"
density_g_ml = 1.04
reach_mm = 60

[administration]
start = 2026-05-04T09:00:00
activity_mbq = 7400

{images}
[ct]
path = "ct"

[segmentation]
path = "{segmentation}"

[[regions]]
name = "kidney"
role = "organ"
label = {kidney}

[[regions]]
name = "lesion"
role = "lesion"
label = {lesion}
"""


def write_cycle(folder: Path, kind="PT", *, change=None, slice_change=None) -> Path:
    """Write the phantom's images, CT and regions of one cycle, and the document that names them.

    change : is given the document's text and returns another.
    slice_change : alters each dataset of the images, given the dataset and the time point.
    """
    box = Box(turn=AXIAL)
    points, told = box.points(), ""
    for number, hours in enumerate(HOURS, 1):
        name = f"day-{number}"
        values = activity(points, hours)
        alter = (lambda found, _=0, n=number: slice_change(found, n)) if slice_change else None
        told += f'[[images]]\npath = "{name}{dict(PT="", NM=".dcm", NIfTI=".nii.gz")[kind]}"\n'
        if kind == "PT":
            write_slices(folder / name, values, box, hours=hours, change=alter)
        elif kind == "NM":
            write_tomogram(folder / f"{name}.dcm", values, box, hours=hours, change=alter)
            told += 'corrected_to = "scan"\n'
        else:
            write_nifti(folder / f"{name}.nii.gz", values.astype(np.float32), box)
            told += f"acquired = {(INJECTED + timedelta(hours=hours)).isoformat()}\n"
            told += 'unit = "Bq/mL"\ncorrected_to = "scan"\n'
        told += "\n"
    fine = Box(turn=AXIAL, shape=(26, 36, 36), spacing=(4.6, 3.4, 3.4))
    hounsfield = np.where(inside(fine.points(), "body"), 40.0, -1000.0)
    names = {"kidney": "1", "lesion": "2", "segmentation": "labels.nii.gz"}
    if kind == "NIfTI":
        write_nifti(folder / "ct.nii.gz", hounsfield.astype(np.float32), fine)
        labels = np.zeros(box.shape, np.uint8)
        for label, name in ((1, "kidney"), (2, "lesion")):
            labels[inside(points, name)] = label
        write_nifti(folder / "labels.nii.gz", labels, box)
    else:
        write_slices(folder / "ct", hounsfield, fine, kind="CT")
        write_structures(folder / "structures.dcm", box, ("kidney", "lesion"))
        names = {"kidney": '"kidney"', "lesion": '"lesion"', "segmentation": "structures.dcm"}
    text = DOCUMENT.format(images=told, **names)
    if kind == "NIfTI":
        text = text.replace('path = "ct"', 'path = "ct.nii.gz"\nsame_frame = true')
    path = folder / "cycle-1.toml"
    path.write_text(change(text) if change else text, "utf-8")
    return path


@pytest.fixture(scope="session")
def phantom():
    """Everything above, as one thing to ask."""
    return SimpleNamespace(**{name: one for name, one in globals().items() if name[0] != "_"})
