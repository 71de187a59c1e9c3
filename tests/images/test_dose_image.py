# SPDX-License-Identifier: Apache-2.0
"""From a folder of images to doses: the phantom's doses by hand, whatever the files' kind."""

import csv
import json
import math
import shutil
import tomllib
from datetime import datetime
from io import BytesIO, StringIO

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.cli.dose_image import run_dose_image
from radioligand.dosimetry.grids import Grid
from radioligand.dosimetry.kernels import voxel_kernel
from radioligand.image_dosimetry import compute_doses, parse_study, read_images
from radioligand.io.documents import DocumentError
from radioligand.io.dose_files import segmentation, segmentation_bytes


def run(document, out, *options):
    asked = CliRunner().invoke(cli, ["dose", "image", str(document), "--out", str(out), *options])
    assert asked.exit_code == 0, asked.output
    return asked.stdout


def computed(document):
    tables = tomllib.loads(document.read_text("utf-8"))
    study = parse_study(tables, folder=document.parent, name=document.name)
    return compute_doses(read_images(study))


def doses(found):
    return {region.name: region.volume.d50_gy for region in found.regions}


def by_hand(phantom, name):
    """Electrons of 147.92 keV per decay in 1.04 g/mL: 0.0853 Gy g per MBq h."""
    held = phantom.AMOUNTS[name] / phantom.RATES[name]  # MBq h/mL
    return held * 147.923 * 1.602176634e-16 * 3.6e9 / 1.04e-3


@pytest.mark.by_hand
@pytest.mark.parametrize("kind", ["PT", "NM", "NIfTI"])
def test_the_phantom_gets_its_dose(phantom, tmp_path, kind):
    out = tmp_path / "out"
    printed = json.loads(run(phantom.write_cycle(tmp_path, kind), out, "--json"))

    for region, radius_mm in zip(printed["regions"], (20, 12)):
        name = region["name"]
        assert region["half_life_hours"] == pytest.approx(
            math.log(2) / phantom.RATES[name], rel=0.01
        )
        # half of the voxels lie within, where photons add what electrons take away at the rim
        assert region["d50_gy"] == pytest.approx(by_hand(phantom, name), rel=0.015)
        assert region["volume_ml"] == pytest.approx(4 / 3 * np.pi * radius_mm**3 / 1e3, rel=0.12)
        fitted, measured = region["fitted_mbq"], region["activity_mbq"]
        assert fitted == pytest.approx(measured, rel=1e-3)
        after = math.exp(-math.log(2) / region["half_life_hours"] * 96)
        assert region["tail_fraction"] == pytest.approx(after, rel=0.02)
    assert [one["time_hours"] for one in printed["images"]] == list(phantom.HOURS)
    assert printed["method"]["half_life_days"] == 6.6443
    assert set(printed["inputs"]) >= {"segmentation", "ct"}
    made = {path.name for path in out.iterdir()}
    dicom = {"dose.dcm", "regions.dcm", "report.dcm"}
    assert made & dicom == (set() if kind == "NIfTI" else dicom)
    assert {"index.html", "doses.csv", "dose.nii", "provenance.json"} <= made
    rows = list(csv.DictReader(StringIO((out / "doses.csv").read_text("utf-8"))))
    assert float(rows[0]["mean_gy"]) == printed["regions"][0]["mean_gy"]
    page = (out / "index.html").read_text("utf-8")
    assert "Slices through the highest dose in lesion" in page
    assert "data:image/png;base64" in page
    assert "$" not in (out / "figures" / "curves.svg").read_text("utf-8")


def test_the_same_images_give_the_same_bytes(phantom, tmp_path):
    document = phantom.write_cycle(tmp_path, "NM")
    run(document, tmp_path / "one")
    run(document, tmp_path / "two")
    names = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*")]
    different = [
        str(name)
        for name in names
        if (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()
    ]
    assert len(names) > 12
    assert different == []


def test_rtdose_and_page_tell_the_same_dose(phantom, tmp_path):
    told = json.loads(run(phantom.write_cycle(tmp_path, "PT"), tmp_path / "out", "--json"))
    read = pydicom.dcmread(BytesIO((tmp_path / "out" / "dose.dcm").read_bytes()))
    most = float(read.pixel_array.max()) * float(read.DoseGridScaling)
    assert most == pytest.approx(max(one["most_gy"] for one in told["regions"]), rel=1e-5)
    assert read.FrameOfReferenceUID.endswith(".77")


def test_correction_to_the_injection_is_undone(phantom, tmp_path):
    def corrected(found, number):
        back = math.exp(math.log(2) / (6.6443 * 24) * phantom.HOURS[number - 1])
        found.DecayCorrection = "ADMIN"
        found.RescaleSlope = f"{float(found.RescaleSlope) * back:.10g}"

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = doses(computed(phantom.write_cycle(tmp_path / "a", "PT")))
    undone = doses(computed(phantom.write_cycle(tmp_path / "b", "PT", slice_change=corrected)))
    assert undone == pytest.approx(plain, rel=1e-3)


def test_half_the_acquisition_counts_where_nothing_was_corrected(phantom, tmp_path):
    def change(text):
        return text.replace('"scan"', '"none"\nduration_minutes = 30')

    found = computed(phantom.write_cycle(tmp_path, "NIfTI", change=change))
    assert found.read.time_hours.tolist() == [4.25, 24.25, 96.25]


def test_a_later_image_is_brought_onto_the_first_by_its_transform(phantom, tmp_path):
    plain = computed(phantom.write_cycle(tmp_path, "NIfTI"))
    angle = math.radians(10)
    move = np.eye(4)
    move[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    move[:3, 3] = (15, -20, 5)
    box = phantom.Box(turn=phantom.AXIAL, spacing=(2.0, 2.0, 2.0), shape=(60, 60, 70))
    values = phantom.activity(box.points(), phantom.HOURS[1]).astype(np.float32)
    shifted = phantom.nibabel.Nifti1Image(
        values, np.diag([-1, -1, 1, 1.0]) @ np.linalg.inv(move) @ box.affine
    )
    phantom.nibabel.save(shifted, tmp_path / "day-2.nii.gz")
    np.savetxt(tmp_path / "move.txt", move)
    document = tmp_path / "cycle-1.toml"
    text = document.read_text("utf-8").replace(
        'path = "day-2.nii.gz"', 'path = "day-2.nii.gz"\ntransform = "move.txt"'
    )
    document.write_text(text, "utf-8")

    found = computed(document)

    assert [one.moved for one in found.read.moments] == [False, True, False]
    assert doses(found) == pytest.approx(doses(plain), rel=0.02)


def test_errors_give_an_interval(phantom, tmp_path):
    def change(text):
        return text + "\n[errors]\ncalibration = 0.06\neach_image = 0\nreplicates = 60\n"

    found = computed(phantom.write_cycle(tmp_path, "NIfTI", change=change))
    for region in found.regions:
        assert region.lower_gy < region.volume.mean_gy < region.upper_gy
        width = math.log(region.upper_gy / region.lower_gy)
        assert width == pytest.approx(2 * 1.96 * 0.06, rel=0.4)
    assert found.method["errors"]["calibration"] == 0.06


@pytest.mark.law
def test_the_organ_route_goes_on_from_the_images_to_the_same_doses(phantom, tmp_path):
    def change(text):
        text = text.replace('"kidney"', '"KIDNEYS"').replace('"lesion"\nrole', '"LESION 1"\nrole')
        errors = "calibration = 0.05\neach_image = 0.03\nvolume = 0.05\nreplicates = 20\n"
        return f"{text}\n[errors]\n{errors}"

    (tmp_path / "images").mkdir()
    document = phantom.write_cycle(tmp_path / "images", "NIfTI", change=change)
    out = tmp_path / "out"
    voxels = json.loads(run(document, out, "--json"))["regions"]
    table = tmp_path / "patients"
    table.mkdir()
    shutil.copy(out / "activities.csv", table)
    (table / "administrations.csv").write_text(
        "subject,cycle,start,stop,activity_mbq,calibrated_at,residual_mbq,nuclide\n"
        "01-001,1,2026-05-04T09:00,2026-05-04T09:30,7400,2026-05-04T09:00,0,Lu-177\n"
    )

    asked = CliRunner().invoke(cli, ["dose", "fit", "dosimetry-prrt", str(table), "--json"])

    assert asked.exit_code == 0, asked.output
    organs = {one["region"]: one["dose_gy"] for one in json.loads(asked.stdout)["doses"]}
    assert organs == {one["name"]: pytest.approx(one["mean_gy"], rel=0.015) for one in voxels}


def test_a_rule_takes_lesions_out_of_organs(phantom, tmp_path):
    document = phantom.write_cycle(
        tmp_path, "NIfTI", change=lambda text: 'overlap = "subtract lesions"\n' + text
    )
    box = phantom.Box(turn=phantom.AXIAL)
    labels = np.where(phantom.inside(box.points(), "kidney"), 1, 0)
    spot = np.linalg.norm(box.points() - (18, 14, -12), axis=-1) < 9
    organ = labels.copy()
    labels[spot] = 2  # in a label map nothing can overlap, in structures it can
    phantom.write_nifti(tmp_path / "labels.nii.gz", labels.astype(np.uint8), box)
    apart = computed(document)
    first = phantom.write_slices(
        tmp_path / "source", phantom.activity(box.points(), 4.0), box, hours=4
    )
    sources = [pydicom.dcmread(one) for one in sorted(first.iterdir())]
    grid = Grid(shape=box.shape, affine=box.affine, frame=phantom.ROOT + "77")
    made = segmentation(
        {"kidney": organ > 0, "lesion": spot}, frozenset({"lesion"}), grid, sources=sources
    )
    (tmp_path / "both.dcm").write_bytes(segmentation_bytes(made, made=datetime(2026, 5, 4)))
    text = document.read_text("utf-8").replace('"labels.nii.gz"', '"both.dcm"\nsame_frame = true')
    document.write_text(text, "utf-8")

    found = computed(document)

    assert (found.regions[0].mask == apart.regions[0].mask).all()
    assert doses(found) == pytest.approx(doses(apart), rel=1e-6)


def own_kernel(folder, kernel, factor=1.0):
    s_values = kernel.gray / kernel.voxel_ml / 3.6  # mGy/(MBq s)
    np.save(folder / "kernel.npy", s_values * factor)


def with_kernel(sides):
    told = f'\n[kernel]\npath = "kernel.npy"\nspacing_mm = {sides}\ndensity_g_ml = 1.04\n'
    return lambda text: text + told


def test_a_users_kernel_is_used_when_it_fits(phantom, tmp_path):
    own_kernel(tmp_path, voxel_kernel((5.0, 4.0, 4.0), reach_mm=60, density_g_ml=1.04))
    found = computed(phantom.write_cycle(tmp_path, "NIfTI", change=with_kernel([5.0, 4.0, 4.0])))
    plain = {region.name: by_hand(phantom, region.name) for region in found.regions}
    assert found.kernel_source == "S values of kernel.npy"
    assert doses(found) == pytest.approx(plain, rel=0.03)


def test_a_document_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "cycle.toml").write_text("subject = 01-001")
    with pytest.raises(DocumentError, match="no TOML document"):
        run_dose_image(tmp_path / "cycle.toml", out=tmp_path / "out", quiet=True)
