# SPDX-License-Identifier: Apache-2.0
"""A progress bar on the error stream, so that standard output holds results alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
