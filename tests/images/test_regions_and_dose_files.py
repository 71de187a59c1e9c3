# SPDX-License-Identifier: Apache-2.0
"""Regions come onto the image's grid, and doses into files that other programs read alike."""

from datetime import datetime
from io import BytesIO

import highdicom as hd
import nibabel
import numpy as np
import pydicom
import pytest

from radioligand.dosimetry.dose_volume import dose_volume
from radioligand.dosimetry.grids import Grid
from radioligand.io.dose_files import (
    measurement_report,
    nifti,
    rt_dose,
    segmentation,
    segmentation_bytes,
)
from radioligand.io.images import ImageError, read_image
from radioligand.io.segmentations import read_regions

MADE = datetime(2026, 5, 8, 12, 0)
BALL_ML = 4 / 3 * np.pi * 2.0**3  # the kidney of the phantom; its lesion is 12 mm in radius


@pytest.fixture
def spect(phantom, tmp_path):
    box = phantom.Box(turn=phantom.AXIAL)
    values = phantom.activity(box.points(), 24.0)
    return read_image(phantom.write_slices(tmp_path / "day-1", values, box, hours=24))


def overlap(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("number", [0, 9, 30])
def test_labels_of_another_grid_come_onto_the_image(phantom, tmp_path, spect, number):
    rng = np.random.default_rng(number)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    fine = phantom.Box(turn=turn, spacing=(2.0, 2.5, 2.2), shape=(70, 60, 66))
    labels = np.zeros(fine.shape, np.uint8)
    for label, name in ((1, "kidney"), (2, "lesion")):
        labels[phantom.inside(fine.points(), name)] = label
    path = phantom.write_nifti(tmp_path / "labels.nii.gz", labels, fine)

    found = read_regions(path, {"left kidney": 1, "lesion 1": 2}, onto=spect.grid)

    box = phantom.Box(turn=phantom.AXIAL)
    for region, name in zip(found.regions, ("kidney", "lesion")):
        assert (
            overlap(region.mask, phantom.inside(box.points(), name)) > 0.92
        )  # one voxel in fifteen lies at the edge
    assert found.regions[0].drawn_ml == pytest.approx(BALL_ML, rel=0.02)
    assert found.regions[0].mask.sum() * spect.grid.voxel_ml == pytest.approx(BALL_ML, rel=0.05)


def test_contours_are_filled_and_their_holes_left_out(phantom, tmp_path, spect):
    path = phantom.write_structures(tmp_path / "structures.dcm", phantom.Box())

    found = read_regions(path, {"kidney": "kidney", "lesion": "lesion"}, onto=spect.grid)

    box = phantom.Box(turn=phantom.AXIAL)
    points = box.points() - (18, 14, -12)
    ring = phantom.inside(box.points(), "kidney") & (np.linalg.norm(points[..., :2], axis=-1) > 5)
    kidney, lesion = found.regions
    assert overlap(kidney.mask, ring) > 0.95
    assert kidney.drawn_ml == pytest.approx(BALL_ML - 3.14159 * 0.25 * 4.0, rel=0.02)
    assert lesion.drawn_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)
    assert found.frame == spect.grid.frame


def test_segments_are_read_as_they_were_written(phantom, tmp_path, spect):
    box = phantom.Box(turn=phantom.AXIAL)
    masks = {name: phantom.inside(box.points(), name) for name in ("kidney", "lesion")}
    made = segmentation(masks, frozenset({"lesion"}), spect.grid, sources=spect.datasets)
    path = tmp_path / "segments.dcm"
    path.write_bytes(segmentation_bytes(made, made=MADE))

    by_name = read_regions(path, {"a": "kidney", "b": "lesion"}, onto=spect.grid)
    by_number = read_regions(path, {"a": 1, "b": 2}, onto=spect.grid)

    for found in (by_name, by_number):
        assert all((one.mask == masks[name]).all() for one, name in zip(found.regions, masks))
        assert found.frame == spect.grid.frame


def test_regions_that_are_not_there_are_told_with_those_that_are(phantom, tmp_path, spect):
    path = phantom.write_structures(tmp_path / "structures.dcm", phantom.Box())
    with pytest.raises(ImageError, match=r"1 of 2 regions are not there: 'spleen' \('Milz'\). The"):
        read_regions(path, {"kidney": "kidney", "spleen": "Milz"}, onto=spect.grid)
    box = phantom.Box(turn=phantom.AXIAL)
    halves = phantom.write_nifti(tmp_path / "h.nii", np.full(box.shape, 0.5, np.float32), box)
    with pytest.raises(ImageError, match="labels are whole numbers"):
        read_regions(halves, {"kidney": 1}, onto=spect.grid)
    with pytest.raises(ImageError, match="0 DICOM segmentations or structure sets"):
        read_regions(tmp_path / "day-1", {"kidney": 1}, onto=spect.grid)


# --- doses ----------------------------------------------------------------------------------------


def doses(phantom, spect):
    points = phantom.Box(turn=phantom.AXIAL).points()
    return (20 * np.exp(-((points - (5, 9, 13)) ** 2).sum(-1) / 900)).astype(np.float32)


@pytest.mark.parametrize("flip", [False, True])
def test_rtdose_holds_the_dose_where_it_was(phantom, spect, flip):
    dose, grid = doses(phantom, spect), spect.grid
    if flip:  # slices from head to feet
        affine = grid.affine.copy()
        affine[:3, 3] += affine[:3, 0] * (grid.shape[0] - 1)
        affine[:3, 0] *= -1
        dose, grid = dose[::-1], Grid(shape=grid.shape, affine=affine, frame=grid.frame)
    written = rt_dose(dose, grid, source=spect.datasets[0], made=MADE)

    read = pydicom.dcmread(BytesIO(written))
    values = read.pixel_array * float(read.DoseGridScaling)
    frame, row, column = np.unravel_index(values.argmax(), values.shape)
    turn = np.array(read.ImageOrientationPatient, float).reshape(2, 3)
    place = np.array(read.ImagePositionPatient, float) + (
        turn[0] * column * float(read.PixelSpacing[1])
        + turn[1] * row * float(read.PixelSpacing[0])
        + np.cross(*turn) * float(read.GridFrameOffsetVector[frame])
    )
    assert np.linalg.norm(place - (10 + 5, -120 + 9, 300 + 13)) < 4  # within a voxel
    assert values.max() == pytest.approx(dose.max(), rel=1e-6)
    assert values.sum() == pytest.approx(dose.sum(dtype=float), rel=1e-6)
    assert (read.DoseUnits, read.DoseType, read.Modality) == ("GY", "PHYSICAL", "RTDOSE")
    assert read.PatientID == "P1"
    assert read.FrameOfReferenceUID == spect.grid.frame
    assert written == rt_dose(dose, grid, source=spect.datasets[0], made=MADE)


def test_nifti_holds_the_dose_where_it_was(phantom, spect, tmp_path):
    dose = doses(phantom, spect)
    path = tmp_path / "dose.nii"
    path.write_bytes(nifti(dose, spect.grid))

    again = read_image(path)

    assert (again.values == dose).all()
    assert again.grid.affine == pytest.approx(spect.grid.affine, abs=1e-4)
    assert nibabel.load(path).header.get_xyzt_units()[0] == "mm"


def test_the_report_holds_every_region_with_its_doses(phantom, spect):
    dose = doses(phantom, spect)
    box = phantom.Box(turn=phantom.AXIAL)
    masks = {name: phantom.inside(box.points(), name) for name in ("kidney", "lesion")}
    segments = segmentation(masks, frozenset({"lesion"}), spect.grid, sources=spect.datasets)
    found = {name: dose_volume(dose, mask, voxel_ml=0.08) for name, mask in masks.items()}

    written = measurement_report(found, segments, sources=spect.datasets, made=MADE)

    report = hd.sr.Comprehensive3DSR.from_dataset(pydicom.dcmread(BytesIO(written)))
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["kidney", "lesion"]
    for group, one in zip(groups, found.values()):
        values = {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}
        assert values["Mean Absorbed Radiation Dose"] == (pytest.approx(one.mean_gy, 1e-5), "Gy")
        assert values["Volume"] == (pytest.approx(one.volume_ml, 1e-5), "cm3")
        assert group.referenced_segment.referenced_sop_instance_uid == segments.SOPInstanceUID
    assert report.PatientID == "P1"


def turned(phantom, order, sign):
    """A grid in the phantom's place, its axes those of the contours in that order and sense."""
    turn = phantom.AXIAL[:, order] * sign
    box = phantom.Box(turn=turn, spacing=(4.0, 4.0, 4.0), shape=(30, 31, 32))
    return box, Grid(shape=box.shape, affine=box.affine, frame=phantom.ROOT + "77")


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)], ids=str)
@pytest.mark.parametrize("sign", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)], ids=str)
def test_contours_lie_in_the_same_place_of_a_turned_image(phantom, tmp_path, order, sign):
    path = phantom.write_structures(tmp_path / "structures.dcm", phantom.Box())
    box, grid = turned(phantom, order, sign)

    found = read_regions(path, {"kidney": "kidney", "lesion": "lesion"}, onto=grid)

    around = np.linalg.norm((box.points() - (18, 14, -12))[..., :2], axis=-1)
    kidney, lesion = found.regions
    assert overlap(kidney.mask, phantom.inside(box.points(), "kidney") & (around > 5)) > 0.93
    assert overlap(lesion.mask, phantom.inside(box.points(), "lesion")) > 0.9
    assert lesion.drawn_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1)], ids=str)
def test_contours_across_the_slices_are_refused(phantom, tmp_path, order):
    path = phantom.write_structures(tmp_path / "structures.dcm", phantom.Box())
    _, grid = turned(phantom, order, (1, 1, 1))
    with pytest.raises(ImageError, match=r"region 'kidney' was drawn across the slices.*DICOM SEG"):
        read_regions(path, {"kidney": "kidney"}, onto=grid)
