# SPDX-License-Identifier: Apache-2.0
"""The ledger under load and under attack: how fast, and whether anything is lost or given twice.

Fifty clients randomise patients in four strata through 1, 2 and 4 worker processes, on SQLite and
on PostgreSQL. Every third request is sent twice. A random worker is killed (SIGKILL) every second,
on PostgreSQL a random connection is cut (pg_terminate_backend) as well, and for a second the disk
that holds database and anchor is full. A client without an answer sends the same request again.
Afterwards the ledger has to agree with what the clients were told. README.md tells how to run it.
"""

import argparse
import json
import multiprocessing
import os
import random
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
from postgresql_server import new_database, postgresql_server
from sqlalchemy import text

from radioligand.allocation import make_list, make_salts
from radioligand.io.documents import read_protocol
from radioligand.service.backup import restore_backup, write_backup
from radioligand.service.database import connect
from radioligand.service.events import Signature
from radioligand.service.keys import keys_of
from radioligand.service.ledger import BusyError, Ledger, RefusalError, open_ledger
from radioligand.service.verification import verify_ledger

PROTOCOL = read_protocol("netter-2")
SEED = "a seed for load, not for patients"
KEYS = keys_of(b"thirty-two bytes, known to all!!")
SIGNED = Signature(name="Example investigator", meaning="load")
STRATA = ((15.0, "PANCREAS"), (15.0, "RECTUM"), (30.0, "PANCREAS"), (30.0, "RECTUM"))
FORM = {
    "age_years": 61.0,
    "disease_extent": "METASTATIC",
    "inoperable": True,
    "specimen": "HISTOLOGY",
    "differentiation": "WELL DIFFERENTIATED",
    "months_since_diagnosis": 2.0,
    "karnofsky": 90.0,
    "weight_kg": 70.0,
    "lowest_uptake_score": 4.0,
    "lowest_uptake_score_date": "2026-01-02",
    "assessment_date": "2026-01-12",
    "creatinine_clearance_ml_min": 88.0,
    "prior_prrt": False,
    "prior_hepatic_artery_embolisation": False,
    "prior_radiofrequency_ablation": False,
    "prior_systemic_therapy": False,
    "prior_somatostatin_analogue": False,
    "days_since_consent": 3.0,
}
PATIENCE = 120  # seconds after which a client gives up
HARM = ("worker killed", "connection cut", "disk full")


# --- one worker -----------------------------------------------------------------------------------


def work(url: str, anchor: str, address: str) -> None:
    """Answer requests on a socket until killed."""
    ledger = Ledger(connect(url), PROTOCOL, keys=KEYS, anchor=Path(anchor))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                told = answer(ledger, json.loads(line))
                self.wfile.write(json.dumps(told).encode() + b"\n")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 128

    Path(address).unlink(missing_ok=True)
    Server(address, Handler).serve_forever()


def answer(ledger: Ledger, asked: dict[str, str]) -> dict[str, str]:
    try:
        told = ledger.allocate(
            asked["subject"], site="1001", actor="load", key=asked["key"], signature=SIGNED
        )
    except BusyError as error:
        return {"busy": str(error)}
    except RefusalError as error:
        return {"refused": str(error)}
    return {"arm": told.arm, "reference": told.reference}


# --- the run --------------------------------------------------------------------------------------


@dataclass
class Run:
    """What the clients saw of one database with so many workers."""

    database: str
    workers: int
    requests: int
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # seconds from first sending to the answer
    told: dict[str, set[str]] = field(default_factory=dict)  # answers by subject
    refused: Counter[str] = field(default_factory=Counter)
    harm: Counter[str] = field(default_factory=Counter)
    again: int = 0  # requests sent again for want of an answer


class Workers:
    """Worker processes; one that has died is started again."""

    def __init__(self, number: int, url: str, anchor: Path, folder: Path) -> None:
        """Start so many, each on a socket in `folder`, from a process that has imported all."""
        self.addresses = [str(folder / f"worker-{n}") for n in range(number)]
        self._url, self._anchor = url, str(anchor)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["radioligand.service.ledger", "sqlalchemy", "psycopg"]
        )
        self._running = [self._start(address) for address in self.addresses]
        self.is_over = False

    def _start(self, address: str) -> BaseProcess:
        process = self._context.Process(target=work, args=(self._url, self._anchor, address))
        process.start()
        return process

    def wait_until_ready(self) -> None:
        for address in self.addresses:
            while not Path(address).exists():
                time.sleep(0.05)

    def revive(self) -> None:
        for n, process in enumerate(self._running):
            if not process.is_alive() and not self.is_over:
                self._running[n] = self._start(self.addresses[n])

    def kill_one(self) -> None:
        random.choice(self._running).kill()

    def end(self) -> None:
        self.is_over = True
        for process in self._running:
            process.kill()
            process.join()


def ask(addresses: list[str], asked: dict[str, str]) -> dict[str, str]:
    """Send one request to a random worker; OSError or ValueError when no answer comes."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(40)
        channel.connect(random.choice(addresses))
        channel.sendall(json.dumps(asked).encode() + b"\n")
        with channel.makefile("rb") as lines:
            return json.loads(lines.readline())


def client(run: Run, subjects: Iterator[str], workers: Workers, lock: threading.Lock) -> None:
    """Randomise subjects until there are none, as a browser would that never gives up."""
    while True:
        with lock:
            subject = next(subjects, None)
        if subject is None:
            return
        asked = {"subject": subject, "key": f"key of {subject}"}
        times = 2 if int(subject[-4:]) % 3 == 0 else 1  # a double click
        started, told = time.perf_counter(), None
        while time.perf_counter() - started < PATIENCE:
            try:
                told = ask(workers.addresses, asked)
            except (OSError, ValueError):
                told = {"busy": "no answer"}
            if "busy" in told:
                with lock:
                    run.again += 1
                time.sleep(0.05 + 0.1 * random.random())
                continue
            times -= 1
            with lock:
                if "arm" in told:
                    run.told.setdefault(subject, set()).add(json.dumps(told, sort_keys=True))
                else:
                    run.refused[told["refused"]] += 1
            if not times:
                break
        with lock:
            run.waits.append(time.perf_counter() - started)


def harm(run: Run, workers: Workers, cut: str | None, every: float, stop: threading.Event) -> None:
    wait = every / 10  # the first comes while requests are under way, however fast the machine is
    while not stop.wait(wait):
        wait = every
        workers.kill_one()
        run.harm["worker killed"] += 1
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
    disk: Path,
    anchor: Path,
    subjects: list[str],
    *,
    clients: int,
    every: float,
    full: bool,
) -> None:
    """Send every request and do the harm that was asked for."""
    stop, lock = threading.Event(), threading.Lock()
    with tempfile.TemporaryDirectory(prefix="portal-") as sockets:
        workers = Workers(run.workers, url, anchor, Path(sockets))
        workers.wait_until_ready()
        cut = None
        if run.database == "postgresql":
            cut = url.replace("postgresql+psycopg", "postgresql")
        line = iter(subjects)
        threads = [
            threading.Thread(target=client, args=(run, line, workers, lock)) for _ in range(clients)
        ]
        harms = [threading.Thread(target=_reviving, args=(workers, stop))]
        if every:
            harms.append(threading.Thread(target=harm, args=(run, workers, cut, every, stop)))
        if full:
            harms.append(threading.Thread(target=fill, args=(run, disk, 1.5, stop)))
        started = time.perf_counter()
        for thread in [*threads, *harms]:
            thread.start()
        for thread in threads:
            thread.join()
        run.seconds = time.perf_counter() - started
        stop.set()
        for thread in harms:
            thread.join()
        workers.end()


def _reviving(workers: Workers, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        workers.revive()


def prepare(folder: Path, requests: int) -> tuple[Path, list[str]]:
    """Back up a ledger whose list is just long enough, with so many patients ready; and these."""
    each = -(-requests // len(STRATA) // 6) * 6 + 6
    entries = make_list(PROTOCOL, seed=SEED, entries_per_stratum=each)
    engine = connect(f"{folder}/prepared.db")
    salts = make_salts(entries, seed=SEED)
    open_ledger(engine, PROTOCOL, entries, salts=salts, keys=KEYS, actor="maker")
    ledger = Ledger(engine, PROTOCOL, keys=KEYS)
    ledger.record("list released", actor="manager")
    ledger.record("site opened", site="1001", actor="manager")
    subjects = [f"1001-{number:04}" for number in range(requests)]
    for number, subject in enumerate(subjects):
        ki67, origin = STRATA[number % len(STRATA)]
        here = {"subject": subject, "site": "1001", "actor": "load"}
        form = FORM | {"ki67_percent": ki67, "primary_site": origin}
        ledger.record("consented", payload={"consent_date": "2026-01-09"}, **here)
        ledger.record("screened", payload={"form": form}, **here)
        ledger.record("eligibility signed", signature=SIGNED, **here)
    write_backup(engine, folder / "prepared")
    engine.dispose()
    random.shuffle(subjects)
    return folder / "prepared", subjects


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
        subject: json.dumps({"arm": arm, "reference": references[number]}, sort_keys=True)
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
        "lost answers": run.requests
        - len(run.told)
        + sum(kept.get(subject) not in told for subject, told in run.told.items())
        + abs(answers - len(rows)),
        "faults": sum(len(check.faults) for check in sound.checks),
        "refused": sum(run.refused.values()),
    }


FAULTS = ("duplicates", "holes", "inversions", "lost answers", "faults", "refused")


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """A disk of its own in memory, or None where that takes more rights than one has."""
    with tempfile.TemporaryDirectory(prefix="portal-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        done = (
            os.geteuid() == 0 and subprocess.run(mount, stderr=subprocess.DEVNULL).returncode == 0
        )
        try:
            yield Path(folder) if done else None
        finally:
            if done:
                subprocess.run(["umount", "-l", folder], check=False)


def run_all(options: argparse.Namespace) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        prepared, subjects = prepare(Path(folder), options.requests)
        return [
            run_one(database, workers, prepared, subjects, options)
            for database in options.databases.split(",")
            for workers in map(int, options.workers.split(","))
        ]


def run_one(
    database: str, workers: int, prepared: Path, subjects: list[str], options: argparse.Namespace
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
        engine.dispose()
        run = Run(database, workers, options.requests)
        measure(
            run,
            url,
            folder,
            folder / "anchor",
            subjects,
            clients=options.clients,
            every=options.kill_every,
            full=disk is not None,
        )
        return judged(run, url, folder / "anchor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds; 0 kills nothing")
    parser.add_argument("--full-disk", action="store_true", help="needs the right to mount")
    parser.add_argument("--disk", type=int, default=200, help="megabytes of that disk")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run_all(options)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name in found[0]:
            print(f"{name:<16}" + "".join(f"{row[name]!s:>14}" for row in found))
    if any(row[name] for row in found for name in FAULTS):
        raise SystemExit("something was lost or given twice")


if __name__ == "__main__":
    main()
