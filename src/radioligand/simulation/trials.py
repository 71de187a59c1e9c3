# SPDX-License-Identifier: Apache-2.0
"""Many virtual trials of a design, on the cores of this machine: the front door of `simulate`.

Trials are numbered from 0, and each is drawn from seed and number alone. They are run and summed up
in parts of equal size, added in their order: neither threads nor machines change a digit.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import simulate_trials
from radioligand.simulation.tallies import Characteristics, Tally, added, characteristics, tally
from radioligand.simulation.trial_design import TrialDesign

PART = 20_000  # trials that one task runs: 0.2 to 1 s
MOST_TRIALS = 10**12
MOST_SEED = 2**64

Part = tuple[int, int]  # first trial, and the one after the last
Run = Callable[[Iterable[Part]], Iterator[Tally]]  # what sums up parts, in their order


def parts_of(trials: int) -> list[Part]:
    """Return the parts that make so many trials."""
    return [(first, min(first + PART, trials)) for first in range(0, trials, PART)]


def run_part(design: TrialDesign, seed: int, part: Part) -> Tally:
    """Run one part of the trials and sum it up."""
    first, last = part
    return tally(simulate_trials(design.model, seed=seed, first=first, last=last), design=design)


def simulate(
    design: TrialDesign,
    *,
    trials: int,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Characteristics:
    """Return the operating characteristics of a design from so many virtual trials.

    threads : how many work at a time; all cores if None.
    progress : is told how many further trials are done.

    Raises SimulationError for a number of trials, or a seed, that is none.
    """
    check_request(trials, seed)

    def one(part: Part) -> Tally:
        return run_part(design, seed, part)

    return characteristics(added(_told(in_threads(one, parts_of(trials), threads), progress)))


def in_threads(
    run: Callable[[Part], Tally], parts: Iterable[Part], threads: int | None = None
) -> Iterator[Tally]:
    """Run parts on several cores, and give their tallies in the order of the parts.

    Only a few parts are ahead of the one that is waited for, so memory does not grow.
    """
    many = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(many) as pool:
        ahead = []
        for part in parts:
            ahead.append(pool.submit(run, part))
            if len(ahead) > 2 * many:
                yield ahead.pop(0).result()
        for one in ahead:
            yield one.result()


def check_request(trials: int, seed: int) -> None:
    """Refuse what is no number of trials or no seed."""
    faults = []
    if not 1 <= trials <= MOST_TRIALS:
        faults.append(f"trials: {trials}; give a number from 1 to {MOST_TRIALS:,}.")
    if not 0 <= seed < MOST_SEED:
        faults.append(f"seed: {seed}; give a number from 0 to below 2^64.")
    if faults:
        raise SimulationError("\n".join(faults))


def _told(tallies: Iterator[Tally], progress: Callable[[int], None] | None) -> Iterator[Tally]:
    for one in tallies:
        if progress:
            progress(int(one["trials"][0]))
        yield one
