# SPDX-License-Identifier: Apache-2.0
"""The portal under load and under attack: how fast, and whether anything is lost or given twice.

`radioligand serve` runs with 1, 2 and 4 workers on SQLite and on PostgreSQL. Fifty investigators
are signed in, each with a browser of its own, and randomise patients in four strata with their
password. Every third form is sent twice at once. A random worker is killed (SIGKILL) every second,
on PostgreSQL a random connection is cut (pg_terminate_backend) as well, and for a second the disk
that holds database and anchor is full. A browser without an answer sends the same form again.
Afterwards the ledger has to agree with the certificates. README.md tells how to run it.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pyotp
from portal_browsers import REFERENCE, Browser, NoAnswerError, Server
from postgresql_server import new_database, postgresql_server
from sqlalchemy import Engine, text

from radioligand.allocation import make_list, make_salts
from radioligand.io.documents import read_protocol
from radioligand.screening import typed
from radioligand.service import accounts
from radioligand.service.backup import restore_backup, write_backup
from radioligand.service.database import connect
from radioligand.service.events import Signature
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger, open_ledger
from radioligand.service.roles import Role
from radioligand.service.verification import verify_ledger

PROTOCOL = read_protocol("netter-2")
ARMS = {arm.label: arm.id for arm in PROTOCOL.arms}
SEED = "a seed for load, not for patients"
SECRET = b"thirty-two bytes, known to all!!"
KEYS = keys_of(SECRET)
PASSWORD = "a password for load, not for people"
SIGNED = Signature(name="Example investigator", meaning="load")
STRATA = (("15", "PANCREAS"), ("15", "RECTUM"), ("30", "PANCREAS"), ("30", "RECTUM"))
FORM = {
    "age_years": "61",
    "sex": "Female",
    "karnofsky": "90",
    "weight_kg": "70",
    "disease_extent": "METASTATIC",
    "inoperable": "yes",
    "differentiation": "WELL DIFFERENTIATED",
    "specimen": "HISTOLOGY",
    "highest_uptake_score": "4",
    "lowest_uptake_score": "4",
    "creatinine_clearance_ml_min": "88",
    "prior_prrt": "no",
    "prior_hepatic_artery_embolisation": "no",
    "prior_radiofrequency_ablation": "no",
    "prior_systemic_therapy": "no",
    "prior_somatostatin_analogue": "no",
}
DAYS_BEFORE = {
    "screening_date": 0,
    "consent_date": 3,
    "lowest_uptake_score_date": 10,
    "diagnosis_date": 50,
}
PATIENCE = 240  # seconds after which a browser gives up
HARM = ("worker killed", "connection cut", "disk full")


# --- the run --------------------------------------------------------------------------------------


@dataclass
class Run:
    """What the browsers saw of one database with so many workers."""

    database: str
    workers: int
    requests: int
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # seconds from first sending to the answer
    told: dict[str, set[str]] = field(default_factory=dict)  # certificates by subject
    refused: Counter[str] = field(default_factory=Counter)
    harm: Counter[str] = field(default_factory=Counter)
    again: int = 0  # forms sent again for want of an answer


def client(
    run: Run, subjects: Iterator[str], browser: Browser, lock: threading.Lock, until: float
) -> None:
    """Randomise subjects until there are none, as somebody would who never gives up."""
    while time.monotonic() < until:
        with lock:
            subject = next(subjects, None)
            if subject is None:
                return
            run.told[subject] = set()
        times = 2 if int(subject[-4:]) % 3 == 0 else 1  # a double click
        started = time.monotonic()
        while time.monotonic() < started + PATIENCE:
            try:
                certificates, refused = browser.randomise(subject, times=times)
            except NoAnswerError:
                with lock:
                    run.again += 1
                time.sleep(0.05 + 0.1 * random.random())
                continue
            with lock:
                run.told[subject].update(map(told_by, certificates))
                run.refused.update(refused)
            break
        with lock:
            run.waits.append(time.monotonic() - started)


def told_by(certificate: str) -> str:
    """Arm and reference of a certificate, as the ledger would tell them."""
    arms = [arm for label, arm in ARMS.items() if label in certificate]
    return json.dumps({"arm": arms, "reference": REFERENCE.findall(certificate)})


def harm(run: Run, server: Server, cut: str | None, every: float, stop: threading.Event) -> None:
    wait = every / 10  # the first comes while requests are under way, however fast the machine is
    while not stop.wait(wait):
        wait = every
        run.harm["worker killed"] += server.kill_one()
        if cut is not None:
            with psycopg.connect(cut, autocommit=True) as connection:
                asked = (
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid in (select "
                    "pid from pg_stat_activity where pid <> pg_backend_pid() and "
                    "datname = current_database() order by random() limit 1)"
                )
                run.harm["connection cut"] += len(connection.execute(asked).fetchall())


def fill(run: Run, disk: Path, after: float, stop: threading.Event) -> None:
    """Take the last free byte of the disk for a second."""
    if stop.wait(after):
        return
    block = b"\0" * 65536
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(block)
    run.harm["disk full"] += 1
    stop.wait(1.0)
    (disk / "filler").unlink()


def measure(
    run: Run,
    url: str,
    folder: Path,
    subjects: list[str],
    secrets_of: dict[str, str],
    *,
    options: argparse.Namespace,
    full: bool,
) -> None:
    """Serve, sign everybody in, send every request and do the harm that was asked for."""
    stop, lock = threading.Event(), threading.Lock()
    server = Server(PROTOCOL.trial.id, url, folder, run.workers)
    try:
        server.wait_until_ready()
        browsers = [Browser(server.port, name, PASSWORD, own) for name, own in secrets_of.items()]
        for browser in browsers:
            browser.sign_in()
        cut = None
        if run.database == "postgresql":
            cut = url.replace("postgresql+psycopg", "postgresql")
        line, until = iter(subjects), time.monotonic() + options.seconds
        threads = [
            threading.Thread(target=client, args=(run, line, browser, lock, until))
            for browser in browsers
        ]
        harms = []
        if options.kill_every:
            told = (run, server, cut, options.kill_every, stop)
            harms.append(threading.Thread(target=harm, args=told))
        if full:
            harms.append(threading.Thread(target=fill, args=(run, folder, 1.5, stop)))
        started = time.monotonic()
        for thread in [*threads, *harms]:
            thread.start()
        for thread in threads:
            thread.join()
        run.seconds = time.monotonic() - started
        stop.set()
        for thread in harms:
            thread.join()
        for browser in browsers:
            browser.hang_up()
    finally:
        server.end()


def prepare(folder: Path, requests: int, clients: int) -> tuple[Path, list[str], dict[str, str]]:
    """Back up a ledger whose list is just long enough, with patients ready and accounts.

    Its anchor lies beside the backup.

    Returns the backup, the subjects, and the authenticator's secret of each account.
    """
    each = -(-requests // len(STRATA) // 6) * 6 + 6
    entries = make_list(PROTOCOL, seed=SEED, entries_per_stratum=each)
    engine = connect(f"{folder}/prepared.db")
    salts = make_salts(entries, seed=SEED)
    open_ledger(engine, PROTOCOL, entries, salts=salts, keys=KEYS, actor="maker")
    ledger = Ledger(engine, PROTOCOL, keys=KEYS, anchor=folder / "prepared.anchor")
    ledger.record("list released", actor="manager")
    ledger.record("site opened", site="1001", actor="manager")
    subjects = [f"1001-{number:04}" for number in range(requests)]
    today = datetime.now(UTC).date()
    days = {name: (today - timedelta(days=n)).isoformat() for name, n in DAYS_BEFORE.items()}
    for number, subject in enumerate(subjects):
        ki67, origin = STRATA[number % len(STRATA)]
        here = {"subject": subject, "site": "1001", "actor": "load"}
        values = FORM | days | {"ki67_percent": ki67, "primary_site": origin}
        fields, _ = typed(values, protocol=PROTOCOL)
        form = {"subject": subject, "fields": fields}
        ledger.record("consented", payload={"consent_date": days["consent_date"]}, **here)
        ledger.record("screened", payload={"form": form}, **here)
        ledger.record("eligibility signed", signature=SIGNED, **here)
    secrets_of = {f"investigator{n}": enrolled(engine, f"investigator{n}") for n in range(clients)}
    write_backup(engine, folder / "prepared")
    engine.dispose()
    random.shuffle(subjects)
    return folder / "prepared", subjects, secrets_of


def enrolled(engine: Engine, name: str) -> str:
    """Make the account of an investigator, with an authenticator whose secret is returned."""
    before = datetime.now(UTC) - timedelta(minutes=2)  # a code counts once, and the next is newer
    of_site = {"role": Role.INVESTIGATOR, "site": "1001", "password": PASSWORD}
    accounts.make_account(engine, name=name, full_name=f"Dr {name}", now=before, **of_site)
    secret = accounts.new_secret()
    code = pyotp.TOTP(secret).at(before)
    accounts.enrol(engine, name=name, secret=secret, code=code, keys=KEYS, now=before)
    return secret


# --- what came of it ------------------------------------------------------------------------------


def judged(run: Run, url: str, anchor: Path) -> dict[str, object]:
    """Hold what the clients were told against what the ledger holds."""
    engine = connect(url)
    with engine.connect() as connection:
        asked = "select number, stratum, sequence, subject, arm from allocation order by number"
        rows = [tuple(row) for row in connection.execute(text(asked))]
        stored = "select count(*) from answer join allocation using (number)"
        answers = connection.execute(text(stored)).scalar_one()
    references = {one.number: one.hash for one in Ledger(engine, PROTOCOL, keys=KEYS).events()}
    kept = {
        subject: json.dumps({"arm": [arm], "reference": [references[number]]})
        for number, _, _, subject, arm in rows
    }
    places: dict[str, list[int]] = {}
    for _, stratum, sequence, _, _ in rows:
        places.setdefault(stratum, []).append(sequence)
    sound = verify_ledger(engine, anchor=anchor, public=KEYS.public)
    engine.dispose()
    waits = sorted(run.waits)
    return {
        "database": run.database,
        "workers": run.workers,
        "requests": run.requests,
        "not asked": run.requests - len(run.told),  # when the time was up
        "per second": round(len(rows) / run.seconds, 1),
        "p50 ms": round(1000 * waits[len(waits) // 2], 1),
        "p99 ms": round(1000 * waits[int(len(waits) * 0.99)], 1),
        "sent again": run.again,
        **{one: run.harm[one] for one in HARM},
        "duplicates": len(rows)
        - len({row[3] for row in rows})
        + sum(len(told) > 1 for told in run.told.values()),
        "holes": sum(max(one) - len(set(one)) for one in places.values()),
        "inversions": sum(a > b for one in places.values() for a, b in pairwise(one)),
        "lost answers": sum(kept.get(subject) not in told for subject, told in run.told.items())
        + abs(answers - len(rows)),
        "faults": sum(len(check.faults) for check in sound.checks),
        "refused": sum(run.refused.values()),
        "says": "; ".join(run.refused),
    }


FAULTS = ("not asked", "duplicates", "holes", "inversions", "lost answers", "faults", "refused")


def can_mount() -> bool:
    """Tell whether a small disk may be mounted here."""
    try:
        with small_disk(1):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A disk of its own in memory (tmpfs). CalledProcessError without the right to mount."""
    with tempfile.TemporaryDirectory(prefix="portal-disk-") as folder:
        size = f"size={megabytes}m"
        words = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder]
        subprocess.run(words, check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=False)


def run_all(options: argparse.Namespace) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder), options.requests, options.clients)
        return [
            run_one(database, workers, *prepared, options)
            for database in options.databases.split(",")
            for workers in map(int, options.workers.split(","))
        ]


def run_one(
    database: str,
    workers: int,
    prepared: Path,
    subjects: list[str],
    secrets_of: dict[str, str],
    options: argparse.Namespace,
) -> dict[str, object]:
    """Run one database with so many workers, from the prepared ledger to the judgement."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(options.disk)) if options.full_disk else None
        folder = disk or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder}/ledger.db"
        if database == "postgresql":
            home = folder / "postgresql"
            home.mkdir()
            folder.chmod(0o755)
            url = new_database(stack.enter_context(postgresql_server(home)), "portal")
        engine = connect(url)
        restore_backup(engine, prepared)
        shutil.copy(prepared.with_suffix(".anchor"), folder / "anchor")
        engine.dispose()
        (folder / "secret").write_text(SECRET.hex() + "\n", "ascii")
        run = Run(database, workers, options.requests)
        measure(run, url, folder, subjects, secrets_of, options=options, full=disk is not None)
        return judged(run, url, folder / "anchor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--seconds", type=float, default=900, help="the longest for one column")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds; 0 kills nothing")
    parser.add_argument(
        "--full-disk",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="takes the right to mount",
    )
    parser.add_argument("--disk", type=int, default=200, help="megabytes of that disk")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.full_disk and not can_mount():
        print(
            "No disk is filled: mounting a small one takes a right that is not given here.",
            file=sys.stderr,
        )
        options.full_disk = False
    found = run_all(options)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name in found[0]:
            print(f"{name:<16}" + "".join(f"{row[name]!s:>14}" for row in found))
    if any(row[name] for row in found for name in FAULTS):
        raise SystemExit("something was lost, given twice or never asked for")


if __name__ == "__main__":
    main()
