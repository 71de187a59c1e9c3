# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document's planned cohorts, beyond what a single key can know."""

from collections.abc import Iterator, Mapping
from typing import Any

from radioligand.protocol.faults import Fault

Table = Mapping[str, Any]

SHARES_APART = 1e-6  # by which shares of accrual may miss one


def cohort_faults(document: Table) -> Iterator[Fault]:
    """All cohorts are planned or none, their shares make one, and looks have their limits."""
    given = document.get("cohorts", ())
    cohorts = [one for one in given if isinstance(one, Mapping)] if given else []
    planned = {
        str(one.get("id")): one["planning"]
        for one in cohorts
        if isinstance(one.get("planning"), Mapping)
    }
    if not planned:
        return
    if "planning" not in document:
        mend = "Add it: it is the plan of all cohorts together."
        yield Fault("cohorts", "they are planned, and there is no [planning]", mend)
    if len(planned) < len(cohorts):
        mend = "Give every cohort its [cohorts.planning], or none."
        yield Fault("cohorts", f"{', '.join(planned)} alone have assumptions", mend)
    shares = [one.get("accrual_share") for one in planned.values()]
    known = [one for one in shares if isinstance(one, float)]
    if len(known) == len(cohorts) and abs(sum(known) - 1) > SHARES_APART:
        says = f"the shares of accrual sum to {sum(known):g}"
        yield Fault("cohorts", says, "Let accrual_share of all cohorts sum to 1.")
    for name, one in planned.items():
        yield from _looks(f"cohorts[{name}].planning", one)


def _looks(path: str, planning: Table) -> Iterator[Fault]:
    interim = planning.get("interim")
    looks = interim.get("events", ()) if isinstance(interim, Mapping) else ()
    limits = planning.get("futility_z", ())
    if not isinstance(looks, tuple) or not isinstance(limits, tuple):
        return  # told where the record is read
    if list(looks) != sorted(set(looks)):
        yield Fault(f"{path}.interim.events", f"{looks} do not rise", "Put them in order.")
    if limits and len(limits) != len(looks) - 1:
        says = f"{len(limits)} limits for {max(len(looks) - 1, 0)} looks before the last"
        mend = "Give a z for each look of interim.events but the last."
        yield Fault(f"{path}.futility_z", says, mend)
