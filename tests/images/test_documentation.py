# SPDX-License-Identifier: Apache-2.0
"""The page on voxels shows a document that can be read, every key of it, and every file."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.image_dosimetry import ImageStudyError, parse_study
from radioligand.image_dosimetry.study import KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "dosimetry-voxels.md").read_text("utf-8")
EXAMPLE = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])
PATHS = ("day-1", "day-4.nii.gz", "day-4.txt", "day-4-regions.nii.gz", "ct", "regions.dcm")


def test_the_example_can_be_read(tmp_path):
    for name in PATHS:
        (tmp_path / name).touch()
    study = parse_study(EXAMPLE, folder=tmp_path, name="cycle-1.toml")

    assert study.images[1].corrected_to == "scan"
    assert study.regions[0].label == "Kidney_L"
    assert study.errors.volume == 0.05


def test_without_its_files_the_example_is_refused_for_each(tmp_path):
    with pytest.raises(ImageStudyError) as told:
        parse_study(EXAMPLE, folder=tmp_path, name="cycle-1.toml")
    assert {name for name in PATHS if f"{name} is not there" not in str(told.value)} == set()


def test_every_key_is_on_the_page():
    keys = {key for keys in KEYS.values() for key in keys}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()


def test_every_file_that_is_written_is_on_the_page(phantom, tmp_path):
    errors = "\n[errors]\ncalibration = 0\neach_image = 0\nvolume = 0.1\nreplicates = 20\n"
    document = phantom.write_cycle(tmp_path, "NM", change=lambda text: text + errors)
    out = tmp_path / "out"
    CliRunner().invoke(cli, ["dose", "image", str(document), "--out", str(out)])

    names = {path.name for path in out.iterdir()}
    assert len(names) == 11
    assert {name for name in names if f"`{name}" not in PAGE} == set()
