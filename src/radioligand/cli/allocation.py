# SPDX-License-Identifier: Apache-2.0
"""Commands of whoever makes the randomisation list: a person apart from those who run the trial."""

from pathlib import Path

import click


def numbers(text: str | None) -> tuple[int, ...] | None:
    """Read whole numbers with commas between, '3,6,9'."""
    if text is None:
        return None
    try:
        return tuple(int(one) for one in text.split(","))
    except ValueError:
        raise click.UsageError(f"{text!r} is no list of whole numbers such as 3,6,9.") from None


BLOCKS = click.option(
    "--blocks", metavar="SIZES", help="Sizes of blocks, such as 3,6,9; the protocol's otherwise."
)
ENTRIES = click.option(
    "--entries", type=click.IntRange(1), help="Entries of a stratum; the protocol's otherwise."
)
SITES = click.option(
    "--site", "sites", multiple=True, help="A site, once for each, where lists are by site."
)
AGAINST = click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The list that was used for tests; the list has to be another.",
)


@click.group("list")
def list_group() -> None:
    """Make or check a randomisation list, print its sealed envelopes.

    Whoever makes the list, and keeps its seed and salts, is not who releases it.

    Example:  radioligand list make netter-2 --out list
    """


@list_group.command("make")
@click.argument("protocol")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder for list.csv, salts.csv and seed.txt.",
)
@BLOCKS
@ENTRIES
@SITES
@click.option(
    "--fallback",
    type=click.IntRange(1),
    help="Entries of a stratum in sealed envelopes, for when the portal is away.",
)
@click.option(
    "--seed-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of a seed of 32 letters or more; one is drawn by the machine otherwise.",
)
def make(
    protocol: str,
    out: Path,
    blocks: str | None,
    entries: int | None,
    sites: tuple[str, ...],
    fallback: int | None,
    seed_file: Path | None,
) -> None:
    """Make the list of a protocol from a seed, the same to the byte for the same seed.

    The list, its salts and its seed tell every arm to come: hand the list to the ledger, keep
    salts and seed sealed for the audit.

    Example:  radioligand list make netter-2 --out list --blocks 3,6,9
    """
    import secrets

    from radioligand.allocation import (
        check_list,
        commitments,
        list_hash,
        make_draws,
        make_list,
        make_salts,
        plan_of,
        with_fallback,
    )
    from radioligand.io.documents import read_protocol
    from radioligand.io.lists import LIST, SALTS, salted, write_list

    found = read_protocol(protocol)
    seed = seed_file.read_text("utf-8").strip() if seed_file else secrets.token_hex(32)
    sizes = numbers(blocks)
    plan = plan_of(found)
    if plan.method == "minimisation":
        listed = make_draws(found, seed=seed, entries=entries or plan.entries_per_stratum)
    else:
        listed = make_list(found, seed=seed, blocks=sizes, entries_per_stratum=entries, sites=sites)
        check_list(listed, found, blocks=sizes, entries_per_stratum=entries, sites=sites)
    if fallback:
        listed = with_fallback(
            listed, found, seed=seed, entries_per_stratum=fallback, blocks=sizes, sites=sites
        )
    salts = make_salts(listed, seed=seed)
    write_list(out, {LIST: listed, SALTS: salted(listed, salts)}, seed=seed)
    digest = list_hash(listed, commitments(listed, salts))
    click.echo(f"{out}: {listed.height} entries in {listed['STRATUM'].n_unique()} strata.")
    click.echo(f"  Hash of its commitments: {digest}")


@list_group.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("protocol")
@BLOCKS
@ENTRIES
@SITES
@AGAINST
def check(
    file: Path,
    protocol: str,
    blocks: str | None,
    entries: int | None,
    sites: tuple[str, ...],
    against: Path | None,
) -> None:
    """Check a list, made here or elsewhere, before it is used; every fault in one run.

    Strata, order, ratio and size of each block, number of entries, runs, correlation, and that
    it is not the test list. FILE is CSV or Parquet.

    Example:  radioligand list check list/list.csv netter-2 --against test.csv
    """
    from radioligand.allocation import check_list
    from radioligand.io.documents import read_protocol
    from radioligand.io.lists import read_list

    listed = check_list(
        read_list(file),
        read_protocol(protocol),
        blocks=numbers(blocks),
        entries_per_stratum=entries,
        against=read_list(against) if against else None,
        sites=sites,
    )
    many = listed["STRATUM"].n_unique()
    click.echo(f"{file}: no faults. {listed.height} entries in {many} strata.")


@list_group.command("envelopes")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("protocol")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="New HTML file, to be printed."
)
@SITES
def envelopes_command(file: Path, protocol: str, out: Path, sites: tuple[str, ...]) -> None:
    """Print the fallback entries of a list, to be sealed: two sides of paper each.

    FILE is a list made with `--fallback`. Allocations from envelopes are entered with `radioligand
    ledger fallback` when the portal is back.

    Example:  radioligand list envelopes list/list.csv netter-2 --out envelopes.html
    """
    from radioligand.allocation import envelopes
    from radioligand.io.documents import read_protocol
    from radioligand.io.lists import read_list
    from radioligand.io.outputs import OutputError

    page = envelopes(read_list(file), read_protocol(protocol), sites=sites)
    try:
        with out.open("x", encoding="utf-8") as sealed:
            out.chmod(0o600)
            sealed.write(page)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}.") from None
    click.echo(f"{out}: print it, seal each arm, and destroy the file.")
