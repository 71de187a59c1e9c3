# SPDX-License-Identifier: Apache-2.0
"""Biologically effective dose: analytic answers, a double integral, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.radiobiology import bed_gy, eqd2_gy, lea_catcheside

LN2 = math.log(2)
G_AT_2_8_H = {  # closed form, checked by numerical double integration
    "mono": ([100.0], [0.013433084894572582], 0.05147058823529412),
    "bi": ([80.0, 40.0], [0.011552453009332421, 0.13862943611198905], 0.04694631842108569),
    "uptake": ([110.0, -110.0], [0.013862943611198907, 0.8664339756999315], 0.05284472016755481),
    "tri": (
        [90.0, 30.0, -120.0],
        [0.006931471805599453, 0.057762265046662105, 1.3862943611198906],
        0.028669173244396783,
    ),
    "physical": ([50.0], [0.004346753235605113], 2.8 / (2.8 + 24 * 6.6443)),
}
half_lives = st.floats(0.5, 150)


@pytest.mark.by_hand
@pytest.mark.parametrize("name", G_AT_2_8_H)
def test_the_protraction_factor_exactly(name):
    amplitude, rate, expected = G_AT_2_8_H[name]
    found = lea_catcheside(curve(amplitude, rate), repair_half_time_hours=2.8)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.law
@given(half_lives, st.floats(0.1, 50))
def test_a_mono_exponential_has_repair_over_the_sum(half_life, repair):
    found = lea_catcheside(curve([7.0], [LN2 / half_life]), repair_half_time_hours=repair)
    assert found == pytest.approx(repair / (repair + half_life), rel=1e-12)


@pytest.mark.by_hand
def test_a_rate_equal_to_that_of_repair_is_nothing_special():
    rate = LN2 / 2.8
    found = lea_catcheside(curve([5.0, 3.0], [0.01, rate]), repair_half_time_hours=2.8)

    def dose_rate(t):
        return 5 * math.exp(-0.01 * t) + 3 * math.exp(-rate * t)

    def inner(t):  # the integral of the dose rate against repair, by the limit form on paper
        slow = 5 * (math.exp(-0.01 * t) - math.exp(-rate * t)) / (rate - 0.01)
        return slow + 3 * t * math.exp(-rate * t)

    doubled, _ = quad(lambda t: dose_rate(t) * inner(t), 0, 3000, limit=400)
    assert found == pytest.approx(2 * doubled / (500 + 3 / rate) ** 2, rel=1e-6)
    near = lea_catcheside(curve([5.0, 3.0], [0.01, rate * (1 + 1e-9)]), repair_half_time_hours=2.8)
    assert near == pytest.approx(found, rel=1e-7)


@pytest.mark.by_hand
def test_effective_doses_on_paper():
    mono = lea_catcheside(curve([1.0], [LN2 / 51.6]), repair_half_time_hours=2.8)
    assert bed_gy(5.0, protraction=mono, alpha_beta_gy=2.6) == pytest.approx(5.494909502262444)
    uptake = lea_catcheside(
        curve([1.0, -1.0], [LN2 / 49.22, LN2 / 0.82]), repair_half_time_hours=2.8
    )
    assert bed_gy(5.0, protraction=uptake, alpha_beta_gy=2.6) == pytest.approx(
        5.515631293216875, rel=1e-12
    )


@pytest.mark.by_hand
def test_cycles_add_and_their_sum_would_be_more():
    g = 2.8 / (2.8 + 51.6)
    four = bed_gy([5.75] * 4, protraction=g, alpha_beta_gy=2.5).sum()
    assert four == pytest.approx(25.72279411764706, rel=1e-12)
    assert eqd2_gy(four, alpha_beta_gy=2.5) == pytest.approx(14.290441176470587, rel=1e-12)
    assert bed_gy(23.0, protraction=g, alpha_beta_gy=2.5) > four


@pytest.mark.law
@given(
    st.lists(st.tuples(st.floats(0.1, 100), half_lives), min_size=1, max_size=3), st.floats(0.1, 50)
)
def test_protraction_lies_between_nothing_and_all_at_once(terms, repair):
    amplitude, half_life = np.array(terms).T
    found = lea_catcheside(curve(amplitude, LN2 / half_life), repair_half_time_hours=repair)
    assert 0 < found < 1
    slower = lea_catcheside(curve(amplitude, LN2 / half_life), repair_half_time_hours=2 * repair)
    assert slower > found


@pytest.mark.law
@given(st.floats(0, 50), st.floats(0, 1), st.floats(0.5, 20))
def test_the_effective_dose_is_at_least_the_dose(dose, g, alpha_beta):
    assert bed_gy(dose, protraction=g, alpha_beta_gy=alpha_beta) >= dose


@pytest.mark.parametrize("bad", [0.0, -2.0, math.nan])
def test_refuses_what_is_not_positive(bad):
    with pytest.raises(ValueError, match="alpha/beta"):
        bed_gy(5.0, protraction=0.1, alpha_beta_gy=bad)
    with pytest.raises(ValueError, match="alpha/beta"):
        eqd2_gy(5.0, alpha_beta_gy=bad)
    with pytest.raises(ValueError, match="repair half-time"):
        lea_catcheside(curve([1.0], [0.1]), repair_half_time_hours=bad)
    with pytest.raises(ValueError, match="between 0 and 1"):
        bed_gy(5.0, protraction=1.2, alpha_beta_gy=2.6)
