# SPDX-License-Identifier: Apache-2.0
"""The numbers of the results frame by their keys, and the words that stand for its ids."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from radioligand.report.contents import Arm, Display, Report

ALL = "ALL"
REASONS = ("reason", "not_available", "not_estimable")  # rows that say why there is no number
BESIDE = ("label", "n", "missing", *REASONS)  # rows that are no answer by themselves
CURVES = (
    *("survival", "survival_lower", "survival_upper", "censor", "at_risk"),
    *("incidence", "incidence_lower", "incidence_upper", "grade_share", "at_visit"),
)

# What the report calls an id when neither the frame nor the report has words for it.
WORDS = {
    "ALL": "All subjects",
    "M": "Male",
    "F": "Female",
    "Y": "Yes",
    "N": "No",
    "CR": "Complete response",
    "PR": "Partial response",
    "SD": "Stable disease",
    "NON-CR/NON-PD": "Non-complete response or non-progressive disease",
    "PD": "Progressive disease",
    "NE": "Unknown",
    "ORR": "Objective response rate",
    "DCR": "Disease control rate",
    "AMERICAN INDIAN OR ALASKA NATIVE": "American Indian or Alaska Native",
    "BLACK OR AFRICAN AMERICAN": "Black or African American",
    "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER": "Native Hawaiian or other Pacific Islander",
    "duration_weeks": "Duration of exposure, weeks",
    "cycles": "Number of cycles",
    "cumulative_gbq": "Cumulative activity, GBq",
    "gbq_per_cycle": "Activity per cycle, GBq",
    "dose_intensity": "Relative dose intensity, %",
    "screened": "Screened",
    "not_randomised": "Not randomised",
    "randomised": "Randomised",
    "not_treated": "Randomised, not treated",
    "treated": "Treated",
    "treatment_ongoing": "Still on treatment at cutoff",
    "treatment_ended": "Treatment ended",
    "crossed_over": "Crossed over",
    "analysed": "Analysed",
}


class Number(NamedTuple):
    """One row of the results frame, its columns in the frame's order."""

    analysis: str
    dataset: str | None
    where: str | None
    population: str | None
    parameter: str | None
    arm: str | None
    variable: str | None
    level: str | None
    subject: str | None
    time_days: float | None
    statistic: str
    value: float | None
    text: str | None
    unit: str | None
    method: str | None


class Numbers:
    """The rows of one analysis: summaries by key, curves and subjects as a frame."""

    def __init__(self, analysis: str, frame: pl.DataFrame) -> None:
        """Take the rows of `analysis`; `frame` holds no others."""
        self.analysis = analysis
        self.frame = frame
        curves = pl.col("statistic").is_in(CURVES) & pl.col("time_days").is_not_null()
        summary = frame.filter(pl.col("subject").is_null() & ~curves)
        self.rows = tuple(Number(*row) for row in summary.select(Number._fields).iter_rows())
        self._found: dict[tuple[str, str, str, str], Number] = {}
        self._levels: dict[str, dict[str, None]] = {}  # a dict keeps the order of first rows
        for row in self.rows:
            key = (row.statistic, row.arm or "", row.variable or "", row.level or "")
            self._found.setdefault(key, row)
            if row.variable:
                levels = self._levels.setdefault(row.variable, {})
                levels |= {row.level: None} if row.level else {}

    def find(
        self, statistic: str, *, arm: str = "", variable: str = "", level: str = ""
    ) -> Number | None:
        """Return the number under these keys, or None; a key left out means: null there."""
        return self._found.get((statistic, arm, variable, level))

    def at_times(self, statistic: str, *, arm: str) -> tuple[Number, ...]:
        """Return the numbers of that statistic and arm that have a time, in time."""
        timed = [
            row
            for row in self.rows
            if (row.statistic, row.arm) == (statistic, arm) and row.time_days is not None
        ]
        return tuple(sorted(timed, key=lambda row: row.time_days or 0.0))

    def rate(self, statistic: str, *, arm: str, variable: str) -> Number | None:
        """Return a number of a rate such as ORR, whichever level it is filed under."""
        for level in ("", *self.levels(variable)):
            if found := self.find(statistic, arm=arm, variable=variable, level=level):
                return found
        return None

    def compared(self, statistic: str, *, variable: str = "") -> Number | None:
        """Return a number that compares the arms, or that was filed under no arm."""
        for arm in (self.comparison, "", ALL):
            if found := self.find(statistic, arm=arm, variable=variable):
                return found
        return None

    @property
    def comparison(self) -> str:
        """The id under which the arms are compared ('LU v CONTROL'); '' if they are not."""
        return next(iter(self.comparisons), "")

    @property
    def comparisons(self) -> tuple[str, ...]:
        """The ids of all comparisons, of which a trial with several arms has several."""
        found = (row.arm for row in self.rows if row.arm and " v " in row.arm)
        return tuple(dict.fromkeys(found))

    def told_apart(self, comparison: str, arms: Sequence[Arm]) -> str:
        """Name the arms of a comparison if there are several; '' of the only one."""
        if len(self.comparisons) < 2:
            return ""
        shorts = {arm.id: arm.short for arm in arms}
        return " v ".join(shorts.get(arm, arm) for arm in comparison.split(" v "))

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables in the order of their first row."""
        return tuple(self._levels)

    def levels(self, variable: str) -> tuple[str, ...]:
        """Levels of a variable in the order of their first row."""
        return tuple(self._levels.get(variable, ()))

    def why(self, *, variable: str = "") -> Number | None:
        """Return the row that says why a variable, or the whole, has no numbers."""
        told = (row for row in self.rows if row.statistic in REASONS and not row.level)
        return next((row for row in told if (row.variable or "") == variable), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the analysis, or a part of it, has no number: each reason once."""
        told = (row.text for row in self.rows if row.text and row.statistic in REASONS)
        return tuple(dict.fromkeys(told))

    @property
    def only_reasons(self) -> bool:
        """Whether there is no answer at all: only reasons, labels and sizes of arms."""
        return self.frame.filter(~pl.col("statistic").is_in(BESIDE)).is_empty()


@dataclass(frozen=True, slots=True)
class View:
    """What one display sees: itself, the report around it, and the numbers of its analyses."""

    display: Display
    report: Report
    analyses: tuple[Numbers, ...]

    @property
    def main(self) -> Numbers:
        return self.analyses[0]

    def arms(self, *, everyone: bool = False) -> tuple[Arm, ...]:
        """Return the arms that have numbers here, and all subjects last when asked for."""
        present = {arm for numbers in self.analyses for arm in numbers.frame["arm"].unique()}
        found = tuple(arm for arm in self.report.arms if arm.id in present)
        counted = (row.arm == ALL and row.statistic not in BESIDE for row in self.main.rows)
        if everyone and any(counted):
            found += (Arm(ALL, self.words(ALL), "All"),)
        return found

    def compared_arms(self, comparison: str = "") -> tuple[Arm, ...]:
        """Return the arms of a comparison in its order.

        If none is named: those of the first comparison, or else all, in the order of the report.
        """
        arms = self.arms()
        if comparison:
            known = {arm.id: arm for arm in arms}
            return tuple(known[one] for one in comparison.split(" v ") if one in known)
        compared = self.main.comparison.split(" v ")
        return tuple(arm for arm in arms if arm.id in compared) or arms

    def words(self, identifier: str) -> str:
        """Return words for an id: the report's, the house's, else the id itself."""
        return self.report.labels.get(identifier) or WORDS.get(identifier, identifier)

    def label(self, variable: str, level: str = "") -> str:
        """Return the label of a row: the frame's own, or words for its id.

        A level that has no words of its own and is a term in capitals is set in lower case.
        """
        for arm in ("", ALL):
            found = self.main.find("label", arm=arm, variable=variable, level=level)
            if found is not None and found.text:
                return found.text
        told = self.words(level or variable)
        is_term = level and told == level and len(level) > 4 and level.isupper()
        return level.capitalize() if is_term and level[:4].isalpha() else told

    def arm_words(self, identifier: str) -> str:
        """Return an arm's short label, also of the arm of all subjects."""
        known = {arm.id: arm.short for arm in self.report.arms}
        return known.get(identifier) or self.words(identifier)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the frame says of subjects who are in no number of an analysis that has some."""
        told: dict[str, None] = {}
        for numbers in self.analyses:
            for row in numbers.rows:
                if row.variable or row.level or not row.text:
                    continue
                if row.statistic == "not_available":
                    told[f"{row.text}."] = None
                elif row.statistic == "missing" and row.value and row.arm != ALL:
                    told[f"{self.arm_words(row.arm or '')}: {row.value:.0f} {row.text}."] = None
        return tuple(told)

    def ordered(self, identifiers: Iterable[str]) -> Iterator[str]:
        """Yield the ids, those that the display puts in order first."""
        known = tuple(identifiers)
        yield from (each for each in self.display.order if each in known)
        yield from (each for each in known if each not in self.display.order)
