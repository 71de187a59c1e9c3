"""Trials on several processes: a worker that is killed costs time and changes no digit."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from radioligand.simulation import trials as room
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate

PARTS = 8
COMMAND = (sys.executable, "-m", "radioligand.cli", "simulate", "netter-2", "--seed", "4")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def process(*words):
    """Start a process, and end it and no other when it is not needed any more."""
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def said(running: subprocess.Popen, words: str) -> None:
    """Wait until a process has said something on its error stream."""
    for line in running.stderr:
        if words in line:
            return
    raise AssertionError(f"{running.args} ended without saying {words!r}")


def dask(command: str, *words: str) -> tuple[str, ...]:
    start = f"from distributed.cli.dask_{command} import main; main()"
    return (sys.executable, "-c", start, *words)


@pytest.fixture
def cluster():
    """A scheduler and two workers of one thread, without anybody to restart them."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as processes:
        scheduler = processes.enter_context(
            process(*dask("scheduler", "--host", address, "--no-dashboard"))
        )
        said(scheduler, "Scheduler at")
        alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        workers = [
            processes.enter_context(process(*dask("worker", address, *alone))) for _ in range(2)
        ]
        for worker in workers:
            said(worker, "Registered to")
        yield address, workers


def command(out, *more):
    trials = str(PARTS * room.PART)
    return [*COMMAND, "--trials", trials, "--no-null", "--out", str(out), *more]


def test_a_killed_worker_changes_no_byte_and_a_broken_off_run_goes_on(cluster, tmp_path):
    address, workers = cluster
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole), check=True, capture_output=True)
    kept = whole / "parts"
    for one in sorted(kept.glob("*.json"))[: PARTS // 2]:  # half was done when it broke off
        (cut / "parts").mkdir(parents=True, exist_ok=True)
        os.link(one, cut / "parts" / one.name)
    before = {path.name: path.stat().st_ino for path in (cut / "parts").iterdir()}

    running = subprocess.Popen(
        command(cut, "--scheduler", address), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        while len(list((cut / "parts").glob("*.json"))) < PARTS // 2 + 2:
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.01)
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        assert not (cut / "results.json").exists()
        _, told = running.communicate(timeout=240)
    finally:
        running.kill()

    assert running.returncode == 0, told
    assert workers[1].poll() is None
    for name in ("results.json", "results.csv", "index.html"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    now = {path.name: path for path in (cut / "parts").glob("*.json")}
    assert set(now) == {path.name for path in kept.glob("*.json")}
    assert {name: now[name].stat().st_ino for name in before} == before  # not run again
    for name, path in now.items():
        assert path.read_bytes() == (kept / name).read_bytes()


def test_a_scheduler_that_is_not_there_is_told(protocol, plain, monkeypatch):
    monkeypatch.setattr(room, "ANSWER_SECONDS", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SimulationError, match=f"scheduler: {address} does not answer"):
        simulate(trial_design(protocol, plain), trials=10, seed=1, scheduler=address)
