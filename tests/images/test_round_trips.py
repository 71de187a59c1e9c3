# SPDX-License-Identifier: Apache-2.0
"""Doses and regions that were written, read again by pydicom, highdicom and nibabel alone.

In every orientation: values are held against formulas at the places that the files themselves
tell, so that a turned axis, a mirrored patient or a shift by half a voxel shows.
"""

from datetime import datetime
from io import BytesIO
from itertools import permutations, product

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

MADE = datetime(2026, 5, 8, 12, 0)
MIDDLE = np.array((10.0, -120.0, 300.0))  # of the phantom
SHAPE = (7, 9, 8)
SPACING = (11.0, 9.0, 8.0)
TURNS = [
    turn
    for order in permutations(range(3))
    for sign in product((1, -1), repeat=3)
    if np.linalg.det(
        turn := np.array([[sign[c] * (order[c] == r) for c in range(3)] for r in range(3)], float)
    )
    < 0
]  # slices along row x column, as DICOM stores them
OBLIQUE = TURNS[0] @ np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
AGAINST = TURNS[0] * (-1, 1, 1)  # slices the other way, as some tomograms have them
TURNED = pytest.mark.parametrize("turn", [*TURNS[::2], OBLIQUE, AGAINST], ids=str)


def dose_at(points):
    """Gy at places in mm: no symmetry that a wrong axis could hide behind."""
    x, y, z = np.moveaxis(points - MIDDLE, -1, 0)
    return 20 + 0.11 * x + 0.05 * y - 0.07 * z + 1e-3 * x * y


def in_region(points, name):
    x, y, z = np.moveaxis(points - MIDDLE, -1, 0)
    near = {"kidney": (x > 4) & (y > -20) & (z < 22), "lesion": (x < -8) & (y < 10) & (z > -25)}
    return near[name]


def image(phantom, tmp_path, turn):
    """A grid in that orientation, its voxels' places, and the datasets of an image on it."""
    box = phantom.Box(shape=SHAPE, spacing=SPACING, turn=turn)
    folder = phantom.write_slices(tmp_path / "day-1", np.ones(SHAPE), box, hours=4)
    sources = [pydicom.dcmread(one) for one in folder.iterdir()]
    sources.sort(key=lambda one: one.InstanceNumber)
    grid = Grid(shape=SHAPE, affine=box.affine, frame=phantom.ROOT + "77")
    return grid, box.points() + MIDDLE, sources


def places(affine, shape):
    """Where the voxels of an array lie, (a, b, c, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


@TURNED
def test_rtdose_tells_each_voxels_place_and_dose(phantom, tmp_path, turn):
    grid, points, sources = image(phantom, tmp_path, turn)
    written = rt_dose(dose_at(points).astype(np.float32), grid, source=sources[0], made=MADE)

    read = pydicom.dcmread(BytesIO(written))
    column_by, row_by = np.array(read.ImageOrientationPatient, float).reshape(2, 3)
    sides = [float(one) for one in read.PixelSpacing]
    slices = np.outer(np.array(read.GridFrameOffsetVector, float), np.cross(column_by, row_by))
    affine = np.eye(4)
    affine[:3, 1], affine[:3, 2] = row_by * sides[0], column_by * sides[1]
    affine[:3, 3] = read.ImagePositionPatient
    flat = places(affine, (1, *read.pixel_array.shape[1:]))
    found = dose_at(flat + slices[:, None, None, :])
    assert read.pixel_array * float(read.DoseGridScaling) == pytest.approx(found, rel=1e-5)
    assert (np.diff(np.array(read.GridFrameOffsetVector, float)) > 0).all()


@TURNED
def test_nifti_tells_each_voxels_place_and_dose(phantom, tmp_path, turn):
    grid, points, _ = image(phantom, tmp_path, turn)
    path = tmp_path / "dose.nii"
    path.write_bytes(nifti(dose_at(points).astype(np.float32), grid))

    read = nibabel.load(path)
    found = places(np.diag([-1, -1, 1, 1.0]) @ read.affine, read.shape)  # right and front are plus
    assert np.asarray(read.dataobj) == pytest.approx(dose_at(found), rel=1e-5)


@TURNED
def test_segments_and_report_tell_each_region(phantom, tmp_path, turn):
    grid, points, sources = image(phantom, tmp_path, turn)
    masks = {name: in_region(points, name) for name in ("kidney", "lesion")}
    made = segmentation(masks, frozenset({"lesion"}), grid, sources=sources)
    doses = {
        name: dose_volume(dose_at(points).astype(np.float32), mask, voxel_ml=grid.voxel_ml)
        for name, mask in masks.items()
    }
    report = measurement_report(doses, made, sources=sources, made=MADE)

    read = hd.seg.segread(BytesIO(segmentation_bytes(made, made=MADE)))
    for number, name in enumerate(masks, 1):
        volume = read.get_volume(segment_numbers=[number], combine_segments=True)
        found = in_region(places(volume.affine, volume.spatial_shape), name)
        assert ((volume.array > 0) == found).all()
        assert found.sum() * grid.voxel_ml == pytest.approx(doses[name].volume_ml)
        assert read.get_segment_description(number).segment_label == name
    assert read.FrameOfReferenceUID == grid.frame

    told = hd.sr.Comprehensive3DSR.from_dataset(pydicom.dcmread(BytesIO(report)))
    for group, (name, found) in zip(
        told.content.get_volumetric_roi_measurement_groups(), doses.items(), strict=True
    ):
        values = {one.name.meaning: one.value for one in group.get_measurements()}
        assert group.tracking_identifier == name
        assert values == {
            "Volume": pytest.approx(found.volume_ml, rel=1e-5),
            "Mean Absorbed Radiation Dose": pytest.approx(found.mean_gy, rel=1e-5),
            "Median Absorbed Radiation Dose": pytest.approx(found.d50_gy, rel=1e-5),
            "Minimum Absorbed Radiation Dose": pytest.approx(found.least_gy, rel=1e-5),
            "Maximum Absorbed Radiation Dose": pytest.approx(found.most_gy, rel=1e-5),
        }
        assert group.referenced_segment.referenced_sop_instance_uid == read.SOPInstanceUID
