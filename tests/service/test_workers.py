# SPDX-License-Identifier: Apache-2.0
"""The portal in several processes: under load, killed, and with everything in the database."""

import importlib
import os
import signal
import socket
import sqlite3
import time

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from radioligand.cli import cli
from radioligand.service.database import connect, is_passing

from .test_concurrency import ROOT, program


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start `radioligand serve` with so many workers on a new database, until the test ends."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("portal_browsers")
    started = []

    def start(workers):
        url = f"sqlite:///{tmp_path}/trial.db"
        started.append(module.Server("netter-2", url, tmp_path, workers))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for one in started:
        one.end()


def until(holds, seconds=60):
    """Wait until it holds; whether it does at last."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_is_started_again_and_none_outlives_the_parent(serve):
    server = serve(2)
    assert until(lambda: len(server.workers()) == 2)
    first = set(server.workers())
    killed = first.pop()

    os.kill(killed, signal.SIGKILL)

    assert until(lambda: len({*server.workers()} - {killed}) == 2)
    assert first < {*server.workers()}  # the other one went on
    server.wait_until_ready()
    running = server.workers()
    os.kill(server._process.pid, signal.SIGKILL)
    assert until(lambda: not any(map(is_there, running)))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_load_with_double_sends_and_killed_workers_loses_nothing(database, request):
    if database == "postgresql":
        request.getfixturevalue("postgresql")  # or the reason why there is none
    options = ("--requests", 60, "--clients", 8, "--workers", 2, "--kill-every", 2.0)
    (found,) = program(
        ROOT / "benchmarks" / "portal.py",
        *("--json", "--databases", database, *options),
        timeout=300,
    )

    harmless = ("duplicates", "holes", "inversions", "lost answers", "faults", "refused")
    assert {name: found[name] for name in harmless} == dict.fromkeys(harmless, 0)
    assert found["worker killed"] > 0


def test_an_address_that_is_taken_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = CliRunner().invoke(cli, ["serve", "netter-2", "--port", port])
    assert told.exit_code == 1
    assert f"127.0.0.1:{port} cannot be listened at" in str(told.exception) + told.output


def test_a_demonstration_runs_in_one_process():
    told = CliRunner().invoke(cli, ["serve", "netter-2", "--demo", "--workers", "2"])
    assert told.exit_code == 2
    assert "in one process" in told.output


def test_what_may_pass_is_told_from_what_may_not(tmp_path, postgresql):
    def raised(act):
        with pytest.raises(DBAPIError) as told:
            act()
        return told.value

    away = connect(f"postgresql://nobody@/none?host={tmp_path}")
    folder = postgresql.split()[0].removeprefix("host=")
    there = connect(f"postgresql+psycopg://postgres@/postgres?host={folder}")
    with there.connect() as connection:
        wrong = raised(lambda: connection.exec_driver_sql("select nothing"))

    assert is_passing(raised(away.connect))
    assert not is_passing(wrong)
    assert is_passing(TimeoutError("every connection is in use"))
    assert is_passing(OperationalError("", None, sqlite3.OperationalError("database is locked")))
    assert not is_passing(OperationalError("", None, sqlite3.OperationalError("no such table: a")))
    assert not is_passing(ValueError("something else"))
    there.dispose()
