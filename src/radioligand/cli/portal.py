# SPDX-License-Identifier: Apache-2.0
"""The command that runs the portal of a trial."""

from pathlib import Path

import click

from radioligand.cli.allocation import AGAINST, BLOCKS, ENTRIES, SITES, numbers
from radioligand.cli.ledger import ANCHOR, SECRET, beside, told


@click.command()
@click.argument("protocol")
@click.option("--database", metavar="URL", help="A database; a file beside you otherwise.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 32),
    help="Processes that answer; one that dies is started again.",
)
@click.option("--address", metavar="URL", help="How browsers reach it, behind a server with https.")
@click.option(
    "--list",
    "list_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The randomisation list of a new trial, its salts beside it; one is made otherwise.",
)
@BLOCKS
@ENTRIES
@SITES
@AGAINST
@click.option(
    "--study",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of SDTM that a new portal starts from, with the list that the study uses.",
)
@click.option("--demo", is_flag=True, help="Start with virtual patients and accounts to try.")
@SECRET
@ANCHOR
@click.option(
    "--new-anchor", metavar="REASON", help="Begin another anchor: the ledger's own is lost."
)
def serve(
    protocol: str,
    database: str | None,
    port: int,
    host: str,
    workers: int,
    address: str | None,
    list_file: Path | None,
    blocks: str | None,
    entries: int | None,
    sites: tuple[str, ...],
    against: Path | None,
    study: Path | None,
    demo: bool,
    secret: Path | None,
    anchor: Path | None,
    new_anchor: str | None,
) -> None:
    """Run the portal of a trial: screening, randomisation, doses, office, audit.

    Without a database it makes one in the working folder, with its secret and its anchor beside
    it, and prints a password for the first sign-in once. A list that was not made by `list make`
    is sealed in a folder with its salts, to be taken away. Virtual patients are marked as such on
    every page.

    Example:  radioligand serve netter-2 --demo
    """
    if demo and workers > 1:
        raise click.UsageError("a demonstration has a clock of its own: it runs in one process.")
    with told():
        from radioligand.cli import serving
        from radioligand.io.documents import read_protocol
        from radioligand.service.starting import Place

        found = read_protocol(protocol)
        trial = f"{found.trial.id}{'-demo' if demo else ''}"
        url = database or f"{trial}.db"
        place = Place(
            url=url,
            secret=beside(url, secret, ".secret", trial=trial),
            anchor=beside(url, anchor, ".anchor", trial=trial),
        )
        started = serving.started(
            found,
            place,
            origins=serving.origins_of(host, port, address),
            list_file=list_file,
            checked=serving.Checked(
                blocks=numbers(blocks), entries=entries, sites=sites, against=against
            ),
            study=study,
            is_demonstration=demo,
            new_anchor=new_anchor,
        )
        serving.serve(started, found, place, host=host, port=port, workers=workers)
