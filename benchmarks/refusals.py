# SPDX-License-Identifier: Apache-2.0
"""Does the time of a refusal tell the next arm? Two ledgers, alike but for the next entry.

    python benchmarks/refusals.py --refusals 10000

Each turn asks both ledgers, in an order drawn at random, for an allocation that is refused, and
takes the times. Wilcoxon's rank sum compares them; a p value below 0.001 would be a leak.
"""

import argparse
import random
import secrets
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import mannwhitneyu

from radioligand.allocation import make_list, make_salts
from radioligand.io.documents import read_protocol
from radioligand.protocol import Protocol
from radioligand.service.database import connect
from radioligand.service.events import Signature
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger
from radioligand.service.opening import open_ledger
from radioligand.service.refusals import RefusalError


def opened(folder: Path, protocol: Protocol, entries: pl.DataFrame, seed: str) -> Ledger:
    engine = connect(f"sqlite:///{folder}/ledger.db")
    keys = keys_of(bytes(32))
    salts = make_salts(entries, seed=seed)
    open_ledger(engine, protocol, entries, salts=salts, keys=keys, actor="maker")
    ledger = Ledger(engine, protocol, keys=keys, anchor=folder / "anchor")
    ledger.record("list released", actor="manager")
    ledger.record("site opened", site="1", actor="manager")
    consent = {"consent_date": "2026-01-09"}
    ledger.record("consented", subject="1-001", site="1", actor="site", payload=consent)
    return ledger


def seconds(ledger: Ledger) -> float:
    signature = Signature(name="Somebody", meaning="Please randomise.")
    begin = time.perf_counter()
    try:
        ledger.allocate(
            "1-001", site="1", actor="site", key=secrets.token_hex(8), signature=signature
        )
    except RefusalError:
        return time.perf_counter() - begin
    raise AssertionError("this patient is not eligible")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--refusals", type=int, default=10_000)
    options = parser.parse_args()
    protocol = read_protocol("netter-2")
    seed = "a seed for this measurement alone"
    listed = make_list(protocol, seed=seed)
    arms = [arm.id for arm in protocol.arms]
    with tempfile.TemporaryDirectory() as folder:
        ledgers = {}
        for first in arms:
            here = Path(folder) / first
            here.mkdir()
            head = pl.when(pl.col("SEQUENCE") == 1).then(pl.lit(first)).otherwise("ARMCD")
            entries = listed.with_columns(ARMCD=head)
            ledgers[first] = opened(here, protocol, entries, seed)
        times: dict[str, list[float]] = {arm: [] for arm in arms}
        for _ in range(options.refusals // len(arms)):
            for arm in random.sample(arms, len(arms)):
                times[arm].append(seconds(ledgers[arm]))
        for ledger in ledgers.values():
            ledger.engine.dispose()
    for arm, found in times.items():
        print(f"{arm:<8} median {1e3 * np.median(found):.3f} ms of {len(found)}")
    print(f"p = {mannwhitneyu(*times.values()).pvalue:.3f}")


if __name__ == "__main__":
    main()
