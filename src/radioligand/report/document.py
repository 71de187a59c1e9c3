# SPDX-License-Identifier: Apache-2.0
"""The page: every display in its section, with methods, findings and provenance around them."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

import polars as pl
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from radioligand.report import (
    dose_tables,
    formatting,
    planning_tables,
    population_tables,
    quality_tables,
    response_tables,
    safety_tables,
    shrinkage_tables,
    survival_tables,
)
from radioligand.report.contents import Display, RenderedReport, Report
from radioligand.report.lookup import Numbers, View
from radioligand.report.tables import Body, Table, spelt_out

BUILDERS: dict[str, Callable[[View], Body]] = {
    "baseline": population_tables.characteristics,
    "exposure": population_tables.characteristics,
    "disposition": population_tables.disposition,
    "phases": population_tables.disposition,
    "eligibility": population_tables.eligibility,
    "adverse-events": population_tables.adverse_events,
    "adverse-event-terms": population_tables.adverse_event_terms,
    "adverse-event-classes": safety_tables.event_classes,
    "adverse-event-rates": safety_tables.event_rates,
    "competing-risks": safety_tables.competing_risks,
    "deaths": safety_tables.deaths,
    "laboratory-grades": safety_tables.laboratory_grades,
    "laboratory-shift": safety_tables.laboratory_shift,
    "laboratory-cycles": safety_tables.laboratory_cycles,
    "dose-decisions": safety_tables.dose_decisions,
    "absorbed-dose": population_tables.characteristics,
    "dose-effects": dose_tables.dose_effects,
    "dose-sites": dose_tables.dose_sites,
    "dose-spread": dose_tables.dose_spread,
    "quality-of-life": safety_tables.quality_of_life,
    "repeated-measures": safety_tables.repeated_measures,
    "response": response_tables.response,
    "agreement": response_tables.agreement,
    "time-to-event": survival_tables.time_to_event,
    "subgroups": survival_tables.subgroups,
    "sensitivity": survival_tables.sensitivity,
    "hierarchy": survival_tables.hierarchy,
    "interim": survival_tables.interim,
    "shrinkage-hazards": shrinkage_tables.hazards,
    "shrinkage-eligible": shrinkage_tables.eligible,
    "shrinkage-probabilities": shrinkage_tables.probabilities,
    "shrinkage-reasons": shrinkage_tables.reasons,
    "shrinkage-thresholds": shrinkage_tables.thresholds,
    "invariants": quality_tables.invariants,
    "quantities": planning_tables.quantities,
    "grid": planning_tables.grid,
}
FIGURES = (
    *("consort", "kaplan-meier", "forest", "waterfall", "spider", "swimmer"),
    *("planned-curves", "power-curve", "boundaries", "timeline"),
    *("shrinkage-forest", "shrinkage-medians", "shrinkage-scatter", "shrinkage-contrast"),
    *("incidence", "grades-over-time", "profile"),
    *("dose-cycles", "dose-plan", "dose-effect"),
    *("scenario-map", "simulated-power", "fan", "simulated-looks", "dose-heterogeneity"),
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Part(NamedTuple):
    """One numbered display of the page: a table, a figure, or the reason why there is neither.

    A table that is `sortable` can be sorted by its columns and narrowed where scripts run.
    """

    name: str
    number: str
    title: str
    population: str = ""
    table: Table | None = None
    svg: Markup | None = None
    footnotes: tuple[str, ...] = ()
    reason: str = ""
    source: str = ""
    kind: str = ""
    sortable: bool = False

    def notes(self, before: tuple[str, ...], after: str) -> tuple[str, ...]:
        """The sentences under a display, each once: how it is printed, its own, abbreviations."""
        return tuple(filter(None, dict.fromkeys((*before, *self.footnotes, after))))

    @property
    def is_linked(self) -> bool:
        """Whether a cell leads to another place of the page."""
        rows = self.table.body.rows if self.table else ()
        return any(cell.link for row in rows for cell in row.cells)

    @property
    def csv_link(self) -> str:
        """The table as a link that needs no other file."""
        return "data:text/csv;charset=utf-8," + quote(self.table.csv if self.table else "")


class Section(NamedTuple):
    """A heading of the page and what stands under it."""

    name: str
    title: str
    parts: tuple[Part, ...] = ()
    paragraphs: tuple[str, ...] = ()


def render(results: pl.DataFrame, *, report: Report) -> RenderedReport:
    """Return the text of every file of the report, the same for the same input.

    `results` is the results frame, one row a number; the report formats, arranges and draws what
    it finds there. A display without numbers is printed with the reason. Raises ValueError if
    two displays share a name or a name cannot name a file.
    """
    _check_names(report)
    by_analysis = {
        str(key[0]): Numbers(str(key[0]), rows)
        for key, rows in results.partition_by("analysis", as_dict=True, maintain_order=True).items()
    }
    nothing = results.clear()
    parts: list[tuple[str, Part]] = []
    counts = {"Table": 0, "Figure": 0}
    for display in _by_section(report.displays):
        analyses = (by_analysis.get(each, Numbers(each, nothing)) for each in display.analyses)
        own = replace(report, arms=display.arms) if display.arms else report
        view = View(display, own, tuple(analyses))
        word = "Figure" if display.kind in FIGURES else "Table"
        counts[word] += 1
        parts.append((display.section, _part(view, f"{word} {counts[word]}")))
    stated = (Section(_slug(one.title), one.title, (), one.paragraphs) for one in report.statements)
    closing = _closing_sections(report, counts["Table"])
    return render_sections((*stated, *_sections(parts), *closing), report=report)


def render_sections(sections: Sequence[Section], *, report: Report) -> RenderedReport:
    """Return the page and the files of sections whose tables and figures are made already."""
    every = [part for section in sections for part in section.parts]
    pages = _Pages(report)
    tables: dict[str, str] = {}
    for part in every:
        if part.table is not None:
            tables[f"{part.name}.csv"] = part.table.csv
            tables[f"{part.name}.html"] = pages.single(part)
    return RenderedReport(
        index_html=pages.index(tuple(sections)),
        tables=tables,
        figures={f"{part.name}.svg": str(part.svg) for part in every if part.svg is not None},
    )


def _by_section(displays: Sequence[Display]) -> list[Display]:
    """Displays as they stand in the page, so that they are numbered in reading order."""
    places = {display.section: place for place, display in reversed(list(enumerate(displays)))}
    return sorted(displays, key=lambda display: places[display.section])


def _check_names(report: Report) -> None:
    names = [display.name for display in report.displays]
    faults = [
        f"display {name!r}: a name begins with a letter and holds letters, digits and hyphens"
        for name in names
        if not NAME.fullmatch(name)
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults += [f"display {name!r} is named {names.count(name)} times" for name in twice]
    if faults:
        raise ValueError(f"{len(faults)} faults in the displays: " + "; ".join(faults))


def _part(view: View, number: str) -> Part:
    display = view.display
    blank = Part(display.name, number, display.title, display.population, kind=display.kind)
    reason = _reason(view)
    if reason:
        return blank._replace(reason=reason, footnotes=display.footnotes)
    if display.kind in FIGURES:
        return _figure_part(view, blank)
    body = BUILDERS[display.kind](view)
    if not body.rows:
        return blank._replace(reason=_nothing_in(view), footnotes=display.footnotes)
    table = _table(view.report, blank, body, display, view.remarks)
    return blank._replace(table=table, footnotes=table.footnotes, source=_source(view))


def _figure_part(view: View, blank: Part) -> Part:
    from radioligand.report import figures  # matplotlib costs half a second: only when drawn

    figure = figures.draw(view, title=f"{blank.number}: {blank.title}")
    if figure is None:
        return blank._replace(reason=_nothing_in(view), footnotes=view.display.footnotes)
    return blank._replace(
        svg=Markup(figure.svg),  # its texts were escaped when it was drawn
        footnotes=(
            *figure.remarks,
            *view.display.footnotes,
            *view.remarks,
            spelt_out([figure.description]),
        ),
        source=_source(view),
    )


def _reason(view: View) -> str:
    """Return why the display cannot be shown; '' if it can."""
    kind = view.display.kind
    if kind not in BUILDERS and kind not in FIGURES:
        known = ", ".join(sorted((*BUILDERS, *FIGURES)))
        return f"No display is of kind '{kind}'; the kinds are {known}."
    if all(numbers.frame.is_empty() for numbers in view.analyses):
        missing = " or ".join(f"'{each}'" for each in view.display.analyses)
        return f"Not analysed: the results hold no rows of {missing}."
    if all(numbers.frame.is_empty() or numbers.only_reasons for numbers in view.analyses):
        return _nothing_in(view)
    return ""


def _nothing_in(view: View) -> str:
    told = [reason for numbers in view.analyses for reason in numbers.reasons]
    if told:
        return "Not analysed: " + "; ".join(dict.fromkeys(told))
    return f"Not analysed: '{view.display.analysis}' holds no number that this display shows."


def _source(view: View) -> str:
    """Return where the numbers of a display come from: datasets and record filters."""
    told = []
    for numbers in view.analyses:
        seen = dict.fromkeys((row.dataset, row.where) for row in numbers.rows if row.dataset)
        frame = numbers.frame.filter(pl.col("dataset").is_not_null())
        if not seen and frame.height:
            seen = {(frame["dataset"][0], frame["where"][0]): None}
        places = [f"{dataset}, {where}" if where else str(dataset) for dataset, where in seen][:2]
        told.append(f"{numbers.analysis} ({'; '.join(places)})" if places else numbers.analysis)
    return "; ".join(told)


def _table(
    report: Report,
    part: Part,
    body: Body,
    display: Display | None = None,
    remarks: tuple[str, ...] = (),
) -> Table:
    return Table(
        name=part.name,
        title=f"{part.number}: {part.title}",
        population=part.population,
        body=body,
        footnotes=(*display.footnotes, *remarks) if display else (),
        notice=report.notice,
    )


def _sections(parts: list[tuple[str, Part]]) -> Iterator[Section]:
    for title in dict.fromkeys(section for section, _ in parts):
        found = tuple(part for section, part in parts if section == title)
        yield Section(_slug(title), title, found)


def _closing_sections(report: Report, tables: int) -> Iterator[Section]:
    """Yield what every report ends with: methods and policies, data findings, provenance."""
    made = []
    for name, title, body in (
        ("policies", "Choices on which sources differ", quality_tables.policies(report)),
        ("findings", "Rules that the data break", quality_tables.findings(report)),
        (
            "missing-domains",
            "Datasets that the study lacks",
            quality_tables.missing_domains(report),
        ),
        ("provenance", "What this report was made from", quality_tables.provenance(report)),
    ):
        if not body.rows:
            continue
        tables += 1
        blank = Part(name, f"Table {tables}", title)
        made.append(blank._replace(table=_table(report, blank, body)))
    parts = {part.name: part for part in made}
    yield Section(
        "methods",
        "Methods and policies",
        tuple(part for name, part in parts.items() if name == "policies"),
        (*report.methods, *_printing(report.month_days)),
    )
    if report.has_data:
        yield _findings_section(parts)
    if "provenance" in parts:
        yield Section("provenance-section", "Provenance", (parts["provenance"],))


def _findings_section(parts: Mapping[str, Part]) -> Section:
    told = () if "findings" in parts else ("No rule is broken: the data keep every one checked.",)
    found = tuple(part for name, part in parts.items() if name in ("findings", "missing-domains"))
    return Section("data-findings", "Findings in the data", found, told)


def _printing(month_days: float) -> tuple[str, ...]:
    return (
        "Numbers are rounded half away from zero when they are printed and nowhere before; each "
        "number of a table shows its full precision, analysis, dataset and records on pointing, "
        f"tapping or by keyboard. Months are days divided by {month_days:g}.",
    )


def _slug(title: str) -> str:
    return "section-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


class _Pages:
    """The templates, with style and script placed in every page; no page asks for another file."""

    def __init__(self, report: Report) -> None:
        folder = files("radioligand.report")
        texts = {
            name: folder.joinpath(name).read_text("utf-8")
            for name in ("page.html", "table.html", "parts.html", "style.css", "page.js")
        }
        self._environment = Environment(
            loader=DictLoader(texts),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        script = texts["page.js"]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self._environment.globals |= {
            "report": report,
            "style": Markup(texts["style.css"]),
            "script": Markup(script),
            # Nothing is fetched, and no script runs but ours, whatever the data hold.
            "policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            "cutoff": formatting.long_date(report.cutoff),
        }
        self._parts: Any = self._environment.get_template("parts.html").module
        self._written: dict[tuple[str, str], Markup] = {}

    def index(self, sections: tuple[Section, ...]) -> str:
        return self._environment.get_template("page.html").render(
            sections=sections, shown=self._shown
        )

    def single(self, part: Part) -> str:
        """Return the page of one display alone; its links lead to the page of all."""
        return self._environment.get_template("table.html").render(
            part=part, shown=self._shown(part, "../index.html")
        )

    def _shown(self, part: Part, beside: str = "") -> Markup:
        """Return the display as it stands in every page, written once.

        With links it is another one in another file: `beside` is where they lead to.
        """
        key = part.name, beside if part.is_linked else ""
        if key not in self._written:
            self._written[key] = Markup(self._parts.display(part, beside))
        return self._written[key]
