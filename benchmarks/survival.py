# SPDX-License-Identifier: Apache-2.0
"""Kaplan–Meier, log-rank and Cox against R survival, lifelines and scikit-survival.

Every engine answers the same questions on the same rows, each question in a process of its own;
the table gives the shortest time of a call, the most memory the process held, and how far the
answers differ from R's. A call on the first hundred thousand rows goes before, untimed, so that
no engine is charged for imports or compilation. R measures itself. README.md tells how to run it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import numpy as np

SIZES = (200, 10_000, 1_000_000, 10_000_000)
TASKS = ("kaplan-meier", "log-rank", "cox-1", "cox-5")
ENGINES = ("radioligand", "R survival", "lifelines", "scikit-survival")
TIMES = (5.0, 10.0, 20.0, 40.0)  # months at which survival is compared
WARM = 100_000  # rows of the call that is not timed
BUDGET = 5.0  # seconds of calls after which no further one begins
MOST_ROWS = {  # with which an engine answers within its patience
    ("lifelines", "cox-1"): 1_000_000,
    ("lifelines", "cox-5"): 1_000_000,
    ("scikit-survival", "cox-1"): 1_000_000,
    ("scikit-survival", "cox-5"): 1_000_000,
}
SEED = 20_240_607

Question = Callable[[int], list[float]]  # the answer on so many of the rows


class Answer(NamedTuple):
    """What one engine found, how fast and in how much memory."""

    values: list[float]
    seconds: float
    peak_mib: float


# --- the rows -------------------------------------------------------------------------------------


def write_rows(folder: Path, n: int) -> None:
    """Write a trial of two arms with hazard ratio 0.6: months to three decimals, so with ties."""
    random = np.random.default_rng(SEED)
    x = random.normal(size=(n, 5))
    x[:, 0] = random.integers(0, 2, n)
    hazard = np.exp(np.log(0.6) * x[:, 0] + 0.1 * x[:, 1]) / 15
    event_time, censoring = random.exponential(1 / hazard), random.uniform(6, 60, n)
    event = event_time <= censoring
    months = np.ceil(np.minimum(event_time, censoring) * 1000) / 1000
    months.tofile(folder / "time")
    event.astype(np.uint8).tofile(folder / "event")
    x.tofile(folder / "x")


def read_rows(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    months = np.fromfile(folder / "time")
    event = np.fromfile(folder / "event", np.uint8).astype(bool)
    x = np.fromfile(folder / "x").reshape(-1, 5)
    return months, event, x, x[:, 0].astype(int)


# --- the engines ----------------------------------------------------------------------------------


def radioligand(folder: Path, task: str) -> Question:
    from radioligand.statistics.survival import cox, kaplan_meier, logrank

    months, event, x, arm = read_rows(folder)
    if task == "kaplan-meier":
        return lambda k: kaplan_meier(months[:k], event[:k]).survival_at(TIMES).estimate.tolist()
    if task == "log-rank":
        return lambda k: [logrank(months[:k], event[:k], arm[:k]).chi_square]
    x = np.ascontiguousarray(x[:, : int(task[-1])])

    def ask(k: int) -> list[float]:
        found = cox(months[:k], event[:k], x[:k])
        return [*found.log_hazard_ratio, *found.standard_error]

    return ask


def lifelines(folder: Path, task: str) -> Question:
    import pandas as pd
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test

    months, event, x, arm = read_rows(folder)
    if task == "kaplan-meier":

        def curve(k: int) -> list[float]:
            found = KaplanMeierFitter().fit(months[:k], event[:k])
            return found.survival_function_at_times(TIMES).tolist()

        return curve
    if task == "log-rank":
        first = arm == 0

        def test(k: int) -> list[float]:
            one, other = first[:k], ~first[:k]
            t, e = months[:k], event[:k]
            return [logrank_test(t[one], t[other], e[one], e[other]).test_statistic]

        return test
    frame = pd.DataFrame(x[:, : int(task[-1])]).add_prefix("x").assign(time=months, event=event)

    def model(k: int) -> list[float]:
        found = CoxPHFitter().fit(frame[:k], "time", "event")
        return [*found.params_, *found.standard_errors_]

    return model


def scikit_survival(folder: Path, task: str) -> Question:
    from sksurv.compare import compare_survival
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.nonparametric import kaplan_meier_estimator
    from sksurv.util import Surv

    months, event, x, arm = read_rows(folder)
    if task == "kaplan-meier":

        def curve(k: int) -> list[float]:
            at, survival, _ = kaplan_meier_estimator(event[:k], months[:k], conf_type="log-log")
            return np.append(1.0, survival)[np.searchsorted(at, TIMES, "right")].tolist()

        return curve
    both = Surv.from_arrays(event, months)
    if task == "log-rank":
        return lambda k: [compare_survival(both[:k], arm[:k])[0]]
    x = x[:, : int(task[-1])]
    return lambda k: CoxPHSurvivalAnalysis(ties="efron").fit(x[:k], both[:k]).coef_.tolist()


R_SURVIVAL = """
library(survival)
args <- commandArgs(TRUE)
task <- args[2]
n <- as.integer(args[3]); warm <- as.integer(args[4]); budget <- as.numeric(args[5])
read <- function(name, what, count, size) readBin(file.path(args[1], name), what, count, size)
x <- matrix(read("x", "double", 5 * n, 8), ncol = 5, byrow = TRUE)
rows <- data.frame(time = read("time", "double", n, 8), event = read("event", "integer", n, 1), x)
ask <- switch(task,
  "kaplan-meier" = function(rows) survfit(Surv(time, event) ~ 1, rows, conf.type = "log-log"),
  "log-rank" = function(rows) survdiff(Surv(time, event) ~ X1, rows),
  "cox-1" = function(rows, ...) coxph(Surv(time, event) ~ X1, rows, ...),
  "cox-5" = function(rows, ...) coxph(Surv(time, event) ~ X1 + X2 + X3 + X4 + X5, rows, ...))
found <- ask(rows[seq_len(min(n, warm)), ])
spent <- c()
repeat {
  calls <- if (n <= 10000) 20 else 1  # of a clock that counts milliseconds
  seconds <- system.time(for (call in seq_len(calls)) found <- ask(rows))[["elapsed"]]
  spent <- c(spent, seconds / calls)
  if (sum(spent) * calls > budget || length(spent) >= 30) break
}
# coxph stops when the likelihood stands still, a step before the coefficients do
if (startsWith(task, "cox") && n <= 1e6) found <- ask(rows, eps = 1e-14, iter.max = 50)
values <- switch(task,
  "kaplan-meier" = summary(found, times = c(5, 10, 20, 40))$surv,
  "log-rank" = found$chisq,
  c(coef(found), sqrt(diag(vcov(found)))))
cat(jsonlite::toJSON(list(values = unname(values), seconds = spent), digits = NA))
"""


def answer_here(engine: str, folder: Path, task: str) -> None:
    """Ask one engine of Python in this process, and print what it answers."""
    ask = {"radioligand": radioligand, "lifelines": lifelines, "scikit-survival": scikit_survival}
    n = (folder / "event").stat().st_size
    question = ask[engine](folder, task)
    values = question(min(n, WARM))
    spent: list[float] = []
    while sum(spent) < BUDGET and len(spent) < (200 if n <= 1000 else 30):
        begin = time.perf_counter()
        values = question(n)
        spent.append(time.perf_counter() - begin)
    print(json.dumps({"values": [float(one) for one in values], "seconds": spent}))


# --- one process an answer ------------------------------------------------------------------------


def command(engine: str, folder: Path, task: str, n: int, peers: str | None) -> list[str] | None:
    """Return the command line that answers, or None if the engine is not there."""
    if engine == "R survival":
        options = ["-e", R_SURVIVAL, str(folder), task, str(n), str(WARM), str(BUDGET)]
        return ["Rscript", "--vanilla", *options] if shutil.which("Rscript") else None
    python = sys.executable if engine == "radioligand" else peers
    return [python, __file__, "--answer", engine, str(folder), task] if python else None


def answer(words: list[str], patience: float) -> Answer | str:
    """Run a command to its end, or say why there is none."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaint:
        process = subprocess.Popen(words, stdout=said, stderr=complaint)
        timer = Timer(patience, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        in_time = timer.is_alive()
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if not in_time:
            return f"over {patience:.0f} s"
        said.seek(0)
        complaint.seek(0)
        if status:
            told = complaint.read()
            return (
                "absent" if "ModuleNotFound" in told or "there is no package" in told else "fails"
            )
        found = json.loads(said.read())
    seconds = found["seconds"]
    return Answer(
        found["values"] if isinstance(found["values"], list) else [found["values"]],
        min(seconds if isinstance(seconds, list) else [seconds]),
        usage.ru_maxrss / 1024,
    )


def difference(found: list[float], oracle: list[float]) -> float:
    """The largest relative difference; an engine without standard errors is held to the rest."""
    return max(abs(a / b - 1) for a, b in zip(found, oracle[: len(found)], strict=True))


def first_curve(python: str, code: str) -> float | None:
    """Seconds from the start of a process to the end of its first curve of 200 rows."""
    spent = []
    for _ in range(5):
        begin = time.perf_counter()
        if subprocess.run([python, "-c", code], capture_output=True).returncode:
            return None
        spent.append(time.perf_counter() - begin)
    return min(spent)


FIRST = {
    "radioligand": "from radioligand.statistics.survival import kaplan_meier as ask\n"
    "ask(range(1, 201), [0, 1] * 100)",
    "lifelines": "from lifelines import KaplanMeierFitter as Ask\n"
    "Ask().fit(range(1, 201), [0, 1] * 100)",
    "scikit-survival": "from sksurv.nonparametric import kaplan_meier_estimator as ask\n"
    "ask([False, True] * 100, range(1, 201))",
}


# --- the table ------------------------------------------------------------------------------------


def cell(found: Answer | str) -> str:
    if isinstance(found, str):
        return found
    return f"{found.seconds:#.3g} [{found.peak_mib:.0f}]"


def ratio(found: Answer | str, ours: Answer | str) -> str:
    if isinstance(found, str) or isinstance(ours, str):
        return ""
    return f"{found.seconds / ours.seconds:.3g}"


def row(task: str, n: int, found: dict[str, Answer | str]) -> str:
    ours, oracle = found["radioligand"], found["R survival"]
    ratios = " / ".join(ratio(found[one], ours) or "–" for one in ENGINES[1:])
    apart = " / ".join(
        f"{difference(one.values, oracle.values):.0e}"
        if isinstance(one, Answer) and isinstance(oracle, Answer)
        else "–"
        for one in (ours, found["lifelines"], found["scikit-survival"])
    )
    cells = [task, f"{n:,}", *(cell(found[one]) for one in ENGINES), ratios, apart]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, action="append", help="rows; may be given again")
    parser.add_argument("--task", choices=TASKS, action="append", help="may be given again")
    parser.add_argument("--peers", help="the Python that has lifelines and scikit-survival")
    parser.add_argument("--patience", type=float, default=300, help="seconds before a run is ended")
    parser.add_argument("--answer", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answer:
        engine, folder, task = given.answer
        answer_here(engine, Path(folder), task)
        return

    print("Seconds of the fastest call [MiB at most]; times faster; difference from R.\n")
    print(f"| task | rows | {' | '.join(ENGINES)} | R / lifelines / scikit-survival over ours |"
          " ours / lifelines / scikit-survival from R |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for n in given.size or SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_rows(folder, n)
            for task in given.task or TASKS:
                found: dict[str, Answer | str] = {}
                for engine in ENGINES:
                    words = command(engine, folder, task, n, given.peers)
                    if n > MOST_ROWS.get((engine, task), n):
                        found[engine] = "left out"
                    else:
                        found[engine] = answer(words, given.patience) if words else "absent"
                print(row(task, n, found), flush=True)
    print("\nFrom the start of a process to its first curve of 200 rows, seconds:")
    for engine, code in FIRST.items():
        python = sys.executable if engine == "radioligand" else given.peers
        spent = first_curve(python, code) if python else None
        print(f"- {engine}: {'absent' if spent is None else f'{spent:.2f}'}")


if __name__ == "__main__":
    main()
