# SPDX-License-Identifier: Apache-2.0
"""Many virtual trials of a design, here or on a cluster: the front door of `simulate`.

Trials are numbered from 0, and each is drawn from seed and number alone. They are run and summed up
in parts of equal size, added in their order: neither threads nor machines nor an interruption
change a digit.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from radioligand.io.parts import read_part, write_part
from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_kernels import simulate_adaptive
from radioligand.simulation.adaptive_model import VERSION as ADAPTIVE_VERSION
from radioligand.simulation.adaptive_model import AdaptiveModel
from radioligand.simulation.adaptive_tallies import (
    AdaptiveCharacteristics,
    adaptive_characteristics,
    adaptive_tally,
)
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_kernels import VERSION as COHORT_VERSION
from radioligand.simulation.cohort_kernels import simulate_cohorts
from radioligand.simulation.cohort_tallies import (
    CohortCharacteristics,
    cohort_characteristics,
    cohort_tally,
)
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import VERSION, simulate_trials
from radioligand.simulation.model import Model
from radioligand.simulation.tallies import Characteristics, Tally, added, characteristics, tally
from radioligand.simulation.trial_design import TrialDesign

PART = 20_000  # trials that are summed up together: 0.2 to 1 s
MOST_TOGETHER, TASKS_EACH = 8, 8  # parts in a task of a cluster, tasks of each worker at least
ANSWER_SECONDS = 10  # within which a scheduler answers
MOST_TRIALS = 10**12
MOST_SEED = 2**64

Part = tuple[int, int]  # first trial, and the one after the last


class Task(Protocol):
    """Work under way, of a thread pool or a cluster."""

    def result(self) -> Any:
        """Wait for it."""
        ...


Submit = Callable[[Sequence[Part]], Task]


AnyDesign = TrialDesign | AdaptiveDesign | CohortDesign
AnyCharacteristics = Characteristics | AdaptiveCharacteristics | CohortCharacteristics


@overload
def simulate(
    design: TrialDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = ...,
    scheduler: str | None = ...,
    folder: Path | None = ...,
    progress: Callable[[int], None] | None = ...,
) -> Characteristics: ...
@overload
def simulate(
    design: AdaptiveDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = ...,
    scheduler: str | None = ...,
    folder: Path | None = ...,
    progress: Callable[[int], None] | None = ...,
) -> AdaptiveCharacteristics: ...
@overload
def simulate(
    design: CohortDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = ...,
    scheduler: str | None = ...,
    folder: Path | None = ...,
    progress: Callable[[int], None] | None = ...,
) -> CohortCharacteristics: ...
@overload
def simulate(
    design: AnyDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = ...,
    scheduler: str | None = ...,
    folder: Path | None = ...,
    progress: Callable[[int], None] | None = ...,
) -> AnyCharacteristics: ...
def simulate(
    design: AnyDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = None,
    scheduler: str | None = None,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> AnyCharacteristics:
    """Return the operating characteristics of a design from so many virtual trials.

    threads : how many work at a time on this machine; all cores if None.
    scheduler : address of a Dask scheduler whose workers run the trials instead.
    folder : where finished parts are kept; those that are there already are not run again.
    progress : is told how many further trials are done.

    Raises SimulationError for a number of trials or a seed that is none, or a scheduler that cannot
    be reached; OutputError if a part cannot be written.
    """
    check_request(trials, seed)
    parts = ((first, min(first + PART, trials)) for first in range(0, trials, PART))
    workers = (
        on_cluster(scheduler, design, seed) if scheduler else in_threads(threads, design, seed)
    )
    keep = Kept(folder, design, seed) if folder else None

    def told(tallies: Iterable[Tally]) -> Iterator[Tally]:
        for one in tallies:
            if progress:
                progress(int(one["trials"][0]))
            yield one

    with workers as (submit, many):
        few = -(-trials // PART) // (TASKS_EACH * many)
        together = min(max(few, 1), MOST_TOGETHER) if scheduler else 1
        found = in_order(parts, submit, ahead=2 * many, keep=keep, together=together)
        total = added(told(found))
    if isinstance(design, AdaptiveDesign):
        return adaptive_characteristics(total, design=design)
    if isinstance(design, CohortDesign):
        return cohort_characteristics(total, design=design)
    return characteristics(total)


def run_parts(design: AnyDesign, seed: int, parts: Sequence[Part]) -> list[Tally]:
    """Run some parts one after the other; a task of a cluster."""
    return [run_part(design, seed, part) for part in parts]


def run_part(design: AnyDesign, seed: int, part: Part) -> Tally:
    """Run one part of the trials and sum it up."""
    first, last = part
    if isinstance(design, AdaptiveDesign):
        whole, compared = simulate_adaptive(design.model, seed=seed, first=first, last=last)
        return adaptive_tally(whole, compared, design=design)
    if isinstance(design, CohortDesign):
        models = tuple(one.model for one in design.cohorts)
        left = simulate_cohorts(models, design.together.model, seed=seed, first=first, last=last)
        return cohort_tally(*left, design=design)
    return tally(simulate_trials(design.model, seed=seed, first=first, last=last), design=design)


class Kept:
    """Finished parts of a design and seed in a folder, named by all that they follow from."""

    def __init__(self, folder: Path, design: AnyDesign, seed: int) -> None:
        """Name the design by the numbers of its model, and not by the words about it."""
        self.folder = folder
        several = (design.scenario.primaries,) if design.scenario.primaries else ()
        version: tuple[object, ...] = (VERSION, seed)
        if isinstance(design, AdaptiveDesign):
            version += (ADAPTIVE_VERSION, *design.log_hazard_ratios)
        elif isinstance(design, CohortDesign):
            several_trials = (*design.cohorts, design.together)
            version += (COHORT_VERSION, *design.names)
            version += tuple(one.log_hazard_ratio for one in several_trials)
        else:
            version += (design.log_hazard_ratio,)
        known = hashlib.sha256(repr(version + several).encode())
        for name, value in numbers_of(design):
            array = np.asarray(value)
            known.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
        self.design = known.hexdigest()[:24]

    def key(self, part: Part) -> str:
        """Return the name of a part."""
        return f"{self.design}-{part[0]}-{part[1]}"

    def read(self, part: Part) -> Tally | None:
        """Return a part that was finished before."""
        return read_part(self.folder, self.key(part))

    def write(self, part: Part, found: Tally) -> None:
        """Keep a part."""
        write_part(self.folder, self.key(part), found)


def numbers_of(design: AnyDesign) -> Iterator[tuple[str, Any]]:
    """Yield each number of the models of a design by its name, also of a model within."""
    if isinstance(design, CohortDesign):
        for one in (*design.cohorts, design.together):
            yield from _numbers(one.model)
    else:
        yield from _numbers(design.model)


def _numbers(model: Model | AdaptiveModel) -> Iterator[tuple[str, Any]]:
    for name, value in model._asdict().items():
        if isinstance(value, Model):
            yield from _numbers(value)
        else:
            yield name, value


def in_order(
    parts: Iterable[Part],
    submit: Submit,
    *,
    ahead: int,
    keep: Kept | None = None,
    together: int = 1,
) -> Iterator[Tally]:
    """Give the tallies of parts in their order, with a few tasks under way ahead of it.

    So memory does not grow with the number of trials. A task runs so many parts `together`.
    """
    waiting: deque[tuple[list[Part], list[Tally | None], Task | None]] = deque()

    def first() -> Iterator[Tally]:
        some, known, task = waiting.popleft()
        fresh = iter(task.result() if task else ())
        for part, kept in zip(some, known, strict=True):
            found: Tally = next(fresh) if kept is None else kept
            if keep and kept is None:
                keep.write(part, found)
            yield found

    left = iter(parts)
    while some := list(islice(left, together)):
        known = [keep.read(part) if keep else None for part in some]
        missing = [part for part, kept in zip(some, known, strict=True) if kept is None]
        waiting.append((some, known, submit(missing) if missing else None))
        if len(waiting) > ahead:
            yield from first()
    while waiting:
        yield from first()


@contextmanager
def in_threads(threads: int | None, design: AnyDesign, seed: int) -> Iterator[tuple[Submit, int]]:
    """Run parts on the cores of this machine; the loops release Python's lock."""
    many = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(many) as pool:
        try:
            yield lambda parts: pool.submit(run_parts, design, seed, parts), many
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def on_cluster(address: str, design: AnyDesign, seed: int) -> Iterator[tuple[Submit, int]]:
    """Run parts on the workers of a Dask scheduler; a part of a lost worker is run by another.

    Raises SimulationError without the package, without an answer, and without workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SimulationError(
            "scheduler: Dask is not installed. Install radioligand[distributed]."
        ) from None
    try:
        client = Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SimulationError(f"scheduler: {address} does not answer ({error}).") from None
    with client:
        many = len(client.scheduler_info()["workers"])
        if not many:
            raise SimulationError(f"scheduler: {address} has no workers. Start some.")
        # as a task and not as data: the scheduler makes it again if its worker is lost
        sent = client.submit(itself, design, pure=False)
        yield lambda parts: client.submit(run_parts, sent, seed, parts, pure=False), many


def itself(design: AnyDesign) -> AnyDesign:
    """Return the design: the one step of which every part on a cluster is a continuation."""
    return design


def check_request(trials: int, seed: int) -> None:
    """Refuse what is no number of trials or no seed."""
    faults = []
    if not 1 <= trials <= MOST_TRIALS:
        faults.append(f"trials: {trials}; give a number from 1 to {MOST_TRIALS:,}.")
    if not 0 <= seed < MOST_SEED:
        faults.append(f"seed: {seed}; give a number from 0 to below 2^64.")
    if faults:
        raise SimulationError("\n".join(faults))
