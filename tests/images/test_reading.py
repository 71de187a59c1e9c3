# SPDX-License-Identifier: Apache-2.0
"""Images in every orientation lie where their headers say, and unclear files are refused."""

import sys
from datetime import timedelta
from itertools import permutations, product

import numpy as np
import pytest

from radioligand.dosimetry.grids import Grid, is_same_place, resample, rigid_transform
from radioligand.io.images import ImageError, MissingExtraError, read_image, read_transform

TURNS = [
    np.array([[sign[c] * (order[c] == r) for c in range(3)] for r in range(3)], float)
    for order in permutations(range(3))
    for sign in product((1, -1), repeat=3)
]
# 24 in which slices follow one another along row x column, as in DICOM, and 4 that go against it
TURNS.sort(key=np.linalg.det)
TURNS = TURNS[:28]
OBLIQUE = TURNS[0] @ np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])


def expected(phantom, image, hours=24.0):
    """The phantom's activity where the image says that its voxels lie."""
    places = np.stack(np.meshgrid(*map(np.arange, image.grid.shape), indexing="ij"), -1)
    points = places @ image.grid.affine[:3, :3].T + image.grid.affine[:3, 3]
    return phantom.activity(points - np.array((10, -120, 300)), hours)


@pytest.mark.parametrize("turn", [*TURNS, OBLIQUE], ids=str)
@pytest.mark.parametrize("kind", ["PT", "NM", "NIfTI"])
def test_voxels_lie_where_the_header_says(phantom, tmp_path, turn, kind):
    box = phantom.Box(shape=(9, 11, 12), spacing=(11.0, 9.0, 8.0), turn=turn)
    values = phantom.activity(box.points(), 24.0)
    if kind == "PT":
        path = phantom.write_slices(tmp_path / "day-1", values, box, hours=24)
    elif kind == "NM":
        path = phantom.write_tomogram(tmp_path / "day-1.dcm", values, box, hours=24)
    else:
        path = phantom.write_nifti(tmp_path / "day-1.nii.gz", values, box)

    image = read_image(path)

    assert image.values == pytest.approx(expected(phantom, image), abs=values.max() / 50000)
    assert sorted(image.grid.spacing_mm) == pytest.approx([8, 9, 11], rel=1e-4)
    assert image.grid.is_rectangular
    assert image.grid.voxel_ml == pytest.approx(0.792, rel=1e-4)
    if kind != "NIfTI":
        assert image.header.unit == "Bq/mL"
        assert image.header.acquired == phantom.INJECTED + timedelta(hours=24)
        assert image.grid.frame.endswith(".77")


@pytest.mark.parametrize("turn", TURNS[:6], ids=str)
def test_an_image_comes_back_from_another_grid(phantom, tmp_path, turn):
    box = phantom.Box(turn=phantom.AXIAL, spacing=(4.0, 4.0, 4.0), shape=(24, 26, 28))
    other = phantom.Box(turn=turn, spacing=(4.0, 4.0, 4.0), shape=(30, 30, 30))
    values = np.exp(-((box.points() / 30) ** 2).sum(-1)).astype(np.float32)
    grid, onto = (Grid(shape=one.shape, affine=one.affine) for one in (box, other))

    there = resample(values, grid, onto)
    back = resample(there.values, onto, grid)

    assert back.values == pytest.approx(values, abs=0.02)
    assert back.covered == 1.0
    assert there.covered == pytest.approx(24 * 26 * 28 / 30**3, rel=0.1)


def test_a_transform_moves_an_image_onto_the_first(phantom):
    angle = np.radians(12)
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = (12, -7, 4)
    box = phantom.Box(turn=phantom.AXIAL)
    first = Grid(shape=box.shape, affine=box.affine, frame="a")
    later = Grid(shape=box.shape, affine=np.linalg.inv(move) @ box.affine, frame="b")

    assert not is_same_place(first, later)
    assert is_same_place(first, later.moved(rigid_transform(move), frame="a"))


def refuse(path):
    with pytest.raises(ImageError) as told:
        read_image(path)
    return str(told.value)


def test_a_folder_holds_one_whole_even_series(phantom, tmp_path):
    box = phantom.Box(turn=phantom.AXIAL, shape=(6, 8, 8))
    values = phantom.activity(box.points(), 24.0)

    def missing(found, i):
        found.ImagePositionPatient[2] += 5.0 * (i > 3)

    def two_series(found, i):
        found.SeriesInstanceUID += f".{i % 2}"

    def slanted(found, i):
        found.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if i == 2 else [1, 0, 0, 0, 1, 0]

    def counts(found, i):
        found.Units = "CNTS" if i == 4 else "BQML"

    says = {
        missing: "1 of 5 distances between slices differ from 5 mm",
        two_series: "2 series in one folder",
        slanted: "1 of 6 slices have another orientation",
        counts: "slices are in Bq/mL and CNTS",
    }
    for change, said in says.items():
        path = phantom.write_slices(tmp_path / change.__name__, values, box, change=change)
        assert said in refuse(path)
    one = phantom.write_slices(tmp_path / "one", values[:1], box)
    assert "one slice is no volume" in refuse(one)


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch, tmp_path):
    (tmp_path / "a.nii").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtraError, match=r"need nibabel, .* 'radioligand\[images\]'"):
        read_image(tmp_path / "a.nii")


def test_damaged_dicom_is_refused_and_a_broken_date_is_no_date(phantom, tmp_path):
    box = phantom.Box(turn=phantom.AXIAL, shape=(4, 8, 8))
    values = phantom.activity(box.points(), 24.0)

    def short(found, i):
        found.PixelData = found.PixelData[:20]

    def without_spacing(found, i):
        del found.PixelSpacing

    for change in (short, without_spacing):
        path = phantom.write_slices(tmp_path / change.__name__, values, box, change=change)
        assert "its DICOM cannot be read" in refuse(path)

    def undated(found):
        found.AcquisitionDate = found.SeriesDate = ""

    path = phantom.write_tomogram(tmp_path / "undated.dcm", values, box, change=undated)
    assert read_image(path).header.acquired is None


def test_files_that_do_not_say_where_they_lie_are_refused(phantom, tmp_path):
    box = phantom.Box(turn=phantom.AXIAL, shape=(6, 8, 8))
    values = phantom.activity(box.points(), 24.0)

    def planar(found):
        found.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]

    def nowhere(found):
        del found.DetectorInformationSequence

    for change, said in ((planar, "RECON TOMO"), (nowhere, "does not say where it lies")):
        path = tmp_path / f"{change.__name__}.dcm"
        assert said in refuse(phantom.write_tomogram(path, values, box, change=change))

    header = phantom.nibabel.Nifti1Image(values.astype(np.float32), None)
    phantom.nibabel.save(header, tmp_path / "nowhere.nii.gz")
    assert "left and right cannot be guessed" in refuse(tmp_path / "nowhere.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing of the kind")
    assert "no NIfTI file can be read" in refuse(tmp_path / "broken.nii.gz")
    (tmp_path / "folder").mkdir()
    assert "no DICOM and no NIfTI" in refuse(tmp_path / "folder")
    assert "no such file" in refuse(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 2", "last row"),
        ("2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1", "scales or shears"),
        ("-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1", "mirrors"),
        ("1 0 0\n0 1 0\n0 0 1", "4 x 4"),
        ("one two three", "could not convert"),
    ],
)
def test_only_rotation_and_shift_are_accepted(tmp_path, text, says):
    path = tmp_path / "move.txt"
    path.write_text(text)
    with pytest.raises(ImageError, match=says):
        read_transform(path)


def test_a_transform_is_read(tmp_path):
    path = tmp_path / "move.txt"
    path.write_text("# to day 1\n0 -1 0 5\n1 0 0 6\n0 0 1 7\n0 0 0 1\n")
    assert read_transform(path)[:3, 3].tolist() == [5, 6, 7]
