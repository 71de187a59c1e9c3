# SPDX-License-Identifier: Apache-2.0
"""What one analysis sees: the subjects of its population by arm, and their records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from radioligand.analysis.results import ALL, Origin, Row
from radioligand.protocol import Protocol
from radioligand.protocol.records import Analysis

NO_COMPARISON = "the protocol has no experimental arm beside a control arm"
ARM_OF = {"randomised": "TRT01P", "treated": "TRT01A"}


class NotAvailable(Exception):  # noqa: N818 - it turns into a row
    """The data cannot carry the analysis; the message is the reason its row gives."""


class Comparison(NamedTuple):
    """Two arms, and the id of their comparison in the results frame."""

    experimental: str
    control: str

    @property
    def id(self) -> str:
        return f"{self.experimental} v {self.control}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The data of one analysis. `subjects` are the ADSL rows of its population, with `arm`.

    `strays` are subjects of the population who have no arm of the protocol, such as those not
    randomised; no analysis by arm can count them.
    """

    adam: Mapping[str, pl.DataFrame]
    protocol: Protocol
    analysis: Analysis
    subjects: pl.DataFrame  # sorted by USUBJID, so that results do not depend on row order
    strays: pl.DataFrame

    @property
    def arms(self) -> tuple[str, ...]:
        """Ids of the arms in the protocol's order."""
        return tuple(arm.id for arm in self.protocol.arms)

    @property
    def arm_sizes(self) -> dict[str, int]:
        """How many subjects of the population each arm has, in the protocol's order."""
        found = dict(self.subjects.group_by("arm").len().iter_rows())
        return {arm: found.get(arm, 0) for arm in self.arms}

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each experimental arm against the first control; none in a trial without control."""
        controls = [arm.id for arm in self.protocol.arms if arm.role == "control"]
        return tuple(
            Comparison(arm.id, controls[0])
            for arm in self.protocol.arms
            if arm.role == "experimental" and controls
        )

    @property
    def strata(self) -> tuple[str, ...]:
        """ADSL variables that hold the strata given at randomisation."""
        plan = self.protocol.randomisation
        return tuple(factor.id for factor in plan.strata) if plan else ()

    def origin(
        self, dataset: str = "ADSL", *, where: str = "", parameter: str | None = None
    ) -> Origin:
        """Return the columns that rows of these records share; the population is added."""
        population = self.protocol.population(self.analysis.population)
        filters = [f"PARAMCD = '{parameter}'"] if parameter else []
        filters += [where] if where else []
        return Origin(
            analysis=self.analysis.id,
            dataset=dataset,
            where=" and ".join([*filters, f"{population.flag} = 'Y'"]),
            population=population.id,
            parameter=parameter,
        )

    def records(
        self,
        name: str,
        *columns: str,
        parameter: str | None = None,
        where: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """Return records of the population's subjects, with their `arm`, by subject.

        `where` chooses records before anything is joined to them.
        """
        needed = ("USUBJID", *(("PARAMCD",) if parameter else ()), *columns)
        frame = required(self.adam, name, *needed)
        if parameter:
            frame = frame.filter(PARAMCD=parameter)
            if frame.is_empty():
                raise NotAvailable(f"{name} has no records with PARAMCD {parameter!r}")
        own = (frame if where is None else frame.filter(where)).drop("arm", strict=False)
        arms = self.subjects.select("USUBJID", "arm")
        found = own.join(arms, on="USUBJID", how="inner", maintain_order="left")
        if found["USUBJID"].is_sorted():  # a large study has no room for one more copy
            return found
        return found.sort("USUBJID", maintain_order=True)

    def one_each(self, name: str, *columns: str, parameter: str) -> pl.DataFrame:
        """Return one record a subject; raise NotAvailable if a subject has several."""
        frame = self.records(name, *columns, parameter=parameter)
        repeated = frame.filter(pl.col("USUBJID").is_duplicated())["USUBJID"].unique().sort()
        if len(repeated):
            shown = ", ".join(repeated.head(3))
            raise NotAvailable(
                f"{len(repeated)} subjects have several {name} records with "
                f"PARAMCD {parameter!r} ({shown})"
            )
        return frame

    def sizes(self, origin: Origin, subjects: pl.DataFrame | None = None) -> Iterator[Row]:
        """Return "n" by arm and in all; `subjects` are the rows to count, if not everyone."""
        counted = self.subjects if subjects is None else subjects
        for arm in self.arms:
            yield origin.row("n", counted.filter(arm=arm).height, arm=arm)
        yield origin.row("n", counted.height, arm=ALL)

    def without_arm(self) -> Iterator[Row]:
        """Say which subjects of the population are in no number, if there are any."""
        if self.strays.is_empty():
            return
        name = ARM_OF[self.protocol.population(self.analysis.population).analysed_as]
        told = f"{self.strays.height} of {self.strays.height + self.subjects.height} subjects"
        text = f"{told} have no arm of the protocol in {name} and are in no number"
        shown = ", ".join(self.strays["USUBJID"].head(3))
        yield self.origin().row("not_available", text=f"{text} ({shown})")


def groups(frame: pl.DataFrame, arms: tuple[str, ...]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each arm's rows, then all rows."""
    for arm in arms:
        yield arm, frame.filter(arm=arm)
    yield ALL, frame


def scope(adam: Mapping[str, pl.DataFrame], *, protocol: Protocol, analysis: Analysis) -> Scope:
    """Return what an analysis sees.

    Raises NotAvailable if there is no ADSL, or it lacks the population's flag, its arms or
    subjects.
    """
    population = protocol.population(analysis.population)
    arm = ARM_OF[population.analysed_as]
    adsl = required(adam, "ADSL", "USUBJID", population.flag, arm)
    members = adsl.filter(pl.col(population.flag) == "Y").sort("USUBJID")
    if members.is_empty():
        raise NotAvailable(f"no subject is in the {population.label} ({population.flag} = 'Y')")
    known = pl.col(arm).is_in([each.id for each in protocol.arms]).fill_null(False)
    members = members.with_columns(arm=pl.col(arm))
    return Scope(
        adam=adam,
        protocol=protocol,
        analysis=analysis,
        subjects=members.filter(known),
        strays=members.filter(~known),
    )


def required(adam: Mapping[str, pl.DataFrame], name: str, *columns: str) -> pl.DataFrame:
    """Return a dataset; raise NotAvailable if it or one of the columns is absent."""
    if name not in adam:
        raise NotAvailable(f"the study has no {name}")
    absent = [column for column in columns if column not in adam[name].columns]
    if absent:
        raise NotAvailable(f"{name} has no {', '.join(absent)}")
    return adam[name]
