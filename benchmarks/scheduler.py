# SPDX-License-Identifier: Apache-2.0
"""What a Dask scheduler costs: one worker, two, and two of which one is killed halfway.

Each case is a scheduler and workers of one thread in processes of their own, warmed by a few trials
that are not timed. The kill comes when half of the parts are kept. README.md tells how to run it.
"""

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from radioligand.io.documents import read_protocol
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import PART, simulate

START = "from distributed.cli.dask_{kind} import main; main()"
CASES = (("one worker", 1, False), ("two workers", 2, False), ("two, one killed halfway", 2, True))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(kind: str, *words: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process of Dask, wait until it has said so, and end it and no other."""
    command = [sys.executable, "-c", START.format(kind=kind), *words, "--no-dashboard"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    try:
        for line in running.stderr:
            if until in line:
                break
        # what it says further is read, so that it never waits for a reader
        threading.Thread(target=running.stderr.read, daemon=True).start()
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def cluster(many: int) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """Start a scheduler and so many workers of one thread."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with ExitStack() as running:
        running.enter_context(started("scheduler", "--host", address, until="Scheduler at"))
        alone = ("--nthreads", "1", "--no-nanny")
        workers = [
            running.enter_context(started("worker", address, *alone, until="Registered to"))
            for _ in range(many)
        ]
        yield address, workers


def kill_halfway(worker: subprocess.Popen[str], folder: Path, parts: int) -> None:
    """Kill a worker once half of the parts are kept."""
    while len(list(folder.glob("*.json"))) < parts // 2:
        time.sleep(0.005)
    worker.send_signal(signal.SIGKILL)


def measured(many: int, *, killed: bool, parts: int) -> tuple[float, float]:
    """Return seconds and power of so many parts on so many workers."""
    design = trial_design(read_protocol("netter-2"))
    with cluster(many) as (address, workers), tempfile.TemporaryDirectory() as name:
        simulate(design, trials=8 * many * PART, seed=2, scheduler=address)  # all workers wake
        folder = Path(name)
        if killed:
            words = (workers[0], folder, parts)
            threading.Thread(target=kill_halfway, args=words, daemon=True).start()
        begun = time.perf_counter()
        found = simulate(design, trials=parts * PART, seed=1, scheduler=address, folder=folder)
        return time.perf_counter() - begun, found.power


def main() -> None:
    """Measure every case and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parts", type=int, default=100, help=f"of {PART:,} trials")
    parts = options.parse_args().parts
    print(f"{parts} parts of {PART:,} trials")
    print("| case | seconds | over two undisturbed | power |\n|---|---|---|---|")
    seconds = {}
    for case, many, killed in CASES:
        seconds[case], power = measured(many, killed=killed, parts=parts)
        undisturbed = seconds.get("two workers")
        ratio = f"{seconds[case] / undisturbed:.2f}" if undisturbed else ""
        print(f"| {case} | {seconds[case]:.1f} | {ratio} | {power:.6f} |", flush=True)
    print(f"one worker over two: {seconds['one worker'] / seconds['two workers']:.2f}")


if __name__ == "__main__":
    main()
