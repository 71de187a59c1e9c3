# SPDX-License-Identifier: Apache-2.0
"""Virtual trials against R: the NETTER-2 design, and a fuller trial that the others do not have.

226 subjects at 2:1 in four strata and blocks of six, ten a month, hazard ratio 0.5, 15 % dropout a
year, cut at the 99th event. A trial here holds stratified log-rank test, Cox's model and both
medians; so does that of R's `survival` in a loop. rpact's is one log-rank test without strata. The
fuller trial adds a late effect, scans, missed scans, death, crossover, response, three looks and a
chain of tests. Engines take turns, each in a process of its own; rates are told by the clock and by
the seconds of the processor, which a busy machine lengthens less. README.md tells how to run it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
STRATA = (
    ("2/PANCREAS", 0.36, 1.0),
    ("2/OTHER", 0.29, 1.0),
    ("3/PANCREAS", 0.19, 1.3),
    ("3/OTHER", 0.16, 1.3),
)
FULLER = {
    "delay_months": 2,
    "visits": True,
    "missed_fraction": 0.05,
    "deaths_among_events": 0.1,
    "progression_to_death_months_control": 18,
    "progression_to_death_months_experimental": 20,
    "progression_to_death_months_crossed": 25,
    "crossover_fraction": 0.35,
    "response_control": 0.09,
    "response_experimental": 0.43,
}
ENGINES = {  # and how many trials each runs in a turn
    "radioligand, 1 thread": 200_000,
    "radioligand, 2 threads": 400_000,
    "radioligand, scans and three looks, 1 thread": 100_000,
    "radioligand, fuller, 1 thread": 100_000,
    "radioligand, prrt-ddr, four arms of which one is picked, 1 thread": 40_000,
    "radioligand simulate, the whole process, 1 thread": 200_000,
    "radioligand simulate, the whole process, 2 threads": 200_000,
    "rpact": 20_000,
    "R survival in a loop": 300,
    "lifelines in a loop": 60,
}


class Answer(NamedTuple):
    """Power, and the seconds that its trials took."""

    trials: int
    power: float
    seconds: float
    processor_seconds: float


def measured(engine: str, trials: int, peers: str | None) -> Answer:
    """Run the trials of one engine in a process of its own; `peers` is a Python with lifelines."""
    if engine.startswith("radioligand simulate"):
        return measured_process(trials, threads="2" if "2 threads" in engine else "1")
    if engine.startswith("radioligand"):
        words = [sys.executable, __file__, "--one", engine, "--trials", str(trials)]
    elif engine.startswith("lifelines"):
        words = [str(peers), str(HERE / "simulation_peer.py"), str(trials)]
    else:
        name = "rpact" if engine == "rpact" else "survival"
        words = ["Rscript", str(HERE / "simulation.R"), name, str(trials)]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    power, seconds, processor = map(float, told.split())
    return Answer(trials, power, seconds, processor)


def measured_process(trials: int, *, threads: str) -> Answer:
    """Run the command as a user would; import and start of the process are timed as well."""
    scenario = ["document = 1", "[assume]", "subjects = 226"]
    for name, share, ratio in STRATA:
        scenario += ["[[strata]]", f'id = "{name}"', f"share = {share}", f"hazard_ratio = {ratio}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.toml"
        path.write_text("\n".join(scenario), encoding="utf-8")
        words = [sys.executable, "-m", "radioligand.cli", "simulate", "netter-2", "--no-null"]
        words += ["--trials", str(trials), "--threads", threads, "--scenario", str(path), "--json"]
        before, wall = os.times(), time.perf_counter()
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        seconds, after = time.perf_counter() - wall, os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return Answer(trials, json.loads(told)["power"], seconds, processor)


def run_ours(engine: str, trials: int) -> None:
    """Answer for one of our engines; compilation is not timed."""
    import math

    from radioligand.io.documents import read_protocol
    from radioligand.simulation.adaptive_design import virtual_design
    from radioligand.simulation.scenarios import parse_scenarios
    from radioligand.simulation.trials import simulate

    dropout = -math.log(0.85) / 12
    assume: dict[str, object] = {"subjects": 226, "dropout_per_month": dropout}
    document: dict[str, object] = {"document": 1, "assume": assume}
    document["strata"] = [
        {"id": name, "share": share, "hazard_ratio": ratio} for name, share, ratio in STRATA
    ]
    if "three looks" in engine:
        assume |= {"delay_months": 6, "visits": True}
        document["looks"] = {"events": [50, 75, 99]}
    if "fuller" in engine:
        assume |= FULLER
        document["looks"] = {"events": [50, 75, 99], "futility_z": [0, 0.5]}
        document["chain"] = ["primary", "response", "survival"]
    name = "netter-2"
    if "prrt-ddr" in engine:
        name, document = "prrt-ddr", {"document": 1}
    design = virtual_design(read_protocol(name), parse_scenarios(document)[0])
    threads = 2 if "2 threads" in engine else 1
    simulate(design, trials=1000, seed=1, threads=threads)
    wall, processor = time.perf_counter(), time.process_time()
    found = simulate(design, trials=trials, seed=2, threads=threads)
    print(found.power, time.perf_counter() - wall, time.process_time() - processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns; the fastest is told")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many trials")
    parser.add_argument("--peers", help="Python of an environment that has lifelines")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_ours(given.one, given.trials)
        return
    engines = dict(ENGINES)
    if shutil.which("Rscript") is None:
        engines = {
            name: many for name, many in engines.items() if name.startswith(("radio", "lifelines"))
        }
    if given.peers is None:
        engines.pop("lifelines in a loop", None)
    found: dict[str, list[Answer]] = {engine: [] for engine in engines}
    for turn in range(given.rounds):
        for engine, trials in engines.items():
            found[engine].append(measured(engine, int(trials * given.scale), given.peers))
            print(turn, engine, json.dumps(found[engine][-1]), file=sys.stderr, flush=True)
    print("| engine | trials | power | trials a second | trials a processor second |")
    print("|---|---|---|---|---|")
    for engine, answers in found.items():
        rate = max(one.trials / one.seconds for one in answers)
        core = max(one.trials / one.processor_seconds for one in answers)
        one = answers[0]
        print(f"| {engine} | {one.trials:,} | {one.power:.4f} | {rate:,.0f} | {core:,.0f} |")


if __name__ == "__main__":
    main()
