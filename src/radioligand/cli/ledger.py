# SPDX-License-Identifier: Apache-2.0
"""Commands around a ledger: open it with its list, audit, back up, restore, reconcile."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radioligand.cli.allocation import AGAINST, BLOCKS, ENTRIES, SITES, numbers

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from radioligand.service.reconciling import Certificate
    from radioligand.service.verification import Verification

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)
SECRET = click.option(
    "--secret",
    type=NEW,
    help="File of the ledger's secret; beside a SQLite database, or TRIAL.secret, otherwise.",
)
ANCHOR = click.option(
    "--anchor",
    type=NEW,
    help="File of signed heads; beside a SQLite database, or TRIAL.anchor, otherwise.",
)


@contextmanager
def told() -> Iterator[None]:
    """Turn what a user can mend into one message; the service's packages are an extra."""
    try:
        from sqlalchemy.exc import OperationalError

        from radioligand.service.database import DatabaseError
        from radioligand.service.keys import KeysError
        from radioligand.service.refusals import BusyError, RefusalError
    except ModuleNotFoundError as error:
        mend = "pip install 'radioligand[service]'"
        raise click.ClickException(f"{error.name} is missing; {mend} brings it.") from None
    try:
        yield
    except OperationalError as error:
        raise click.ClickException(f"the database does not open: {error.orig}") from None
    except (DatabaseError, KeysError, RefusalError, BusyError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def opened(database: str) -> "Iterator[Engine]":
    """Open a database for one command, and let go of it."""
    from radioligand.service.database import connect

    engine = connect(database)
    try:
        yield engine
    finally:
        engine.dispose()


def beside(database: str, given: Path | None, suffix: str, *, trial: str) -> Path:
    """Return the file that was given, or the one beside a SQLite database.

    For a database on a server it is named for the trial and lies in the working folder.
    """
    if given is not None:
        return given
    if "://" in database and not database.startswith("sqlite:///"):
        return Path(f"{trial}{suffix}")
    return Path(database.removeprefix("sqlite:///")).with_suffix(suffix)


@click.group("ledger")
def ledger_group() -> None:
    """Open, upgrade, back up, restore or reconcile the ledger of a running trial.

    DATABASE is a SQLite file or a PostgreSQL URL. Its secret and its anchor lie outside it.

    Example:  radioligand ledger backup netter-2.db netter-2-monday.backup
    """


@ledger_group.command("open")
@click.argument("protocol")
@click.argument("database")
@click.option(
    "--list",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that `radioligand list make` wrote.",
)
@click.option("--actor", required=True, help="Who made the list; another person releases it.")
@BLOCKS
@ENTRIES
@SITES
@AGAINST
@SECRET
@click.option(
    "--role", help="PostgreSQL role of the service: it will append and read, and no more."
)
def open_command(
    protocol: str,
    database: str,
    folder: Path,
    actor: str,
    blocks: str | None,
    entries: int | None,
    sites: tuple[str, ...],
    against: Path | None,
    secret: Path | None,
    role: str | None,
) -> None:
    """Create the ledger of a trial with its sealed list, which is checked first.

    The secret that seals the list and signs the heads is made with it.

    Example:  radioligand ledger open netter-2 netter-2.db --list list --actor lister
    """
    from radioligand.allocation import check_list
    from radioligand.io.documents import read_protocol
    from radioligand.io.lists import LIST, SALTS, read_list, read_salts

    found, listed = read_protocol(protocol), read_list(folder / LIST)
    salts = read_salts(folder / SALTS, listed)
    check_list(
        listed,
        found,
        blocks=numbers(blocks),
        entries_per_stratum=entries,
        sites=sites,
        against=read_list(against) if against else None,
    )
    with told(), opened(database) as engine:
        from radioligand.service.database import DatabaseError, has_ledger
        from radioligand.service.guards import restrict
        from radioligand.service.keys import write_secret
        from radioligand.service.opening import open_ledger

        if has_ledger(engine):
            raise DatabaseError(f"{database} holds a ledger already; a list is never replaced.")
        place = beside(database, secret, ".secret", trial=found.trial.id)
        keys = write_secret(place)
        open_ledger(engine, found, listed, salts=salts, keys=keys, actor=actor)
        if role:
            with engine.begin() as connection:
                restrict(connection, role)
    click.echo(f"{database}: the ledger of {found.trial.name} with {listed.height} entries.")
    click.echo(f"  Secret: {place}. Without it no entry opens; keep a copy away from backups.")
    click.echo(f"  Key of the auditor: {keys.public}")


@ledger_group.command("upgrade")
@click.argument("database")
@click.option("--role", help="PostgreSQL role of the service: its rights are given anew.")
def upgrade_command(database: str, role: str | None) -> None:
    """Bring the tables of an older radioligand to this one's; no record of the audit changes.

    Stop the service and copy the database first. All of it happens, or nothing.

    Example:  radioligand ledger upgrade netter-2.db
    """
    with told(), opened(database) as engine:
        from radioligand.service.guards import restrict
        from radioligand.service.schema import VERSION, upgrade

        found = upgrade(engine)
        if role:
            with engine.begin() as connection:
                restrict(connection, role)
    click.echo(f"{database}: schema version {found}, now {VERSION}.")


@ledger_group.command("backup")
@click.argument("database")
@click.argument("file", type=NEW)
def backup(database: str, file: Path) -> None:
    """Write the whole ledger to one new file; sites may go on working.

    Example:  radioligand ledger backup netter-2.db netter-2-monday.backup
    """
    with told(), opened(database) as engine:
        from radioligand.service.backup import write_backup

        head = write_backup(engine, file)
    click.echo(f"{file}: {head.number} events, {head.allocations} allocations.")


@ledger_group.command("restore")
@click.argument("file", type=FILE)
@click.argument("database")
def restore(file: Path, database: str) -> None:
    """Fill an empty database, SQLite or PostgreSQL, from a backup.

    Example:  radioligand ledger restore netter-2-monday.backup netter-2-new.db
    """
    with told(), opened(database) as engine:
        from radioligand.service.backup import restore_backup

        head = restore_backup(engine, file)
    click.echo(f"{database}: {head.number} events, {head.allocations} allocations.")
    click.echo("  What came after the backup is not in it: give the ledger its anchor file.")


@ledger_group.command("amend")
@click.argument("database")
@click.argument("protocol")
@click.option("--actor", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Which amendment, and why.")
@SECRET
@ANCHOR
def amend(
    database: str,
    protocol: str,
    actor: str,
    reason: str,
    secret: Path | None,
    anchor: Path | None,
) -> None:
    """Run a ledger by an amended protocol from here on; what was decided before stays.

    Arms, strata and method of the list cannot be amended. Start the portal again afterwards.

    Example:  radioligand ledger amend my.db my.toml --actor me --reason "amendment 1: age 12"
    """
    from radioligand.io.documents import read_protocol

    found = read_protocol(protocol)
    with told(), opened(database) as engine:
        from radioligand.service.keys import read_secret
        from radioligand.service.ledger import Ledger

        ledger = Ledger(
            engine,
            found,
            keys=read_secret(beside(database, secret, ".secret", trial=found.trial.id)),
            anchor=beside(database, anchor, ".anchor", trial=found.trial.id),
            is_amending=True,
        )
        ledger.check_anchor()
        event = ledger.amend(actor=actor, reason=reason)
    click.echo(
        f"{database}: version {event.payload['version']} of {found.trial.name} from here on."
    )
    click.echo(f"  Hash of the document: {event.payload['protocol']}")


@ledger_group.command("reconcile")
@click.argument("protocol")
@click.argument("database")
@click.argument("certificates", type=FILE)
@click.option("--actor", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="What happened.")
@SECRET
@ANCHOR
def reconcile(
    protocol: str,
    database: str,
    certificates: Path,
    actor: str,
    reason: str,
    secret: Path | None,
    anchor: Path | None,
) -> None:
    """Enter the allocations that a restore lost again, from the certificates of the sites.

    CERTIFICATES is a JSON list: subject, site, arm, strata, actor, signature, reference.

    Example:  radioligand ledger reconcile netter-2 netter-2.db lost.json --actor me --reason fire
    """
    from radioligand.io.documents import read_protocol

    found = read_protocol(protocol)
    with told(), opened(database) as engine:
        from radioligand.service.keys import read_secret
        from radioligand.service.ledger import Ledger

        ledger = Ledger(
            engine,
            found,
            keys=read_secret(beside(database, secret, ".secret", trial=found.trial.id)),
            anchor=beside(database, anchor, ".anchor", trial=found.trial.id),
        )
        event = ledger.reconcile(_certificates(certificates), actor=actor, reason=reason)
    click.echo(f"{database}: {event.payload['certificates']} allocations entered again.")


@ledger_group.command("fallback")
@click.argument("protocol")
@click.argument("database")
@click.argument("certificates", type=FILE)
@click.option("--actor", required=True, help="Who enters them.")
@click.option("--reason", required=True, help="Why the envelopes were opened.")
@SECRET
@ANCHOR
def fallback(
    protocol: str,
    database: str,
    certificates: Path,
    actor: str,
    reason: str,
    secret: Path | None,
    anchor: Path | None,
) -> None:
    """Enter allocations from sealed envelopes, opened while the portal was away.

    CERTIFICATES is a JSON list: subject, site, arm, strata, actor, signature, envelope,
    opened_at. Each patient has consent, form and signed eligibility in the ledger first. Sent
    twice, an envelope is entered once.

    Example:  radioligand ledger fallback netter-2 netter-2.db opened.json --actor me --reason fire
    """
    from radioligand.io.documents import read_protocol

    found = read_protocol(protocol)
    with told(), opened(database) as engine:
        from radioligand.service.keys import read_secret
        from radioligand.service.ledger import Ledger

        ledger = Ledger(
            engine,
            found,
            keys=read_secret(beside(database, secret, ".secret", trial=found.trial.id)),
            anchor=beside(database, anchor, ".anchor", trial=found.trial.id),
        )
        ledger.check_anchor()
        for one in _certificates(certificates):
            key = f"envelope of {one.subject}"
            ledger.enter_envelope(one, actor=actor, reason=reason, key=key)
            click.echo(f"{one.subject}: envelope {one.envelope} entered.")


def _certificates(path: Path) -> "list[Certificate]":
    from radioligand.service.events import Signature
    from radioligand.service.reconciling import Certificate

    try:
        rows = json.loads(path.read_text("utf-8"))
        return [Certificate(**row | {"signature": Signature(**row["signature"])}) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise click.ClickException(f"{path} holds no certificates: {error}.") from None


@click.command("audit")
@click.argument("database")
@click.option("--anchor", type=FILE, help="File of signed heads, kept outside the database.")
@click.option("--key", metavar="HEX", help="Key of the auditor, as given when the ledger opened.")
@click.option(
    "--list",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The list with its salts, once it may be seen.",
)
@click.option("--protocol", help="Needed to compute minimised allocations again from the list.")
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def audit(
    database: str,
    anchor: Path | None,
    key: str | None,
    folder: Path | None,
    protocol: str | None,
    as_json: bool,
) -> None:
    """Verify a ledger: chain, anchored heads, commitments, and the order of every event.

    Nothing is written. Exit status 1 if something was changed, added, taken out or cut off.

    Example:  radioligand audit netter-2.db --anchor netter-2.anchor
    """
    from radioligand.io.documents import read_protocol
    from radioligand.io.lists import LIST, SALTS, read_list, read_salts

    if "://" not in database and not Path(database).exists():
        raise click.ClickException(f"there is no database {database}.")
    with told(), opened(database) as engine:
        from radioligand.service.database import DatabaseError, has_ledger
        from radioligand.service.verification import verify_ledger

        if not has_ledger(engine):
            raise DatabaseError(f"{database} holds no ledger.")
        listed = read_list(folder / LIST) if folder else None
        found = verify_ledger(
            engine,
            anchor=anchor,
            public=key,
            entries=listed,
            salts=read_salts(folder / SALTS, listed) if folder and listed is not None else None,
            protocol=read_protocol(protocol) if protocol else None,
        )
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        _tell(found)
    if not found.is_sound:
        raise SystemExit(1)


def _as_json(found: "Verification") -> dict[str, Any]:
    checks = [
        {"says": one.says, "checked": one.checked, "faults": list(one.faults)}
        for one in found.checks
    ]
    head = {"number": found.number, "hash": found.hash, "allocations": found.allocations}
    told = {"trial": found.trial, "sound": found.is_sound, "head": head}
    return told | {"checks": checks, "notes": list(found.notes)}


def _tell(found: "Verification") -> None:
    click.echo(f"{found.trial}: {found.number} events, {found.allocations} allocations")
    click.echo(f"  head {found.hash}")
    for one in found.checks:
        click.echo(f"{'✗' if one.faults else '✓'} {one.says}: {one.checked} checked")
        for fault in one.faults[:3]:
            click.echo(f"    {fault}")
        if len(one.faults) > 3:
            click.echo(f"    and {len(one.faults) - 3} more")
    for note in found.notes:
        click.echo(f"  Note: {note}")
