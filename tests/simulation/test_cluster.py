"""Trials on several processes: a worker that is killed costs time and changes no digit."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

from radioligand.simulation import trials as room
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate

PARTS = 12
WORKERS = 2
AHEAD = 2 * WORKERS + 1  # parts that are under way at most, of which none has been kept
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


# what a worker of the test does besides: it notes the first trial of each part that it has run
NOTING = """
import os
from radioligand.simulation import trials

if trials.run_part.__module__ == trials.__name__:  # a preload may be read twice
    plain = trials.run_part


def noting(design, seed, part):
    found = plain(design, seed, part)
    with open(os.path.join({folder!r}, str(os.getpid())), "a") as notes:
        notes.write(f"{{part[0]}}\\n")
    return found


trials.run_part = noting
"""


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers of one thread, without anybody to restart them.

    Beside their address and the workers is the folder of what these have noted.
    """
    notes = tmp_path / "notes"
    notes.mkdir()
    noting = tmp_path / "noting.py"
    noting.write_text(NOTING.format(folder=str(notes)), "utf-8")
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as processes:
        scheduler = processes.enter_context(
            process(*dask("scheduler", "--host", address, "--no-dashboard"))
        )
        said(scheduler, "Scheduler at")
        alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--preload", str(noting))
        workers = [
            processes.enter_context(process(*dask("worker", address, *alone)))
            for _ in range(WORKERS)
        ]
        for worker in workers:
            said(worker, "Registered to")
        yield address, workers, notes


def first_trial(path) -> int:
    """Of a part that is kept: its name ends with its first trial and the one after its last."""
    return int(path.stem.split("-")[-2])


def command(out, *more):
    trials = str(PARTS * room.PART)
    return [*COMMAND, "--trials", trials, "--no-null", "--out", str(out), *more]


def test_a_killed_worker_changes_no_byte_and_a_broken_off_run_goes_on(cluster, tmp_path):
    address, workers, notes = cluster
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
        finished = {first_trial(path) for path in (cut / "parts").glob("*.json")}
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

    # no finished part was computed again, and the kill cost no more than what was under way
    computed = Counter(
        int(line) for file in notes.iterdir() for line in file.read_text("utf-8").split()
    )
    missing = {first_trial(path) for name, path in now.items() if name not in before}
    assert set(computed) == missing
    assert {computed[one] for one in finished & missing} == {1}
    assert computed.total() <= len(missing) + AHEAD


def test_a_scheduler_that_is_not_there_is_told(protocol, plain, monkeypatch):
    monkeypatch.setattr(room, "ANSWER_SECONDS", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(SimulationError, match=f"scheduler: {address} does not answer"):
        simulate(trial_design(protocol, plain), trials=10, seed=1, scheduler=address)
