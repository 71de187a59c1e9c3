# SPDX-License-Identifier: Apache-2.0
"""The CT's densities, bands of plausible doses and moving contours, through the command."""

import json
import math

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from radioligand.cli import cli

CURVE = (
    "hounsfield = [-1000, 0, 100, 1100]\ndensity_g_ml = [0.0, 1.0, 1.1, 1.9]\n"
    'calibration = "phantom at 130 kV"\n'
)
ERRORS = "\n[errors]\ncalibration = 0.02\neach_image = 0\nreplicates = 60\n"


def ask(document, *, refused=False):
    out = document.parent / "out"
    asked = CliRunner().invoke(cli, ["dose", "image", str(document), "--out", str(out), "--json"])
    assert asked.exit_code == int(refused), asked.output
    assert out.exists() != refused
    return asked.stderr if refused else json.loads(asked.stdout)


def regions(told):
    return {one["name"]: one for one in told["regions"]}


def with_curve(text, curve=CURVE):
    return text.replace("[ct]\n", f"[ct]\n{curve}", 1)


def weighed(phantom, folder, lesion_hu):
    """Write a CT of soft tissue of 40 HU in which the lesion has its own."""
    box = phantom.Box(turn=phantom.AXIAL)
    points = box.points()
    hounsfield = np.where(phantom.inside(points, "body"), 40.0, -1000.0)
    hounsfield[phantom.inside(points, "lesion")] = lesion_hu
    phantom.write_nifti(folder / "ct.nii.gz", hounsfield.astype(np.float32), box)


@pytest.fixture
def cycle(phantom, tmp_path):
    """Write the phantom with a CT of that lesion, and a document that functions have changed."""

    def write(name, *changes, lesion_hu=90.0):
        def changed(text):
            for change in changes:
                text = change(text)
            return text

        (tmp_path / name).mkdir()
        document = phantom.write_cycle(tmp_path / name, "NIfTI", change=changed)
        weighed(phantom, tmp_path / name, lesion_hu)
        return document

    return write


@pytest.mark.by_hand
def test_a_region_weighs_what_the_ct_says(cycle):
    plain = regions(ask(cycle("plain")))
    told = ask(cycle("weighed", with_curve))
    found = regions(told)

    assert found["kidney"]["mean_gy"] == pytest.approx(plain["kidney"]["mean_gy"], rel=1e-5)
    assert found["kidney"]["mass_g"] == pytest.approx(plain["kidney"]["mass_g"], rel=1e-5)
    lesion, before = found["lesion"], plain["lesion"]  # 90 HU are 1.09 g/mL
    assert lesion["density_g_ml"] == pytest.approx(1.09, rel=1e-5)
    assert lesion["mass_g"] == pytest.approx(1.09 * before["volume_ml"], rel=1e-5)
    for key in ("mean_gy", "local_gy", "d98_gy", "most_gy"):
        assert lesion[key] == pytest.approx(before[key] * 1.04 / 1.09, rel=1e-5)
    assert lesion["not_soft_tissue"] == 0
    assert told["method"]["density_of_voxels"].startswith("of soft tissue by the CT (phantom at")
    assert not any("as declared; no calibration" in one for one in told["warnings"])


def test_without_a_curve_the_page_says_which_density_counts(cycle):
    document = cycle("plain")
    told = ask(document)
    assert told["method"]["density_of_voxels"] == "as declared, for all alike"
    assert any("Every voxel counts with 1.04 g/mL, as declared" in one for one in told["warnings"])
    page = (document.parent / "out" / "index.html").read_text("utf-8")
    assert "Every voxel counts with 1.04 g/mL, as declared" in page


def test_voxels_of_bone_keep_the_density_of_the_kernel(phantom, cycle):
    # the rim of the lesion is bone of 1.5 g/mL; were all of it, it would be refused
    document = cycle("half", with_curve)
    box = phantom.Box(turn=phantom.AXIAL)
    points = box.points()
    hounsfield = np.where(phantom.inside(points, "body"), 40.0, -1000.0)
    bone = phantom.inside(points, "lesion") & (points[..., 0] < -27)
    hounsfield[bone] = 600.0
    phantom.write_nifti(document.parent / "ct.nii.gz", hounsfield.astype(np.float32), box)

    told = ask(document)

    lesion = regions(told)["lesion"]
    share = bone.sum() / phantom.inside(points, "lesion").sum()
    assert lesion["not_soft_tissue"] == pytest.approx(share, rel=1e-4)
    assert lesion["density_g_ml"] == pytest.approx(1.04, rel=1e-5)
    says = f"lesion: {100 * share:.0f} % of its voxels are no soft tissue by the CT"
    assert [one for one in told["warnings"] if one.startswith(says)] != []


def test_rtdose_says_whose_density_it_has(phantom, tmp_path):
    for name, change, told in (("plain", None, "WATER"), ("curve", with_curve, "IMAGE")):
        (tmp_path / name).mkdir()
        ask(phantom.write_cycle(tmp_path / name, "PT", change=change))
        read = pydicom.dcmread(tmp_path / name / "out" / "dose.dcm")
        assert read.TissueHeterogeneityCorrection == told


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (CURVE, CURVE.split("\n")[0] + "\n", "ct.calibration: is missing. Name scanner"),
        ("1.0, 1.1, 1.9", "1.0, 1.1", "ct.hounsfield: 4 Hounsfield units and 3 densities"),
        ("-1000, 0", "0, -1000", "ct.hounsfield: units or densities do not rise"),
        ("1.9]", "1900]", "ct.density_g_ml: 0 to 1900 lie outside 0 to 5. Give g/mL."),
        ("[-1000, 0", '["air", 0', "is no list of numbers"),
    ],
)
def test_a_curve_that_is_not_whole_is_refused(cycle, old, new, says):
    curve = CURVE.replace(old, new)
    assert says in ask(cycle("fault", lambda text: with_curve(text, curve)), refused=True)


def test_a_region_that_is_bone_by_the_ct_is_refused(cycle):
    told = ask(cycle("bone", with_curve, lesion_hu=600.0), refused=True)
    assert "cycle-1.toml (01-001, cycle 1): 1 fault." in told
    assert "region 'lesion': weighs 1.50 g/mL by the CT, outside 0.9 to 1.2" in told


@pytest.mark.parametrize(
    ("band", "said"), [("[0.001, 50]", False), ("[0.001, 0.002]", True)], ids=["inside", "outside"]
)
def test_a_dose_outside_its_band_is_told(cycle, band, said):
    def change(text):
        return text.replace('role = "organ"', f'role = "organ"\nplausible_gy_per_gbq = {band}')

    document = cycle("band", change)
    told = ask(document)
    assert (
        any("kidney: " in one and "holds for plausible" in one for one in told["warnings"]) == said
    )
    low, high = json.loads(band)
    kidney, lesion = (regions(told)[name] for name in ("kidney", "lesion"))
    assert (kidney["plausible_from"], kidney["plausible_to"]) == (low, high)
    assert lesion["plausible_from"] is None
    page = (document.parent / "out" / "index.html").read_text("utf-8")
    assert f"{low:g} to {high:g}" in page


def test_a_band_has_two_ends_that_rise(cycle):
    def change(text):
        return text.replace('role = "organ"', 'role = "organ"\nplausible_gy_per_gbq = [1.2, 0.15]')

    told = ask(cycle("band", change), refused=True)
    assert "regions[1].plausible_gy_per_gbq: [1.2, 0.15] are no two ends of a band" in told


def test_drawn_volumes_widen_the_interval(cycle):
    still = ask(cycle("still", lambda text: text + ERRORS))
    moved = ask(cycle("moved", lambda text: text + ERRORS + "volume = 0.15\n"))
    for name, one in regions(moved).items():
        before = regions(still)[name]
        assert one["mean_gy"] == before["mean_gy"]
        width = math.log(one["upper_gy"] / one["lower_gy"])
        assert width > 2 * math.log(before["upper_gy"] / before["lower_gy"])
        assert one["lower_gy"] < one["mean_gy"] * math.exp(-0.15)  # cold surroundings come in
    assert any("leave out how regions were drawn" in one for one in still["warnings"])
    assert not any("leave out how regions were drawn" in one for one in moved["warnings"])
    assert moved["method"]["errors"]["volume"] == 0.15
