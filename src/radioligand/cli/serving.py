# SPDX-License-Identifier: Apache-2.0
"""The portal from the command line: where it listens, what it starts from, who is told what."""

from datetime import date
from pathlib import Path

import click
import polars as pl
import uvicorn

from radioligand.allocation import check_list
from radioligand.cdisc import Study, refuse
from radioligand.io.datasets import inspect_study
from radioligand.io.documents import DocumentError
from radioligand.io.lists import read_list
from radioligand.protocol import Protocol
from radioligand.service.snapshot import Step, steps
from radioligand.service.starting import Place, Started, clock_from, list_of, start

DEMONSTRATION_DAY = date(2020, 10, 1)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
    study: Path | None = None,
    is_demonstration: bool = False,
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
            clock=clock_from(DEMONSTRATION_DAY),
        )
    return start(
        protocol,
        place,
        origins=origins,
        entries=check_list(read_list(list_file), protocol) if list_file else None,
        replayed=lambda: _study(study, protocol),
    )


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


def serve(found: Started, *, host: str, port: int) -> None:
    """Tell what is told once, and answer requests until interrupted."""
    for line in found.said:
        click.echo(line)
    click.echo(f"Portal: http://{host}:{port}   (Ctrl+C ends it)")
    uvicorn.run(
        found.app, host=host, port=port, log_level="warning", server_header=False, date_header=True
    )
