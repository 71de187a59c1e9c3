# SPDX-License-Identifier: Apache-2.0
"""Doses from images: read the document and the images, compute, write the folder."""

import csv
import io
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from radioligand.cli.main_job import versions
from radioligand.cli.progress import stages
from radioligand.image_dosimetry import (
    ImageDosimetry,
    activity_rows,
    compute_doses,
    parse_study,
    read_images,
)
from radioligand.image_dosimetry.page import dose_page, remarks
from radioligand.io.documents import DocumentError
from radioligand.io.dose_files import (
    measurement_report,
    nifti,
    rt_dose,
    segmentation,
    segmentation_bytes,
)
from radioligand.io.outputs import MARK, check_output, sha256, write_folder

READERS = ("pydicom", "highdicom", "nibabel")  # that read the images and wrote the files
STAGES = 5  # images, kernel, doses, replicates, files


def run_dose_image(document: Path, *, out: Path, quiet: bool) -> ImageDosimetry:
    """Compute the doses that a document asks for and write them into a folder.

    Raises DocumentError, ImageStudyError or OutputError, whose messages say what to mend.
    """
    check_output(out)
    content = document.read_bytes()
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{document}: no TOML document ({error}).") from None
    study = parse_study(tables, folder=document.parent, name=document.name)
    with stages(STAGES, quiet=quiet) as told:
        told("images")
        found = compute_doses(read_images(study), told=told)
        told("files")
        write_folder(out, _files(found, document=content))
    return found


def _files(found: ImageDosimetry, *, document: bytes) -> dict[str, str | bytes]:
    provenance: dict[str, Any] = {"document": sha256(document), **versions()}
    provenance["versions"] |= {name: version(name) for name in READERS}
    flat = {"document": sha256(document), "python": provenance["python"], **provenance["versions"]}
    page = dose_page(found, provenance=flat)
    read = found.read
    files: dict[str, str | bytes] = {
        "index.html": page.index_html,
        "doses.json": as_json(found),
        "doses.csv": _csv(_region_rows(found)),
        "dose.nii": nifti(found.dose_gy, read.grid),
        MARK: json.dumps(provenance | {"inputs": read.hashes}, indent=2) + "\n",
    }
    if rows := activity_rows(found):
        files["activities.csv"] = _csv(rows)
    files |= {f"tables/{name}": text for name, text in page.tables.items()}
    files |= {f"figures/{name}": text for name, text in page.figures.items()}
    return files | _dicom(found)


def _dicom(found: ImageDosimetry) -> dict[str, bytes]:
    """RTDOSE, SEG and SR where the images are DICOM and so say whose they are."""
    read = found.read
    sources = read.first.datasets
    if not sources:
        return {}
    last = read.study.start  # dated by the infusion: the clock has no part in the files
    files = {
        "dose.dcm": rt_dose(
            found.dose_gy, read.grid, source=sources[0], made=last, by_ct=read.density is not None
        )
    }
    segments = segmentation(
        {region.name: region.mask for region in found.regions},
        frozenset(region.name for region in found.regions if region.role == "lesion"),
        read.grid,
        sources=sources,
    )
    doses = {region.name: region.volume for region in found.regions}
    files["report.dcm"] = measurement_report(doses, segments, sources=sources, made=last)
    files["regions.dcm"] = segmentation_bytes(segments, made=last)
    return files


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the text of a CSV file, headed by the keys of the first."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _region_rows(found: ImageDosimetry) -> list[dict[str, Any]]:
    """One row a region: the numbers of doses.json that are no lists."""
    document = found.as_json()
    who = {"subject": document["subject"], "cycle": document["cycle"]}
    return [
        who | {name: value for name, value in region.items() if not isinstance(value, list)}
        for region in document["regions"]
    ]


def as_json(found: ImageDosimetry) -> str:
    """The doses as text for machines."""
    document = found.as_json() | {"warnings": list(remarks(found))}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def lines(found: ImageDosimetry, *, out: Path) -> Iterator[str]:
    """The doses as lines of a terminal."""
    yield f"Report: {out / 'index.html'}"
    for region in found.regions:
        volume = region.volume
        bounds = ""
        if region.lower_gy is not None:
            bounds = f" ({region.lower_gy:.3g} to {region.upper_gy:.3g})"
        yield (
            f"  {region.name:<20} {volume.mean_gy:8.3g} Gy{bounds}, D98 {volume.d98_gy:.3g}, "
            f"D2 {volume.d2_gy:.3g}, {volume.volume_ml:.1f} mL, {region.half_life_hours:.1f} h"
        )
    yield from remarks(found)
