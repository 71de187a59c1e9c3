# SPDX-License-Identifier: Apache-2.0
"""How long a cohort's doses take: regions fitted again under re-drawn errors.

Run:  python benchmarks/dosimetry_cohort.py
"""

import argparse
import time

import numpy as np

from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.time_activity import fit_curve
from radioligand.dosimetry.uncertainty import budget, sample_doses

SCANS = {
    "mono": np.array([4.0, 24.0, 96.0, 168.0]),
    "uptake": np.array([1.0, 4.0, 24.0, 96.0, 168.0]),
}
ERROR = 0.06
SHARED = {"activity": 0.05, "volume": 0.08, "dose_factor": 0.02}


def main() -> None:
    """Time the fits of a virtual cohort and their replicates, and compare the uncertainties."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=500)
    options.add_argument("--regions", type=int, default=8)
    options.add_argument("--samples", type=int, default=1000)
    options.add_argument("--form", choices=["mono", "uptake"], default="mono")
    asked = options.parse_args()
    scans = SCANS[asked.form]
    m, rng = asked.patients * asked.regions, np.random.default_rng(1)
    rate = rng.uniform(0.008, 0.02, m)
    known = [
        curve([100.0, -100.0], [r, 0.4]) if asked.form == "uptake" else curve([100.0], [r])
        for r in rate
    ]
    noise = 1 + ERROR * rng.standard_normal((m, scans.size))
    activity = np.array([one.activity_mbq(scans) for one in known]) * noise
    fit_curve(scans, activity[0], form=asked.form, relative_error=ERROR)  # compiles

    begin = time.perf_counter()
    fits = [fit_curve(scans, row, form=asked.form, relative_error=ERROR) for row in activity]
    fitted = time.perf_counter() - begin

    begin = time.perf_counter()
    drawn = sample_doses(
        scans,
        activity,
        form=asked.form,
        relative_error=ERROR,
        start=[fit.parameters for fit in fits],
        gy_per_mbq_h=3.6e-4,
        samples=asked.samples,
        rng=rng,
        patient=np.repeat(np.arange(asked.patients), asked.regions),
        **SHARED,
    )
    sampled = time.perf_counter() - begin

    propagated = [budget(fit.tia_relative_uncertainty, **SHARED).total for fit in fits]
    ratio = np.median(drawn.relative_uncertainty / propagated)
    print(f"{m} curves fitted in {fitted:.2f} s ({1e6 * fitted / m:.0f} µs each)")
    print(f"{m * asked.samples} replicates in {sampled:.1f} s")
    print(f"sampled over propagated uncertainty, median: {ratio:.3f}")


if __name__ == "__main__":
    main()
