# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a document's dosimetry, beyond what a single key can know."""

from collections.abc import Iterator, Mapping
from typing import Any

from radioligand.protocol.faults import Fault

Table = Mapping[str, Any]

BORROWS = ("haenscheid", "madsen", "map")  # integrals that take a half-life from a cohort
ACCEPTED_DAYS = (6.63, 6.66)


def dosimetry_faults(document: Table) -> Iterator[Fault]:
    """Names that point nowhere, and keys of `[dosimetry]` that contradict each other."""
    table = document.get("dosimetry")
    if not isinstance(table, Mapping):
        return
    arms = [arm.get("id") for arm in _rows(document, "arms")]
    for arm in table.get("arms", ()):
        if arm not in arms:
            mend = f"Known: {', '.join(map(str, arms))}; or add it."
            yield Fault("dosimetry.arms", f"there is no arm {arm!r}", mend)
    yield from _methods(table)
    yield from _limits(table)
    yield from _target(table)
    if table.get("missing_cycle") == "carry" and "carry_spread" not in table:
        says = "a dose is carried from another cycle without saying how sure that is"
        yield Fault("dosimetry.carry_spread", says, "Give its relative standard deviation.")
    days = table.get("half_life_days")
    if isinstance(days, int | float):
        low, high = ACCEPTED_DAYS
        if not low <= days <= high:
            says = f"{days:g} d is no half-life of 177Lu ({low:g} to {high:g} d)"
            yield Fault("dosimetry.half_life_days", says, "Leave it out to use 6.6443 d.")
        if not str(table.get("half_life_reason", "")).strip():
            mend = "Say why in half_life_reason; results repeat it."
            yield Fault("dosimetry.half_life_reason", "another half-life without a reason", mend)


def _rows(table: Table, key: str) -> list[Table]:
    inside = table.get(key, ())
    return [row for row in inside if isinstance(row, Mapping)] if isinstance(inside, tuple) else []


def _methods(table: Table) -> Iterator[Fault]:
    known = [row.get("id") for row in _rows(table, "priors")]
    for place, row in enumerate(_rows(table, "methods")):
        path, integral, prior = f"dosimetry.methods[{place}]", row.get("integral"), row.get("prior")
        if integral in BORROWS and prior is None:
            says = f"{integral!r} takes a half-life from a cohort, and none is named"
            yield Fault(f"{path}.prior", says, "Name one of [[dosimetry.priors]].")
        if prior is not None and prior not in known:
            mend = f"Known: {', '.join(map(str, known)) or 'none'}; or add it."
            yield Fault(f"{path}.prior", f"there is no prior {prior!r}", mend)
        if integral == "map" and row.get("form", "mono") != "mono":
            says = "a prior of one half-life fits a mono-exponential alone"
            yield Fault(f"{path}.form", says, 'Use form = "mono".')
        if row.get("forms") and integral not in (None, "curve"):
            says = f"{integral!r} has no forms to choose among"
            yield Fault(f"{path}.forms", says, 'Use integral = "curve", or leave forms out.')
        band = row.get("plausible_gy_per_gbq")
        if isinstance(band, tuple) and len(band) == 2 and not band[0] < band[1]:
            yield Fault(
                f"{path}.plausible_gy_per_gbq", f"{band} do not rise", "Put low before high."
            )


def _limits(table: Table) -> Iterator[Fault]:
    for row in _rows(table, "limits"):
        path = f"dosimetry.limits[{row.get('region')}]"
        if row.get("quantity") == "bed":
            for key in ("alpha_beta_gy", "repair_half_time_hours"):
                if key not in row:
                    yield Fault(
                        f"{path}.{key}", "a limit in BED needs it", "Add it with its source."
                    )


def _target(table: Table) -> Iterator[Fault]:
    target = table.get("target")
    if table.get("strategy") == "lesion target" and target is None:
        mend = 'Add [dosimetry.target], or use strategy = "organ limit".'
        yield Fault("dosimetry.target", "lesions shall steer and have no target", mend)
    if isinstance(target, Mapping):
        ends = [target.get(key) for key in ("lower_gy", "aim_gy", "upper_gy")]
        numbers = [one for one in ends if isinstance(one, int | float)]
        if len(numbers) == 3 and not (numbers[0] < numbers[2] and numbers == sorted(numbers)):
            says = f"lower, aim and upper are {', '.join(f'{one:g}' for one in numbers)} Gy"
            yield Fault("dosimetry.target", says, "Let them rise.")
