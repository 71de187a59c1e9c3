# SPDX-License-Identifier: Apache-2.0
"""A progress bar on the error stream, so that standard output holds results alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

Stages = Callable[[str], None]


@contextmanager
def stages(total: int, *, quiet: bool) -> Iterator[Stages]:
    """Show a bar of `total` stages; the function given is called as each begins."""
    if quiet:
        yield lambda stage: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def told(stage: str) -> None:
            bar.update(task, description=stage, advance=1)

        yield told


@contextmanager
def counts(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each stage in turn; the function given is told stage, done and of how many."""
    if quiet:
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for before in tasks.values():
                    bar.update(before, visible=False)
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield told
