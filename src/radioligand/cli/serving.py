# SPDX-License-Identifier: Apache-2.0
"""The portal from the command line: where it listens, what it starts from, who is told what."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import click
import polars as pl
import uvicorn
from starlette.applications import Starlette

from radioligand.allocation import check_list
from radioligand.cdisc import Study, refuse
from radioligand.io.datasets import inspect_study
from radioligand.io.documents import DocumentError
from radioligand.io.lists import SALTS, read_list, read_salts
from radioligand.protocol import Protocol
from radioligand.service.snapshot import Step, steps
from radioligand.service.starting import Place, Started, clock_from, list_of, start
from radioligand.service.workers import listen, run_workers

DEMONSTRATION_DAY = date(2020, 10, 1)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the list of a new trial is held against, where it is not what the protocol says.

    `blocks`: the sizes of its blocks; `entries`: in a stratum; `sites`: where lists are by site;
    `against`: the list that was used for tests, which it must not be.
    """

    blocks: tuple[int, ...] | None = None
    entries: int | None = None
    sites: tuple[str, ...] = ()
    against: Path | None = None


AS_PLANNED = Checked()


def origins_of(host: str, port: int, address: str | None) -> frozenset[str]:
    """Return the addresses by which browsers reach the portal.

    Raises DocumentError if it would be open to a network without encryption.
    """
    if address:
        if not address.startswith("https://") and not any(one in address for one in LOOPBACK):
            raise DocumentError(f"{address}: browsers reach a portal by https:// alone.")
        return frozenset({address.rstrip("/")})
    if host not in LOOPBACK:
        raise DocumentError(
            f"{host} is open to a network: put a server that speaks https before the portal and "
            "give its address, such as --address https://portal.example.org."
        )
    return frozenset(f"http://{one}:{port}" for one in ("127.0.0.1", "localhost"))


def started(
    protocol: Protocol,
    place: Place,
    *,
    origins: frozenset[str],
    list_file: Path | None = None,
    checked: Checked = AS_PLANNED,
    study: Path | None = None,
    is_demonstration: bool = False,
    new_anchor: str | None = None,
) -> Started:
    """Open the portal of a protocol, with what a new one is made from."""
    if is_demonstration:
        return start(
            protocol,
            place,
            origins=origins,
            replayed=lambda: _virtual(protocol),
            list_from=lambda replayed: list_of(replayed, protocol=protocol),
            is_demonstration=True,
            new_anchor=new_anchor,
            clock=clock_from(DEMONSTRATION_DAY),
        )
    entries = _listed(list_file, protocol, checked) if list_file else None
    return start(
        protocol,
        place,
        origins=origins,
        entries=entries,
        salts=_salts_beside(list_file, entries),
        replayed=lambda: _study(study, protocol),
        new_anchor=new_anchor,
    )


def _listed(path: Path, protocol: Protocol, checked: Checked) -> pl.DataFrame:
    return check_list(
        read_list(path),
        protocol,
        blocks=checked.blocks,
        entries_per_stratum=checked.entries,
        sites=checked.sites,
        against=read_list(checked.against) if checked.against else None,
    )


def _salts_beside(list_file: Path | None, entries: pl.DataFrame | None) -> pl.Series | None:
    """Return the salts that `radioligand list make` wrote beside the list, if it made it."""
    if list_file is None or entries is None or not (list_file.parent / SALTS).exists():
        return None
    return read_salts(list_file.parent / SALTS, entries)


def _study(folder: Path | None, protocol: Protocol) -> list[Step]:
    if folder is None:
        return []
    found: Study = inspect_study(folder)
    refuse(found.findings)
    return steps(found.frames, protocol=protocol)


def _virtual(protocol: Protocol) -> list[Step]:
    """Return the first months of a virtual study."""
    click.echo("Recording the first months of a virtual study, event by event ...", err=True)
    from radioligand.simulation.patients import read_population, simulate_study

    population = read_population(protocol.trial.id)
    frames: dict[str, pl.DataFrame] = simulate_study(
        protocol=protocol, population=population, seed=1
    )
    return steps(frames, protocol=protocol, until=DEMONSTRATION_DAY)


def serve(
    found: Started, protocol: Protocol, place: Place, *, host: str, port: int, workers: int
) -> None:
    """Tell what is told once, and answer requests until interrupted.

    A demonstration answers in this process: its clock is its own. Raises DocumentError if somebody
    else listens at the address.
    """
    portal = found.portal
    if portal.is_demonstration:
        _tell(found, host, port)
        uvicorn.run(found.app, host=host, port=port, log_level="warning", server_header=False)
        return
    portal.engine.dispose()  # each worker opens its own
    make = partial(_opened_again, protocol, place, portal.origins)
    try:
        channel = listen(host, port)
    except OSError as error:
        raise DocumentError(f"{host}:{port} cannot be listened at: {error.strerror}.") from None
    with channel:
        _tell(found, host, port)
        run_workers(make, channel, workers=workers, imports=__name__)


def _tell(found: Started, host: str, port: int) -> None:
    for line in found.said:
        click.echo(line)
    click.echo(f"Portal: http://{host}:{port}   (Ctrl+C ends it)")


def _opened_again(protocol: Protocol, place: Place, origins: frozenset[str]) -> Starlette:
    """Return the application of one worker, on what the parent has opened."""
    return start(protocol, place, origins=origins).app
