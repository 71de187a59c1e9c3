# SPDX-License-Identifier: Apache-2.0
"""Images that must not be used: each family of faults with files that have it."""

import re
from datetime import datetime

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.dosimetry.grids import Grid
from radioligand.dosimetry.kernels import voxel_kernel
from radioligand.io.dose_files import segmentation, segmentation_bytes


def refused(document):
    """The one message on the error stream; the exit status is 1 and nothing is written."""
    out = document.parent / "out"
    asked = CliRunner().invoke(cli, ["dose", "image", str(document), "--out", str(out)])
    assert asked.exit_code == 1, asked.output
    assert not out.exists()
    return asked.stderr


def replaced(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    return change


# name: what is changed in the document of NIfTI images, what the message says
DOCUMENTS = {
    "unit unknown": (('unit = "Bq/mL"\n', ""), "day-1.nii.gz: its unit is unknown. Write unit"),
    "counts": (('unit = "Bq/mL"', 'unit = "counts"'), "voxels are in 'counts', not Bq/mL"),
    "correction unknown": (
        ('corrected_to = "scan"\n', ""),
        "day-1.nii.gz: its state of decay correction is unknown",
    ),
    "correction not known": (('"scan"', '"somewhere"'), "images[1].corrected_to: 'somewhere' is"),
    "time unknown": (("acquired = 2026-05-04T13:00:00\n", ""), "time of acquisition is unknown"),
    "time not local": (
        ("acquired = 2026-05-04T13:00:00", "acquired = 2026-05-04T13:00:00Z"),
        "is no local date and time",
    ),
    "no injection": (("start = 2026-05-04T09:00:00\n", ""), "administration.start: is missing"),
    "scan before injection": (
        ("start = 2026-05-04T09:00:00", "start = 2026-05-04T20:00:00"),
        "day-1.nii.gz: acquired at 2026-05-04 13:00:00, before the infusion began",
    ),
    "doubled time": (
        ("acquired = 2026-05-05T09:00:00", "acquired = 2026-05-04T13:00:00"),
        "day-2.nii.gz: at 4.00 h, as day-1.nii.gz at 4.00 h",
    ),
    "unordered": (
        ("acquired = 2026-05-05T09:00:00", "acquired = 2026-05-04T11:00:00"),
        "day-2.nii.gz: at 2.00 h, before day-1.nii.gz at 4.00 h",
    ),
    "another nuclide": (('"Lu-177"', '"Y-90"'), "nuclide: 'Y-90' is not 177Lu"),
    "no nuclide": (('nuclide = "Lu-177"\n', ""), "nuclide: is missing"),
    "more than was given": (
        ("activity_mbq = 7400", "activity_mbq = 20"),
        "day-1.nii.gz: holds 43 MBq at 4.0 h, where 20 MBq are left of the 20 MBq given",
    ),
    "one time point": (None, "images: 1 time points; a voxel's curve needs two or more"),
    "region not there": (("label = 2", "label = 7"), "1 of 2 regions are not there: 'lesion' (7)"),
    "region twice": (('name = "lesion"', 'name = "kidney"'), "region 'kidney': is named twice"),
    "role unknown": (('role = "lesion"', 'role = "tumour"'), "regions[2].role: 'tumour' is not"),
    "density missing": (("density_g_ml = 1.04\n", ""), "density_g_ml: is missing. Give the tissue"),
    "lung": (("density_g_ml = 1.04", "density_g_ml = 0.3"), "density_g_ml: 0.3 lies outside 0.9"),
    "kernel of other voxels": (
        (
            "[ct]\n",
            '[kernel]\npath = "k.npy"\nspacing_mm = [4.8, 4, 4]\ndensity_g_ml = 1.04\n[ct]\n',
        ),
        "kernel: its voxels of 4.8 x 4 x 4 mm differ by 4.0 % from 5 x 4 x 4 mm",
    ),
    "kernel without energy": (
        ("[ct]\n", '[kernel]\npath = "k.npy"\nspacing_mm = [5, 4, 4]\ndensity_g_ml = 1.04\n[ct]\n'),
        "keV per decay where 177Lu leaves",
    ),
    "CT elsewhere": (("same_frame = true\n", ""), "ct.nii.gz: a NIfTI file on another grid"),
    "unknown key": (("reach_mm", "range_mm"), "range_mm: no such key. Known: subject, cycle"),
    "file not there": (('"day-2.nii.gz"', '"day-9.nii.gz"'), "day-9.nii.gz is not there"),
    "cut by least": (
        ("reach_mm = 60", "reach_mm = 60\nleast_bq_ml = 600000"),
        "region 'kidney': 400 of 400 voxels lie outside the body's box",
    ),
}


@pytest.fixture(scope="session")
def cycle(phantom, tmp_path_factory):
    """The NIfTI phantom once; tests write their own document beside it."""
    folder = tmp_path_factory.mktemp("cycle")
    document = phantom.write_cycle(folder, "NIfTI")
    kernel = voxel_kernel((5.0, 4.0, 4.0), reach_mm=30, density_g_ml=1.04)
    np.save(folder / "k.npy", kernel.gray / kernel.voxel_ml / 3.6 * 0.93)
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_that_leave_images_unclear_are_refused(cycle, name):
    change, says = DOCUMENTS[name]
    text = cycle.read_text("utf-8")
    if change is None:
        text = re.sub(r"\[\[images\]\]\npath = \"day-[23](.|\n)*?\n\n", "", text)
    else:
        text = replaced(*change)(text)
    document = cycle.with_name(f"{name.replace(' ', '-')}.toml")
    document.write_text(text, "utf-8")

    told = refused(document)

    assert document.name in told
    assert says in told


def test_every_fault_stands_in_one_message(cycle):
    text = cycle.read_text("utf-8")
    for old, new in (
        ('unit = "Bq/mL"\n', ""),
        ("acquired = 2026-05-05T09:00:00\n", ""),
        ("label = 2", "label = 7"),
    ):
        text = replaced(old, new)(text)
    document = cycle.with_name("three.toml")
    document.write_text(text, "utf-8")

    told = refused(document)

    assert "three.toml (01-001, cycle 1): 3 faults." in told
    assert all(where in told for where in ("day-1.nii.gz: its unit", "day-2.nii.gz: its time"))


# --- what images say of themselves ----------------------------------------------------------------


def set_to(**values):
    def change(found, number):
        for name, value in values.items():
            setattr(found, name, value)

    return change


def other_half_life(found, number):
    found.RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife = 64.1 * 3600


def other_injection(found, number):
    drug = found.RadiopharmaceuticalInformationSequence[0]
    drug.RadiopharmaceuticalStartDateTime = "20260601090000"


def other_frame(found, number):
    if number == 3:
        found.FrameOfReferenceUID = "1.2.3.4"


HEADERS = {
    "counts": (set_to(Units="CNTS"), "day-1: voxels are in 'CNTS', not Bq/mL. Calibrate"),
    "half-life": (other_half_life, "day-1: its header has a half-life of 2.671 d. 177Lu has"),
    "injection": (other_injection, "day-1: its header has the injection at 2026-06-01 09:00:00"),
    "frame": (other_frame, "day-3: its frame of reference is 1.2.3.4, that of the first is"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_contradict_are_refused(phantom, tmp_path, name):
    change, says = HEADERS[name]
    assert says in refused(phantom.write_cycle(tmp_path, "PT", slice_change=change))


def test_a_document_does_not_overrule_the_file(phantom, tmp_path):
    def change(text):
        told = 'path = "day-1"\ncorrected_to = "injection"\nacquired = 2026-05-04T16:00:00'
        return replaced('path = "day-1"', told)(text)

    told = refused(phantom.write_cycle(tmp_path, "PT", change=change))
    assert "corrected_to is 'scan' in the file and 'injection' in the document" in told
    assert "acquired at 2026-05-04 13:00:00 by the file and at 2026-05-04 16:00:00" in told


# --- what images hold -----------------------------------------------------------------------------


def rewritten(phantom, folder, number, change):
    box = phantom.Box(turn=phantom.AXIAL)
    values = phantom.activity(box.points(), phantom.HOURS[number - 1]).astype(np.float32)
    return phantom.write_nifti(folder / f"day-{number}.nii.gz", change(values), box)


def test_activity_that_rises_faster_than_physics_is_refused(phantom, tmp_path):
    document = phantom.write_cycle(tmp_path, "NIfTI")
    rewritten(phantom, tmp_path, 3, lambda values: values * 4)  # as if on another scale
    told = refused(document)
    assert "day-3.nii.gz: its total is 1.65 times that of day-2.nii.gz; physical decay" in told
    assert "leaves 0.731 at most. The images are not on one quantitative scale" in told


@pytest.mark.trial
def test_the_published_set_that_rises_is_refused(phantom, tmp_path):
    # totals at 4, 24, 48 and 168 h of a public set of images, in 1e6 of its unit
    totals = {4: 39.1197, 24: 150.9972, 48: 137.5727, 168: 251.5786}
    box = phantom.Box(turn=phantom.AXIAL)
    shape = phantom.inside(box.points(), "body").astype(np.float32)
    document = phantom.write_cycle(tmp_path, "NIfTI")
    images = ""
    for hours, total in totals.items():
        values = shape * np.float32(total * 1e6 / shape.sum() / 0.08)
        phantom.write_nifti(tmp_path / f"{hours}.nii.gz", values, box)
        images += (
            f'[[images]]\npath = "{hours}.nii.gz"\nunit = "Bq/mL"\ncorrected_to = "scan"\n'
            f"acquired = 2026-05-{4 + (9 + hours) // 24:02d}T{(9 + hours) % 24:02d}:00:00\n\n"
        )
    text = document.read_text("utf-8")
    first, last = text.index("[[images]]"), text.index("[ct]")
    document.write_text(text[:first] + images + text[last:], "utf-8")

    told = refused(document)

    assert "24.nii.gz: its total is 3.86 times that of 4.nii.gz" in told
    assert "168.nii.gz: its total is 1.83 times that of 48.nii.gz" in told


def test_values_that_are_no_activity_are_refused(phantom, tmp_path):
    document = phantom.write_cycle(tmp_path, "NIfTI")

    def holed(values):
        values[3, 4, 5:9] = np.nan
        return values

    rewritten(phantom, tmp_path, 2, holed)
    rewritten(phantom, tmp_path, 3, lambda values: values * 0)
    told = refused(document)
    assert "day-2.nii.gz: 4 of 17160 voxels are not finite. Export the image anew." in told
    assert "day-3.nii.gz: holds no activity. Leave it out." in told


def test_images_that_lie_elsewhere_are_refused(phantom, tmp_path):
    document = phantom.write_cycle(tmp_path, "NIfTI")
    far = phantom.Box(turn=phantom.AXIAL, middle=(10.0, -120.0, 380.0))
    values = phantom.activity(far.points(), 24.0).astype(np.float32)
    phantom.write_nifti(tmp_path / "day-2.nii.gz", values, far)
    sheared = phantom.AXIAL.copy()
    sheared[0, 1] = 0.3
    slanted = phantom.Box(turn=sheared)
    text = document.read_text("utf-8")
    declared = text.replace('path = "day-2.nii.gz"', 'path = "day-2.nii.gz"\nsame_frame = true')

    assert "day-2.nii.gz: a NIfTI file on another grid than the first image" in refused(document)
    document.write_text(declared, "utf-8")
    assert "day-2.nii.gz: it reaches 27 % of the first image's voxels" in refused(document)
    document.write_text(text, "utf-8")
    phantom.write_nifti(tmp_path / "day-1.nii.gz", values, slanted)
    assert "day-1.nii.gz: its axes are not at right angles" in refused(document)


# --- regions --------------------------------------------------------------------------------------


def labelled(phantom, folder, masks, box=None):
    """Write masks of the phantom's grid as a DICOM SEG, in which regions may overlap."""
    box = box or phantom.Box(turn=phantom.AXIAL)
    source = phantom.write_slices(folder / "source", np.ones(box.shape), box, hours=4)
    sources = [pydicom.dcmread(one) for one in sorted(source.iterdir())]
    grid = Grid(shape=box.shape, affine=box.affine, frame=phantom.ROOT + "77")
    made = segmentation(masks, frozenset({"lesion"}), grid, sources=sources)
    (folder / "seg.dcm").write_bytes(segmentation_bytes(made, made=datetime(2026, 5, 4)))


def in_seg(text):
    return text.replace('"labels.nii.gz"', '"seg.dcm"\nsame_frame = true')


def test_a_lesion_in_an_organ_needs_a_rule(phantom, tmp_path):
    points = phantom.Box(turn=phantom.AXIAL).points()
    spot = np.linalg.norm(points - (18, 14, -12), axis=-1) < 9
    labelled(phantom, tmp_path, {"kidney": phantom.inside(points, "kidney"), "lesion": spot})
    told = refused(phantom.write_cycle(tmp_path, "NIfTI", change=in_seg))
    assert "regions 'kidney' and 'lesion': lesion and organ share" in told
    assert 'Write overlap = "subtract lesions"' in told


def test_two_organs_share_no_voxel(phantom, tmp_path):
    points = phantom.Box(turn=phantom.AXIAL).points()
    kidney = phantom.inside(points, "kidney")
    labelled(phantom, tmp_path, {"kidney": kidney, "lesion": kidney})

    def change(text):
        return in_seg(text).replace('role = "lesion"', 'role = "organ"')

    told = refused(phantom.write_cycle(tmp_path, "NIfTI", change=change))
    assert f"two organs share {kidney.sum()} voxels. Draw them apart." in told


def test_regions_that_are_cut_off_or_empty_or_tiny_are_refused(phantom, tmp_path):
    box = phantom.Box(turn=phantom.AXIAL)
    fine = phantom.Box(turn=phantom.AXIAL, shape=(110, 104, 120), spacing=(1.0, 1.0, 1.0))
    labels = np.zeros(fine.shape, np.uint8)
    labels[phantom.inside(fine.points(), "kidney")] = 1
    labels[np.linalg.norm(fine.points() - (-22, -6, 12.5), axis=-1) < 3.0] = 2
    document = phantom.write_cycle(
        tmp_path,
        "NIfTI",
        change=replaced('"labels.nii.gz"', '"labels.nii.gz"\nsame_frame = true'),
    )
    phantom.write_nifti(tmp_path / "labels.nii.gz", labels, fine)
    told = refused(document)
    assert re.search(r"region 'lesion': has 0\.08 mL on the image and 0\.1\d mL where", told)

    points = box.points()
    labels = np.where(points[..., 2] < -40, 1, 0)
    far = phantom.Box(turn=phantom.AXIAL, middle=(10.0, -120.0, 800.0))
    phantom.write_nifti(tmp_path / "labels.nii.gz", labels.astype(np.uint8) + 1, box)
    told = refused(document)
    assert "region 'kidney': touches the edge of the image" in told
    assert "region 'lesion': touches" in told
    text = document.read_text("utf-8")
    document.write_text(text.replace('role = "organ"', 'role = "remainder"'), "utf-8")
    assert "region 'kidney': touches" not in refused(document)  # the rest of a body may
    document.write_text(text, "utf-8")
    apart = np.where(phantom.inside(box.points(), "kidney"), 1, 2).astype(np.uint8)
    phantom.write_nifti(tmp_path / "labels.nii.gz", apart, far)
    assert "region 'kidney': holds no voxel of the image" in refused(document)


def test_regions_keep_their_volume_from_time_to_time(phantom, tmp_path):
    def change(text):
        for day in (2, 3):
            path = f'path = "day-{day}.nii.gz"'
            text = text.replace(path, f'{path}\nsegmentation = "drawn-{day}.nii.gz"')
        return text

    document = phantom.write_cycle(tmp_path, "NIfTI", change=change)
    box = phantom.Box(turn=phantom.AXIAL)
    points = box.points()
    kidney, lesion = (phantom.inside(points, name) for name in ("kidney", "lesion"))
    swollen = np.linalg.norm(points - (18, 14, -12), axis=-1) < 23
    phantom.write_nifti(tmp_path / "drawn-2.nii.gz", (swollen + 2 * lesion).astype(np.uint8), box)
    phantom.write_nifti(tmp_path / "drawn-3.nii.gz", kidney.astype(np.uint8), box)

    told = refused(document)

    assert re.search(r"region 'kidney': has 5\d\.\d mL in drawn-2.nii.gz and 32.0 mL", told)
    assert "drawn-3.nii.gz: 1 of 2 regions are not there: 'lesion' (2)" in told


def test_a_segmentation_of_another_frame_is_refused(phantom, tmp_path):
    document = phantom.write_cycle(tmp_path, "PT")
    path = tmp_path / "structures.dcm"
    found = pydicom.dcmread(path)
    for one in found.StructureSetROISequence:
        one.ReferencedFrameOfReferenceUID = "1.2.3.4"
    found.save_as(path)
    assert "segmentation: its frame of reference is 1.2.3.4, that of the images" in refused(
        document
    )
