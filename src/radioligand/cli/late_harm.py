# SPDX-License-Identifier: Apache-2.0
"""Late harms of virtual trials on the terminal."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from radioligand.cli.pair_simulation import share_text
from radioligand.simulation.late_harm import LateHarmAt, LateHarmOutcome


def late_harm_text(outcomes: Sequence[LateHarmOutcome]) -> Iterator[str]:
    """Each harm, and each arm at the usual and at the high share."""
    for label, of_harm in groupby(outcomes, key=lambda one: one.label):
        arms = list(of_harm)
        first = arms[0]
        deaths = "" if first.deaths else ", nobody dies"
        yield (
            f"  late harm             {label}, {first.months:g} months from entry{deaths}; the "
            f"last subject so long in month {first.month:.0f} ({first.trials:,} trials)"
        )
        for one in arms:
            yield f"  {one.arm:<21} known in {one.known:.1f} of {one.subjects:.1f} subjects"
            for at in (one.usual, one.high):
                yield f"  {'':21} {_at(at, one.high.share)}"


def _at(at: LateHarmAt, high: float) -> str:
    return (
        f"share {100 * at.share:g} %: seen in {share_text(at.seen, at.seen_error)}, cumulative "
        f"incidence {100 * at.incidence:.2f} %, {100 * high:g} % excluded in "
        f"{share_text(at.excluded, at.excluded_error)}"
    )
