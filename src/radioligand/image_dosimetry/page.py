# SPDX-License-Identifier: Apache-2.0
"""The report of one cycle's doses from images: tables, isodose lines, histograms, every constant.

A medical physicist finds on it what is needed to repeat each number: activities at each time,
half-life, time-integrated activity, mass, kernel and constants.
"""

from collections.abc import Iterator, Mapping
from itertools import count

from markupsafe import Markup

from radioligand.image_dosimetry.doses import ImageDosimetry, RegionDose
from radioligand.report import KeyLine, RenderedReport, Report
from radioligand.report.document import Part, Section, render_sections
from radioligand.report.tables import Body, Column, Row, Table, cell

LONG_TAIL = 0.20
LINE = "Absorbed doses by calculation; they advise and do not prescribe."


def dose_page(found: ImageDosimetry, *, provenance: Mapping[str, object]) -> RenderedReport:
    """Return the page, its tables and its figures, the same for the same doses."""
    made = _Parts()
    doses = made.table("doses", "Absorbed dose of each region", _doses(found))
    spread = made.table("dose-volume", "How the dose is spread", _spread(found))
    activity = made.table("activity", "Activity at each time", _activity(found))
    integrals = made.table("integrals", "From activity to dose", _integrals(found))
    images = made.table("images", "Images", _images(found))
    method = made.table("method", "Method and constants", _method(found))
    inputs = made.table("provenance", "What this page was made from", _inputs(found, provenance))
    sections = (
        Section("section-doses", "Doses", (doses,), tuple(remarks(found))),
        Section("section-isodoses", "Isodose lines", tuple(_isodoses(found, made))),
        Section("section-volumes", "Dose and volume", (made.dose_volumes(found), spread)),
        Section(
            "section-activity", "Activity over time", (made.curves(found), activity, integrals)
        ),
        Section("section-method", "Method", (images, method), (_in_words(found),)),
        Section("section-provenance", "Provenance", (inputs,)),
    )
    return render_sections(sections, report=_report(found, provenance))


def remarks(found: ImageDosimetry) -> Iterator[str]:
    """What a reader has to weigh: long tails, voxels that could not be fitted, no interval."""
    for region in found.regions:
        if region.tail_fraction > LONG_TAIL:
            yield (
                f"{region.name}: {100 * region.tail_fraction:.0f} % of the time-integrated "
                "activity comes after the last image and is extrapolated."
            )
    share = found.shared_rate / max(found.measured, 1)
    if share > 0.01:
        yield (
            f"{100 * share:.1f} % of the voxels with activity are not positive in every image and "
            "got the rate of the sum."
        )
    for region in found.regions:
        each, band = region.gy_per_gbq(found.read.study.activity_mbq), region.plausible_gy_per_gbq
        if band and not band[0] <= each <= band[1]:
            yield (
                f"{region.name}: {each:.3g} Gy/GBq lies outside {band[0]:g} to {band[1]:g}, what "
                "the document holds for plausible."
            )
        if region.not_soft > 0.01:
            yield (
                f"{region.name}: {100 * region.not_soft:.0f} % of its voxels are no soft tissue by "
                f"the CT and count with {found.read.study.density_g_ml:g} g/mL."
            )
    if found.read.density is None:
        yield (
            f"Every voxel counts with {found.read.study.density_g_ml:g} g/mL, as declared; no "
            "calibration of a CT is there to take densities from."
        )
    errors = found.read.study.errors
    if errors is None:
        yield "No uncertainty was given ([errors]), so no dose has an interval."
    elif errors.volume is None:
        yield "The intervals leave out how regions were drawn (volume in [errors])."


class _Parts:
    """Tables and figures, numbered in the order in which they are made."""

    def __init__(self) -> None:
        self._tables, self._figures = count(1), count(1)

    def table(self, name: str, title: str, body: Body) -> Part:
        number = f"Table {next(self._tables)}"
        table = Table(name, f"{number}: {title}", "", body, (), notice="")
        return Part(name, number, title, "", table)

    def figure(self, name: str, title: str, drawn: str, *notes: str) -> Part:
        number = f"Figure {next(self._figures)}"
        return Part(name, number, title, svg=Markup(drawn), footnotes=notes)

    def isodoses(self, found: ImageDosimetry, region: RegionDose, name: str) -> Part:
        from radioligand.image_dosimetry.figures import isodoses  # matplotlib is slow to import

        title = f"Slices through the highest dose in {region.name}"
        return self.figure(name, title, isodoses(found, region, name=name, title=title))

    def dose_volumes(self, found: ImageDosimetry) -> Part:
        from radioligand.image_dosimetry.figures import dose_volumes

        title = "Cumulative dose-volume histograms"
        drawn = dose_volumes(found, name="histograms", title=title)
        note = (
            "The axes end a fifth above the highest D2; what a few voxels get beyond is in Table 2."
        )
        return self.figure("histograms", title, drawn, note)

    def curves(self, found: ImageDosimetry) -> Part:
        from radioligand.image_dosimetry.figures import curves

        title = "Activity of each region"
        note = (
            "Lines are sums of the curves of a region's voxels, points what the images hold. "
            "Below: measured over fitted, less one; the band is the stated error of one image."
        )
        return self.figure("curves", title, curves(found, name="curves", title=title), note)


def _isodoses(found: ImageDosimetry, made: _Parts) -> Iterator[Part]:
    """The lesion and the organ with the highest mean dose."""
    for role in ("lesion", "organ"):
        of_role = [region for region in found.regions if region.role == role]
        if of_role:
            hottest = max(of_role, key=lambda region: region.volume.mean_gy)
            yield made.isodoses(found, hottest, f"isodoses-{role}")


def _report(found: ImageDosimetry, provenance: Mapping[str, object]) -> Report:
    study = found.read.study
    lines = []
    for region in found.regions:
        detail = f"{region.gy_per_gbq(study.activity_mbq):.3g} Gy/GBq"
        if region.lower_gy is not None and region.upper_gy is not None:
            detail += f", 95 % interval {region.lower_gy:.3g} to {region.upper_gy:.3g} Gy"
        lines.append(KeyLine(region.name, f"{region.volume.mean_gy:.3g} Gy", detail))
    return Report(
        title="Absorbed dose from images",
        subtitle=f"Subject {study.subject}, cycle {study.cycle}, {study.activity_mbq:g} MBq",
        arms=(),
        displays=(),
        simulated=False,
        key_lines=tuple(lines),
        provenance=provenance,
        line=LINE,
    )


def _numbers(*values: float | None) -> tuple[str, ...]:
    """Four digits, or whole numbers where there are more."""
    return tuple(
        "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        for value in values
    )


def _rows(found: ImageDosimetry, *columns: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(
        Row(region.name, tuple(map(cell, texts)))
        for region, texts in zip(found.regions, columns, strict=True)
    )


def _doses(found: ImageDosimetry) -> Body:
    heads = (
        *("Role", "Mean, Gy", "95 % from", "to", "Gy/GBq", "Plausible, Gy/GBq"),
        *("Local deposition, Gy", "Sphere, Gy"),
    )
    activity = found.read.study.activity_mbq
    rows = _rows(
        found,
        *(
            (
                one.role,
                *_numbers(
                    one.volume.mean_gy,
                    one.lower_gy,
                    one.upper_gy,
                    one.gy_per_gbq(activity),
                ),
                " to ".join(f"{end:g}" for end in one.plausible_gy_per_gbq or ()),
                *_numbers(one.local_gy, one.sphere_gy),
            )
            for one in found.regions
        ),
    )
    notes = (
        "Mean: by convolution with the voxel kernel. Beside it, for comparison: the mean if every "
        "electron stopped in its voxel, and the self-dose of a sphere of the region's mass that "
        "holds its activity.",
    )
    return Body("Region", tuple(map(Column, heads)), rows, notes)


def _spread(found: ImageDosimetry) -> Body:
    heads = ("Volume, mL", "Least", "D98", "D70", "D50", "D2", "Most", "SD")
    rows = _rows(
        found,
        *(
            _numbers(
                one.volume.volume_ml,
                one.volume.least_gy,
                one.volume.d98_gy,
                one.volume.d70_gy,
                one.volume.d50_gy,
                one.volume.d2_gy,
                one.volume.most_gy,
                one.volume.deviation_gy,
            )
            for one in found.regions
        ),
    )
    note = "Doses in Gy. D98 is the dose that 98 % of the volume gets or exceeds."
    return Body("Region", tuple(map(Column, heads)), rows, (note,))


def _activity(found: ImageDosimetry) -> Body:
    heads = tuple(f"At {moment.time_hours:.1f} h" for moment in found.read.moments)
    rows = _rows(
        found,
        *(
            tuple(
                "{} ({})".format(*_numbers(measured, fitted))
                for measured, fitted in zip(one.activity_mbq, one.fitted_mbq, strict=True)
            )
            for one in found.regions
        ),
    )
    note = "MBq, as measured, and in brackets as fitted voxel by voxel."
    return Body("Region", tuple(map(Column, heads)), rows, (note,))


def _integrals(found: ImageDosimetry) -> Body:
    heads = (
        *("Half-life, h", "Integrated, MBq h", "After the last, %", "Volume, mL", "Density, g/mL"),
        *("Mass, g", "Sphere, Gy per MBq h"),
    )
    rows = _rows(
        found,
        *(
            _numbers(
                one.half_life_hours,
                one.time_integrated_mbq_h,
                100 * one.tail_fraction,
                one.volume.volume_ml,
                one.density_g_ml,
                one.mass_g,
                None if one.sphere_gy is None else one.sphere_gy / one.time_integrated_mbq_h,
            )
            for one in found.regions
        ),
    )
    notes = (
        "The half-life is effective: ln 2 times integrated over initial activity. Mass is volume "
        "times density. The sphere's dose in Table 1 is the integrated activity times the last "
        "column.",
    )
    return Body("Region", tuple(map(Column, heads)), rows, notes)


def _images(found: ImageDosimetry) -> Body:
    heads = ("Hours", "Total, MBq", "Corrected to", "Said by", "Brought onto the first")
    rows = tuple(
        Row(
            one.name,
            tuple(
                map(
                    cell,
                    (
                        f"{one.time_hours:.2f}",
                        f"{one.total_mbq:.1f}",
                        one.corrected_to,
                        one.says,
                        "yes" if one.moved else "same grid",
                    ),
                )
            ),
        )
        for one in found.read.moments
    )
    return Body("Image", tuple(map(Column, heads)), rows)


def _method(found: ImageDosimetry) -> Body:
    rows = []
    for name, value in found.method.items():
        if isinstance(value, dict):
            value = ", ".join(
                f"{key} {'none' if one is None else f'{one:g}'}" for key, one in value.items()
            )
        rows.append(Row(name.replace("_", " "), (cell(str(value)),)))
    return Body("What", (Column("Value"),), tuple(rows))


def _inputs(found: ImageDosimetry, provenance: Mapping[str, object]) -> Body:
    rows = {**found.read.hashes, **provenance}
    told = tuple(Row(name, (cell(str(value)),)) for name, value in rows.items())
    return Body("What", (Column("Value"),), told)


def _in_words(found: ImageDosimetry) -> str:
    return (
        "Each voxel's activity is fitted as A exp(-rate t) by the least sum of "
        "(fitted / measured - 1)^2, its rate held at or above physical decay, and integrated to "
        "A / rate. The dose is the convolution of A / rate with the kernel, whose energies per "
        "decay and offset are divided by the density. Air, lung and bone are treated as the soft "
        "tissue of that density."
        + (
            ""
            if found.read.density is None
            else " A voxel that the CT's calibration shows as soft tissue has its dose multiplied "
            "by that density over its own."
        )
    )
