# SPDX-License-Identifier: Apache-2.0
"""What is to be done with which images: the document of one patient's cycle, as records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from radioligand.dosimetry.densities import DensityCurve

ROLES = ("organ", "lesion", "remainder")
CORRECTIONS = ("none", "scan", "injection")
RULES = ("subtract lesions",)
NUCLIDES = ("Lu-177", "177Lu", "Lu177")


class Fault(NamedTuple):
    """What is wrong where, and what mends it."""

    where: str  # an image, a region, a key
    says: str  # rule and value
    mend: str


class ImageStudyError(ValueError):
    """A document or images that cannot be used; one message holds every fault."""

    def __init__(self, faults: Sequence[Fault], *, name: str) -> None:
        """Keep the faults and write the message."""
        self.faults = tuple(faults)
        lines = [f"{one.where}: {one.says}. {one.mend}" for one in faults]
        plural = "fault" if len(faults) == 1 else "faults"
        super().__init__("\n  ".join([f"{name}: {len(faults)} {plural}.", *lines]))


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenImage:
    """One time point; what the file itself says may be left out."""

    path: Path
    acquired: datetime | None = None
    unit: str = ""
    corrected_to: str = ""
    duration_minutes: float = 0.0  # adds half to the time of an image that is not corrected
    transform: Path | None = None  # rigid, to the first image
    same_frame: bool = False  # stated by the user where files cannot know it
    segmentation: Path | None = None  # regions as drawn on this image, to compare their volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """The CT or the segmentation."""

    path: Path
    transform: Path | None = None
    same_frame: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRegion:
    """One region: how it is called, what it is, and how the segmentation knows it."""

    name: str
    role: str
    label: int | str
    plausible_gy_per_gbq: tuple[float, float] | None = None  # outside: a remark


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenKernel:
    """A user's own kernel: a NumPy file of S values, mGy per MBq s, odd in each axis."""

    path: Path
    spacing_mm: tuple[float, float, float]
    density_g_ml: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Relative standard deviations, and how many replicates of the chain to run."""

    calibration: float
    each_image: float
    each_voxel: float = 0.0
    volume: float | None = None  # of a region as drawn: its contour moves; needed by `dose fit`
    replicates: int = 200
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStudy:
    """One patient's images of one cycle and how they lead to doses."""

    name: str
    subject: str
    cycle: int
    start: datetime  # of the infusion
    activity_mbq: float
    images: tuple[GivenImage, ...]
    segmentation: GivenFile
    regions: tuple[GivenRegion, ...]
    density_g_ml: float
    ct: GivenFile | None = None
    density_curve: DensityCurve | None = None  # of the CT; without it every voxel has one density
    reach_mm: float = 120.0
    least_bq_ml: float = 0.0  # up to which a voxel lies outside the body
    overlap: str = ""  # rule for lesions within organs
    quantification: float = 0.05  # relative standard uncertainty of an image's total
    errors: Errors | None = None
    kernel: GivenKernel | None = None

    @property
    def whose(self) -> str:
        """The document and whose images of which cycle it names, to head a message."""
        return f"{self.name} ({self.subject}, cycle {self.cycle})"


KEYS = {
    "": (
        *("subject", "cycle", "nuclide", "density_g_ml", "reach_mm", "least_bq_ml", "overlap"),
        *("quantification", "administration", "images", "ct", "segmentation", "regions"),
        *("errors", "kernel"),
    ),
    "administration": ("start", "activity_mbq"),
    "images": (
        *("path", "acquired", "unit", "corrected_to", "duration_minutes"),
        *("transform", "same_frame", "segmentation"),
    ),
    "ct": ("path", "transform", "same_frame", "hounsfield", "density_g_ml", "calibration"),
    "segmentation": ("path", "transform", "same_frame"),
    "regions": ("name", "role", "label", "plausible_gy_per_gbq"),
    "errors": ("calibration", "each_image", "each_voxel", "volume", "replicates", "seed"),
    "kernel": ("path", "spacing_mm", "density_g_ml"),
}


class _Reader:
    """Takes values out of a document and gathers what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []

    def table(self, document: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
        found = document.get(key)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            self.fault(key, "this is a table", f"Write [{key}].")
            return None
        self.known(found, key, key)
        return found

    def tables(
        self, document: Mapping[str, Any], key: str
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        found = document.get(key, ())
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            self.fault(key, "this is a list of tables", f"Write [[{key}]] before each.")
            return
        for number, one in enumerate(found, 1):
            where = f"{key}[{number}]"
            self.known(one, key, where)
            yield where, one

    def known(self, table: Mapping[str, Any], kind: str, where: str) -> None:
        for key in table:
            if key not in KEYS[kind]:
                self.fault(
                    f"{where}.{key}".lstrip("."), "no such key", f"Known: {_told(KEYS[kind])}."
                )

    def fault(self, where: str, says: str, mend: str) -> None:
        self.faults.append(Fault(where, says, mend))

    def number(
        self,
        table: Mapping[str, Any],
        where: str,
        key: str,
        *,
        low: float,
        high: float,
        default: float | None = None,
        mend: str = "",
    ) -> float:
        value = table.get(key, default)
        place = f"{where}.{key}".lstrip(".")
        if value is None:
            self.fault(place, "is missing", mend or f"Give a number from {low:g} to {high:g}.")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(place, f"{value!r} is no number", "Give a number.")
        elif not low <= value <= high:
            self.fault(place, f"{value:g} lies outside {low:g} to {high:g}", mend or "Mend it.")
        else:
            return float(value)
        return low

    def text(
        self, table: Mapping[str, Any], where: str, key: str, *, among: Sequence[str] = ()
    ) -> str:
        value = table.get(key, "")
        place = f"{where}.{key}".lstrip(".")
        if not isinstance(value, str):
            self.fault(place, f"{value!r} is no text", "Put it between quotes.")
            return ""
        if value and among and value not in among:
            self.fault(place, f"{value!r} is not known", f"Known: {_told(among)}.")
        return value

    def numbers(self, table: Mapping[str, Any], where: str, key: str) -> tuple[float, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in value
        ):
            self.fault(f"{where}.{key}", f"{value!r} is no list of numbers", "Write [1.0, 2.0].")
            return ()
        return tuple(map(float, value))

    def path(self, table: Mapping[str, Any], where: str, key: str) -> Path | None:
        value = self.text(table, where, key)
        if not value:
            return None
        found = self.folder / value
        if not found.exists():
            self.fault(f"{where}.{key}", f"{found} is not there", "Paths begin at the document.")
        return found

    def needed(self, table: Mapping[str, Any], where: str, key: str) -> Path:
        found = self.path(table, where, key)
        if found is None:
            self.fault(f"{where}.{key}", "is missing", "Name a file or a folder.")
            return self.folder
        return found

    def time(self, table: Mapping[str, Any], where: str, key: str) -> datetime | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is not None:
            mend = "Write it as 2026-05-04T09:30:00, in the clinic's own time."
            self.fault(f"{where}.{key}", f"{value!s} is no local date and time", mend)
            return None
        return value


def _told(words: Sequence[str]) -> str:
    return ", ".join(words)


def parse_study(document: Mapping[str, Any], *, folder: Path, name: str) -> ImageStudy:
    """Return the document as a record, its paths beginning at `folder`.

    Raises ImageStudyError that lists every fault.
    """
    reader = _Reader(folder)
    reader.known(document, "", "")
    nuclide = reader.text(document, "", "nuclide")
    if nuclide not in NUCLIDES:
        says = f"{nuclide!r} is not 177Lu" if nuclide else "is missing"
        reader.fault("nuclide", says, 'Write nuclide = "Lu-177"; kernels are of no other.')
    subject = reader.text(document, "", "subject")
    if not subject:
        reader.fault("subject", "is missing", "Give the subject's identifier.")
    start, activity_mbq = _administration(reader, document)
    density = "Give the tissue's density: a volume is no mass."
    study = ImageStudy(
        name=name,
        subject=subject,
        cycle=int(reader.number(document, "", "cycle", low=1, high=20)),
        start=start,
        activity_mbq=activity_mbq,
        images=tuple(_image(reader, *one) for one in reader.tables(document, "images")),
        ct=_file(reader, document, "ct"),
        density_curve=_density_curve(reader, document),
        segmentation=_file(reader, document, "segmentation") or _missing(reader),
        regions=tuple(_region(reader, *one) for one in reader.tables(document, "regions")),
        density_g_ml=reader.number(document, "", "density_g_ml", low=0.9, high=1.2, mend=density),
        reach_mm=reader.number(document, "", "reach_mm", low=10, high=500, default=120),
        least_bq_ml=reader.number(document, "", "least_bq_ml", low=0, high=1e9, default=0),
        overlap=reader.text(document, "", "overlap", among=RULES),
        quantification=reader.number(document, "", "quantification", low=0, high=0.3, default=0.05),
        errors=_errors(reader, document),
        kernel=_kernel(reader, document),
    )
    _check_whole(reader, study)
    if reader.faults:
        raise ImageStudyError(reader.faults, name=study.whose if subject else name)
    return study


def _check_whole(reader: _Reader, study: ImageStudy) -> None:
    if len(study.images) < 2:
        reader.fault(
            "images",
            f"{len(study.images)} time points; a voxel's curve needs two or more",
            "A single time point belongs to `radioligand dose fit`, whose method says its window.",
        )
    if not study.regions:
        reader.fault("regions", "none is named", "Name organs and lesions in [[regions]].")
    names = [region.name for region in study.regions]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        reader.fault(f"region {twice!r}", "is named twice", "Name each region once.")


def _administration(reader: _Reader, document: Mapping[str, Any]) -> tuple[datetime, float]:
    table = reader.table(document, "administration") or {}
    start = reader.time(table, "administration", "start")
    if start is None and "start" not in table:
        mend = "Give the start of the infusion; times are counted from it."
        reader.fault("administration.start", "is missing", mend)
    activity = reader.number(table, "administration", "activity_mbq", low=10, high=50_000)
    return start or datetime.min, activity


def _image(reader: _Reader, where: str, table: Mapping[str, Any]) -> GivenImage:
    return GivenImage(
        path=reader.needed(table, where, "path"),
        acquired=reader.time(table, where, "acquired"),
        unit=reader.text(table, where, "unit"),
        corrected_to=reader.text(table, where, "corrected_to", among=CORRECTIONS),
        duration_minutes=reader.number(
            table, where, "duration_minutes", low=0, high=240, default=0
        ),
        transform=reader.path(table, where, "transform"),
        same_frame=bool(table.get("same_frame", False)),
        segmentation=reader.path(table, where, "segmentation"),
    )


def _file(reader: _Reader, document: Mapping[str, Any], key: str) -> GivenFile | None:
    table = reader.table(document, key)
    if table is None:
        return None
    return GivenFile(
        path=reader.needed(table, key, "path"),
        transform=reader.path(table, key, "transform"),
        same_frame=bool(table.get("same_frame", False)),
    )


def _density_curve(reader: _Reader, document: Mapping[str, Any]) -> DensityCurve | None:
    """The scanner's calibration: all three of its keys, or none."""
    table = document.get("ct")
    if not isinstance(table, Mapping):
        return None  # told by `_file` where it is no table
    units, values = (reader.numbers(table, "ct", key) for key in ("hounsfield", "density_g_ml"))
    calibration = reader.text(table, "ct", "calibration")
    if not (units or values or calibration):
        return None
    mend = "Take both rows from the scanner's calibration, or leave all three keys out."
    if not calibration:
        reader.fault("ct.calibration", "is missing", "Name scanner, voltage and phantom.")
    if len(units) < 2 or len(units) != len(values):
        says = f"{len(units)} Hounsfield units and {len(values)} densities"
        reader.fault("ct.hounsfield", says, mend)
    elif any(a >= b for a, b in pairwise(units)) or any(a > b for a, b in pairwise(values)):
        reader.fault("ct.hounsfield", "units or densities do not rise", mend)
    elif not (values[0] >= 0 and values[-1] <= 5):
        says = f"{values[0]:g} to {values[-1]:g} lie outside 0 to 5"
        reader.fault("ct.density_g_ml", says, "Give g/mL.")
    return DensityCurve(hounsfield=units, density_g_ml=values, calibration=calibration)


def _missing(reader: _Reader) -> GivenFile:
    reader.fault("segmentation", "is missing", "Name a label map, a DICOM SEG or an RTSTRUCT.")
    return GivenFile(path=reader.folder)


def _region(reader: _Reader, where: str, table: Mapping[str, Any]) -> GivenRegion:
    name = reader.text(table, where, "name")
    if not name:
        reader.fault(f"{where}.name", "is missing", "Give the region a name.")
    role = reader.text(table, where, "role", among=ROLES)
    if not role:
        reader.fault(f"{where}.role", "is missing", f"Say which it is: {_told(ROLES)}.")
    label = table.get("label", name)
    if isinstance(label, bool) or not isinstance(label, int | str):
        reader.fault(f"{where}.label", f"{label!r} is neither number nor text", "Mend it.")
        label = name
    band = reader.numbers(table, where, "plausible_gy_per_gbq")
    if band and (len(band) != 2 or not 0 < band[0] < band[1]):
        says = f"{list(band)} are no two ends of a band"
        reader.fault(f"{where}.plausible_gy_per_gbq", says, "Write it as [0.15, 1.2].")
        band = ()
    return GivenRegion(
        name=name,
        role=role,
        label=label,
        plausible_gy_per_gbq=(band[0], band[1]) if band else None,
    )


def _errors(reader: _Reader, document: Mapping[str, Any]) -> Errors | None:
    table = reader.table(document, "errors")
    if table is None:
        return None

    def share(key: str, default: float | None = None) -> float:
        return reader.number(table, "errors", key, low=0, high=1, default=default)

    return Errors(
        calibration=share("calibration"),
        each_image=share("each_image"),
        each_voxel=share("each_voxel", 0.0),
        volume=share("volume") if "volume" in table else None,
        replicates=int(
            reader.number(table, "errors", "replicates", low=20, high=100_000, default=200)
        ),
        seed=int(reader.number(table, "errors", "seed", low=0, high=2**32, default=1)),
    )


def _kernel(reader: _Reader, document: Mapping[str, Any]) -> GivenKernel | None:
    table = reader.table(document, "kernel")
    if table is None:
        return None
    sides = table.get("spacing_mm", ())
    if (
        not isinstance(sides, list)
        or len(sides) != 3
        or not all(isinstance(one, int | float) and one > 0 for one in sides)
    ):
        reader.fault("kernel.spacing_mm", f"{sides!r} is no size of a voxel", "Give three lengths.")
        sides = (1.0, 1.0, 1.0)
    return GivenKernel(
        path=reader.needed(table, "kernel", "path"),
        spacing_mm=(float(sides[0]), float(sides[1]), float(sides[2])),
        density_g_ml=reader.number(table, "kernel", "density_g_ml", low=0.9, high=1.2),
    )
