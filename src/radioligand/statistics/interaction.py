# SPDX-License-Identifier: Apache-2.0
"""Whether an effect differs between subgroups: treatment by subgroup in Cox's model."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import chi_square_test, cox
from radioligand.statistics.observations import Floats, Ints, coded, observations
from radioligand.statistics.partial_likelihood import Ties
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionTest(Record):
    """Likelihood-ratio test that the hazard ratio is one and the same in all subgroups."""

    groups: tuple[Any, ...]  # of treatment, reference first
    subgroups: tuple[Any, ...]
    statistic: float
    degrees_of_freedom: int  # subgroups less one
    p_value: float
    log_likelihood: tuple[float, float]  # one hazard ratio for all, and one for each


def interaction_test(
    time: ArrayLike,
    event: ArrayLike,
    treatment: ArrayLike,
    subgroup: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    groups: Sequence[Hashable] | None = None,
    ties: Ties = "efron",
) -> InteractionTest:
    """Test whether the hazard ratio of two arms differs between subgroups.

    Parameters
    ----------
    time, event, strata, ties : as in `cox`.
    treatment : (n,) each subject's arm, of two; sorted, unless `groups` gives the order.
    subgroup : (n,) each subject's subgroup. Its main effect is in both models, but for what the
        strata already hold, as when the subgroup is itself a stratification factor.

    Raises ValueError as `cox` does, such as for a subgroup without events in one arm; if there
    are not two arms; or if there is one subgroup only.

    """
    observations(time, event, treatment=treatment, subgroup=subgroup, strata=strata)
    arms, arm = coded("treatment", treatment, order=groups)
    levels, level = coded("subgroup", subgroup)
    if len(arms) != 2:
        raise ValueError(f"treatment: has {len(arms)} arms, {arms}; an interaction is of two.")
    if len(levels) < 2:
        raise ValueError(f"subgroup: all rows are of {levels[0]!r}; give two or more subgroups.")
    stratum = np.zeros(arm.size, np.intp) if strata is None else coded("strata", strata)[1]

    member = np.stack([(level == code).astype(float) for code in range(1, len(levels))], axis=1)
    kept = [code for code in range(member.shape[1]) if adds(member, code, stratum)]
    told = [str(one) for one in levels[1:]]
    main = np.column_stack([arm, member[:, kept]])
    names = ["treatment", *(f"subgroup {told[code]}" for code in kept)]
    products = [f"treatment in subgroup {one}" for one in told]
    one = cox(time, event, main, strata=strata, ties=ties, names=names)
    each = cox(
        time, event, np.column_stack([main, arm[:, None] * member]),
        strata=strata, ties=ties, names=[*names, *products],
    )  # fmt: skip
    fitted = one.log_likelihood[1], each.log_likelihood[1]
    test = chi_square_test(2 * (fitted[1] - fitted[0]), len(products))
    return InteractionTest(
        groups=arms,
        subgroups=levels,
        statistic=test.statistic,
        degrees_of_freedom=test.degrees_of_freedom,
        p_value=test.p_value,
        log_likelihood=fitted,
    )


def adds(columns: Floats, code: int, stratum: Ints) -> bool:
    """Tell whether a column says something that strata and the columns before it do not."""
    size = np.bincount(stratum)
    means = [np.bincount(stratum, weights=one) / size for one in columns.T]
    within = columns - np.stack(means, axis=1)[stratum]
    before, own = within[:, :code], within[:, code]
    left = own - before @ np.linalg.lstsq(before, own, rcond=None)[0] if code else own
    return bool(left @ left > 1e-9 * (columns[:, code] @ columns[:, code]))
