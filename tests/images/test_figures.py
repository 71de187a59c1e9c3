# SPDX-License-Identifier: Apache-2.0
"""Slices stand upright in the figures, however the image was stored."""

from itertools import permutations, product

import numpy as np
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.dosimetry.grids import Grid
from radioligand.image_dosimetry.figures import LINES, planes, seen_slice, upright_axes

TURNS = [
    np.array([[sign[c] * (order[c] == r) for c in range(3)] for r in range(3)], float)
    for order in permutations(range(3))
    for sign in product((1, -1), repeat=3)
]
LEFT, BACK, HEAD = range(3)


@pytest.mark.law
@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_head_or_front_is_up_and_left_or_back_is_right(turn):
    affine = np.eye(4)
    affine[:3, :3] = turn * (2.0, 3.0, 4.0)
    grid = Grid(shape=(5, 6, 7), affine=affine)
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
    points = places @ affine[:3, :3].T

    for axis in range(3):
        through = int(np.abs(turn[:, axis]).argmax())
        upright = upright_axes(grid, axis)
        x, y, z = (seen_slice(points[..., i], axis, 2, upright) for i in range(3))
        if through == HEAD:  # seen from the feet, the front up
            assert (np.diff(x, axis=1) > 0).all()
            assert (np.diff(y, axis=0) > 0).all()
        elif through == BACK:
            assert (np.diff(x, axis=1) > 0).all()
            assert (np.diff(z, axis=0) < 0).all()
        else:
            assert (np.diff(y, axis=1) > 0).all()
            assert (np.diff(z, axis=0) < 0).all()


def test_figures_show_the_region_its_residuals_and_where_the_patient_is(phantom, tmp_path):
    def change(text):
        return text + "\n[errors]\ncalibration = 0\neach_image = 0.03\nreplicates = 20\n"

    document = phantom.write_cycle(tmp_path, "NIfTI", change=change)
    out = tmp_path / "out"
    asked = CliRunner().invoke(cli, ["dose", "image", str(document), "--out", str(out)])
    assert asked.exit_code == 0, asked.output
    drawn = {path.stem: path.read_text("utf-8") for path in (out / "figures").iterdir()}

    for name, region in (("isodoses-lesion", "lesion"), ("isodoses-organ", "kidney")):
        text = drawn[name]
        for says in ("Axial, slice", "Coronal, row", "Sagittal, column", "50 mm", "90 %, "):
            assert says in text
        assert f"100 % is the highest dose in {region}" in text
        assert [text.count(f">{letter}</text>") for letter in "RLAPH"] == [2, 2, 2, 1, 2]
        assert text.count("stroke-dasharray") >= 3  # the region's outline, once a plane
        for panel in text.split('<g id="axes_')[1:]:
            if "stroke-dasharray" in panel:  # over the isodoses, or it would not be seen
                lines = [panel.rfind(f"stroke: {colour.lower()}") for colour in LINES]
                assert -1 < max(lines) < panel.rfind("stroke-dasharray")
    assert "Residual, %" in drawn["curves"]
    assert ">Organs</text>" in drawn["histograms"]
    assert ">Lesions</text>" in drawn["histograms"]


def test_slices_are_named_by_what_they_go_through():
    turn = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], float)  # axes: back, left, head
    affine = np.eye(4)
    affine[:3, :3] = turn * (2.0, 3.0, 4.0)
    axial, coronal, sagittal = planes(Grid(shape=(5, 6, 7), affine=affine), (5, 6, 7))
    assert (axial.name, axial.axis, axial.wide_mm, axial.high_mm) == ("Axial", 2, 18, 10)
    assert (coronal.name, coronal.axis, coronal.wide_mm, coronal.high_mm) == ("Coronal", 0, 18, 28)
    assert (sagittal.name, sagittal.axis) == ("Sagittal", 1)
    assert (sagittal.wide_mm, sagittal.high_mm) == (10, 28)
