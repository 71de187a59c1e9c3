# SPDX-License-Identifier: Apache-2.0
"""How long a study of any size takes from SDTM to report, and how much memory.

Example:  python benchmarks/pooled_study.py --subjects 226 --subjects 100000

A virtual NETTER-2 is simulated once and its subjects are copied under new identifiers until there
are enough. A study of one trial's size is whole; a larger one is pooled for efficacy and safety:
central review alone, about 30 TR rows a subject, without laboratory, questionnaires, vital signs
and collected exposure, unless --whole is given. Every run is a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from radioligand.io.datasets import write_study
from radioligand.io.documents import read_protocol
from radioligand.simulation.patients import read_population, simulate_study

NOT_POOLED = ("LB", "QS", "VS", "EC", "SV")


def copied(frame: pl.DataFrame, times: int) -> pl.DataFrame:
    """The rows of `frame` for so many copies of its subjects; trial-level rows once."""
    if "USUBJID" not in frame.columns:
        return frame
    copies = pl.DataFrame({"COPY": pl.int_range(times, eager=True)})
    pooled = copies.join(frame, how="cross")
    name = pl.format("{}-{}", "USUBJID", pl.col("COPY").cast(pl.String).str.zfill(4))
    return pooled.with_columns(USUBJID=name).select(frame.columns)


def pooled_for_efficacy(study: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The domains that efficacy and adverse events need, as the central review read them."""
    kept = {name: frame for name, frame in study.items() if name not in NOT_POOLED}
    for name in ("TU", "TR", "RS"):
        local = pl.col(f"{name}EVAL") == "INVESTIGATOR"
        kept[name] = kept[name].filter(~local.fill_null(False))
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, action="append", help="randomised, about")
    parser.add_argument("--whole", action="store_true", help="keep every domain of large studies")
    given = parser.parse_args()
    sizes = given.subjects or [226, 10_000]
    study = simulate_study(
        protocol=read_protocol("netter-2"), population=read_population("netter-2"), seed=1
    )
    print(f"{'randomised':>10} {'TR rows':>10} {'seconds':>8} {'peak GB':>8}")
    for size in sizes:
        times = max(1, round(size / 226))
        small = given.whole or size < 1000
        kept = study if small else pooled_for_efficacy(study)
        pooled = {name: copied(frame, times) for name, frame in kept.items()}
        with tempfile.TemporaryDirectory() as folder:
            write_study(pooled, Path(folder) / "sdtm", format="parquet")
            rows = pooled["TR"].height
            del pooled
            command = [sys.executable, "-m", "radioligand.cli", "analyse", "netter-2"]
            command += [f"{folder}/sdtm", "--out", f"{folder}/report", "--json"]
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds = time.perf_counter() - begin
            if done.returncode:
                sys.exit(done.stderr)
            json.loads(done.stdout)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        print(f"{times * 226:>10,} {rows:>10,} {seconds:>8.1f} {peak:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
