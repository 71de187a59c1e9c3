# SPDX-License-Identifier: Apache-2.0
"""How long a cohort's doses take: regions fitted again under re-drawn errors.

Run:  python benchmarks/dosimetry_cohort.py
"""

import argparse
import time
from typing import NamedTuple

import numpy as np

from radioligand.dosimetry.curve_forms import FormName
from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.time_activity import fit_curve
from radioligand.dosimetry.uncertainty import budget, sample_doses

SCANS = {
    "mono": np.array([4.0, 24.0, 96.0, 168.0]),
    "uptake": np.array([1.0, 4.0, 24.0, 96.0, 168.0]),
}
ERROR = 0.06
SHARED = {"activity": 0.05, "volume": 0.08, "dose_factor": 0.02}


class Cohort(NamedTuple):
    """Seconds of the fits and of the replicates, and how the two uncertainties compare."""

    curves: int
    fitted_seconds: float
    sampled_seconds: float
    processor_seconds: float  # of the replicates, summed over cores
    ratio: float  # median over curves of sampled over propagated uncertainty


def cohort(*, patients: int, regions: int, samples: int, form: FormName) -> Cohort:
    """Fit a virtual cohort's curves and sample their doses."""
    scans = SCANS[form]
    m, rng = patients * regions, np.random.default_rng(1)
    rate = rng.uniform(0.008, 0.02, m)
    known = [
        curve([100.0, -100.0], [r, 0.4]) if form == "uptake" else curve([100.0], [r]) for r in rate
    ]
    noise = 1 + ERROR * rng.standard_normal((m, scans.size))
    activity = np.array([one.activity_mbq(scans) for one in known]) * noise
    fit_curve(scans, activity[0], form=form, relative_error=ERROR)  # compiles

    begin = time.perf_counter()
    fits = [fit_curve(scans, row, form=form, relative_error=ERROR) for row in activity]
    fitted = time.perf_counter() - begin

    begin, used = time.perf_counter(), time.process_time()
    drawn = sample_doses(
        scans,
        activity,
        form=form,
        relative_error=ERROR,
        start=[fit.parameters for fit in fits],
        gy_per_mbq_h=3.6e-4,
        samples=samples,
        rng=rng,
        patient=np.repeat(np.arange(patients), regions),
        **SHARED,
    )
    sampled, processor = time.perf_counter() - begin, time.process_time() - used

    propagated = [budget(fit.tia_relative_uncertainty, **SHARED).total for fit in fits]
    ratio = float(np.median(drawn.relative_uncertainty / propagated))
    return Cohort(m, fitted, sampled, processor, ratio)


def main() -> None:
    """Time the fits of a virtual cohort and their replicates, and compare the uncertainties."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=500)
    options.add_argument("--regions", type=int, default=8)
    options.add_argument("--samples", type=int, default=1000)
    options.add_argument("--form", choices=["mono", "uptake"], default="mono")
    asked = options.parse_args()
    found = cohort(
        patients=asked.patients, regions=asked.regions, samples=asked.samples, form=asked.form
    )
    each = 1e6 * found.fitted_seconds / found.curves
    print(f"{found.curves} curves fitted in {found.fitted_seconds:.2f} s ({each:.0f} µs each)")
    print(f"{found.curves * asked.samples} replicates in {found.sampled_seconds:.1f} s")
    print(f"sampled over propagated uncertainty, median: {found.ratio:.3f}")


if __name__ == "__main__":
    main()
