# SPDX-License-Identifier: Apache-2.0
"""The constants of 177Lu, and that another half-life needs a reason."""

import pytest

from radioligand.dosimetry.nuclide import LUTETIUM_177, gray_grams, with_half_life


@pytest.mark.by_hand
def test_decay_of_lutetium():
    assert LUTETIUM_177.half_life_hours == pytest.approx(159.4632)
    assert LUTETIUM_177.decay_per_hour == pytest.approx(0.6931471805599453 / 159.4632, rel=1e-14)


@pytest.mark.by_hand
def test_one_megabecquerel_hour_in_a_gram():
    # 3.6e9 decays of 147.923 keV, 1.602176634e-16 J a keV, in 0.001 kg
    assert gray_grams(LUTETIUM_177.electron_kev) == pytest.approx(0.0853195, rel=1e-5)


def test_another_half_life_is_kept_with_its_reason():
    found = with_half_life(LUTETIUM_177, 6.647, reason="the value of ICRP publication 107")
    assert (found.half_life_days, found.reason) == (6.647, "the value of ICRP publication 107")
    assert found.electron_kev == LUTETIUM_177.electron_kev


def test_refuses_an_outdated_half_life_without_reason():
    with pytest.raises(ValueError, match=r"6.71 d lies outside 6.63 to 6.66 d.*say why 6.71 d"):
        with_half_life(LUTETIUM_177, 6.71, reason=" ")
