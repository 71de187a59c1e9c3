# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: arms, displays, policies, findings, and the rendered files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SIMULATED = "Simulated data — no real patients"
CALIBRATED = "Synthetic, calibrated to published summaries — not patient data and no evidence"


class Arm(NamedTuple):
    """One arm: its id in the results frame, its full label, and a short one for figures."""

    id: str
    label: str
    short: str


class KeyLine(NamedTuple):
    """One line of the key results: what it is, the number, what stands beside it, its trace."""

    label: str
    value: str
    detail: str = ""
    trace: tuple[tuple[str, str], ...] = ()


class Policy(NamedTuple):
    """A choice on which sources differ: what was chosen, what the default is, and who says so."""

    name: str
    choice: str
    default: str
    source: str


class Finding(NamedTuple):
    """A rule that a dataset breaks: in `broken` of `rows` rows, the first of them as examples."""

    dataset: str
    severity: str
    rule: str
    broken: int
    rows: int
    examples: tuple[str, ...] = ()


class MissingDomain(NamedTuple):
    """A dataset that the study lacks, and what could not be done without it."""

    domain: str
    consequence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """One table or figure: which analyses it shows, in which form, and where it stands.

    `kind` is a key of `document.BUILDERS` or `figures.DRAWINGS`. `name` names its files and its
    place in the page; letters, digits and hyphens. Rows stand in the order of the results frame;
    variables or levels named in `order` come first, in that order. `groups` sets rows in under a
    heading: the heading is a variable of the analysis, or words of its own.
    """

    name: str
    analysis: str
    kind: str
    title: str
    section: str
    population: str = ""
    footnotes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # further analyses beside the first, in order
    order: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)  # of a variable's median and range
    axis_label: str = ""  # of the upright axis
    time_label: str = "Months since randomisation"
    arms: tuple[Arm, ...] = ()  # parts of an arm that stand in place of the report's arms
    limit: int = 80  # subjects a swimmer plot may hold before it keeps the responders only

    @property
    def analyses(self) -> tuple[str, ...]:
        return (self.analysis, *self.also)


class Statement(NamedTuple):
    """Paragraphs under a heading, before the displays."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that stands in a report beside the numbers; the numbers stand in the results frame.

    `labels` gives words for ids of the results frame: analyses, variables, levels, flow nodes.
    Label rows of the frame itself (statistic 'label') go before it.
    """

    title: str
    arms: tuple[Arm, ...]
    displays: tuple[Display, ...]
    simulated: bool
    subtitle: str = ""
    registry: str = ""
    cutoff: str = ""
    month_days: float = 30.4375  # what days are divided by where months are shown
    populations: tuple[tuple[str, str], ...] = ()  # label, size: "Full analysis set", "226"
    key_lines: tuple[KeyLine, ...] = ()
    statements: tuple[Statement, ...] = ()
    has_data: bool = True  # False: a report of a plan, without subjects or findings
    methods: tuple[str, ...] = ()  # paragraphs
    policies: tuple[Policy, ...] = ()
    findings: tuple[Finding, ...] = ()
    missing_domains: tuple[MissingDomain, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    line: str = ""  # what must stand on every page, printed ones too
    labels: Mapping[str, str] = field(default_factory=dict)
    calibrated: bool = False  # simulated, and made to look like a published trial

    @property
    def notice(self) -> str:
        """What every page, table and figure says of data of no patients; "" of others."""
        return CALIBRATED if self.calibrated else SIMULATED if self.simulated else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedReport:
    """The text of every file: the page, tables ('baseline.csv', 'baseline.html'), figures."""

    index_html: str
    tables: dict[str, str]
    figures: dict[str, str]
