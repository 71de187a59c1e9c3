# SPDX-License-Identifier: Apache-2.0
"""Absorbed dose: organs, spheres, cross terms, remainder, marrow; and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.dosimetry.absorbed_dose import (
    SValues,
    cross_dose_gy,
    mass_g,
    mass_slope,
    remainder_dose_gy,
    remainder_s,
    scaled_self_s,
    self_dose_gy,
    sphere_dose_gy,
)
from radioligand.dosimetry.marrow import MarrowDose, marrow_dose, sgouros_ratio, total_marrow_gy

# mGy/(MBq s) to red marrow, of one adult male phantom, and a patient's integrals (MBq h)
TO_MARROW = {"liver": 3.09e-8, "spleen": 3.67e-8, "kidneys": 3.35e-8, "remainder": 2.74e-7}
INTEGRALS = {
    "liver": 56425.334754817464,
    "spleen": 9600.898902876934,
    "kidneys": 14390.858621316577,
    "remainder": 37550.016394303595,
}
TABLE = SValues(
    targets=("kidneys", "liver", "red marrow"),
    sources=("kidneys", "liver", "spleen", "remainder", "total body"),
    s_mgy_per_mbq_s=np.array(
        [
            [7.76e-5, 1.2e-7, 2.65e-7, math.nan, 3.58e-7],
            [1.18e-7, 1.37e-5, 3.12e-8, math.nan, 3.58e-7],
            [3.35e-8, 3.09e-8, 3.67e-8, 2.74e-7, 2.74e-7],
        ]
    ),
    mass_g={"kidneys": 310, "liver": 1800, "spleen": 150, "total body": 73000},
    phantom="an adult male",
    citation="a user's table",
)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("s", "mass", "energy"),
    [(7.76e-5, 310, 150.2), (1.37e-5, 1800, 153.9), (1.60e-4, 150, 149.8), (1.5662e-4, 153, 149.5)],
)
def test_an_s_value_is_an_energy_over_a_mass(s, mass, energy):
    # 1 MBq for 1 h is 3600 MBq s
    assert self_dose_gy(1.0, mass, energy_kev=energy) == pytest.approx(3.6 * s, rel=1e-3)


@pytest.mark.by_hand
def test_a_patients_kidney_from_its_integral():
    # 7593.75 MBq h, mean volume 240.98 mL at 1.05 g/mL: 2.59 Gy self-dose
    mass = mass_g(240.98275, 1.05)
    assert self_dose_gy(7593.752576, mass, energy_kev=149.5) == pytest.approx(2.588, abs=0.002)


@pytest.mark.by_hand
def test_the_marrow_of_a_patient_from_its_organs():
    found = cross_dose_gy("red marrow", INTEGRALS, table=TABLE)
    assert found == pytest.approx(0.046, abs=5e-4)
    on_paper = sum(3.6 * TO_MARROW[name] * INTEGRALS[name] for name in INTEGRALS)
    assert found == pytest.approx(on_paper, rel=1e-12)


@pytest.mark.by_hand
def test_electrons_scale_with_mass_and_photons_less():
    # 7.76e-5 at 310 g is 150.2 keV, 147.9 of electrons; at half the mass 2 and 2^(2/3) times
    found = scaled_self_s(7.76e-5, 310, 155)
    electrons = 147.923 * 1.602176634e-16 / 0.310 * 1e6 * 1e3
    assert found == pytest.approx(2 * electrons + 2 ** (2 / 3) * (7.76e-5 - electrons), rel=1e-12)


@pytest.mark.law
@given(st.floats(1, 3000), st.floats(148, 180))
def test_scaling_to_the_phantoms_own_mass_changes_nothing(mass, energy):
    s = self_dose_gy(1.0, mass, energy_kev=energy) / 3.6
    assert scaled_self_s(s, mass, mass) == pytest.approx(s)
    assert scaled_self_s(s, mass, 2 * mass) >= s / 2


@pytest.mark.by_hand
def test_the_remainder_of_the_body():
    # kidneys and liver measured: 73000 - 2110 g are left
    left = 73000 - 2110
    expected = (3.58e-7 * 73000 - 7.76e-5 * 310 - 1.2e-7 * 1800) / left
    assert remainder_s("kidneys", ("kidneys", "liver"), table=TABLE) == pytest.approx(expected)
    assert remainder_dose_gy("kidneys", 1000.0, ("kidneys", "liver"), table=TABLE) == (
        pytest.approx(3600 * expected)
    )


@pytest.mark.by_hand
def test_a_sphere_of_a_flat_energy_falls_with_its_mass():
    assert mass_slope(10.0, energy=lambda _: 148.0) == pytest.approx(-1)
    # energy as m^0.01 makes the slope -0.99
    assert mass_slope(10.0, energy=lambda m: 148 * m**0.01) == pytest.approx(-0.99)
    assert sphere_dose_gy(100.0, 10.0, energy=lambda _: 148.535) == pytest.approx(0.8567, rel=1e-3)


@pytest.mark.parametrize("mass", [0.001, 1500.0])
def test_refuses_a_sphere_of_unknown_size(mass):
    with pytest.raises(ValueError, match="a sphere is known from 4 mg to 1000 g"):
        sphere_dose_gy(10.0, mass, energy=lambda _: 148.0)


def test_refuses_a_volume_as_a_mass():
    with pytest.raises(ValueError, match=r"density 0 g/mL.*a volume is no mass"):
        mass_g(230.0, 0.0)
    with pytest.raises(ValueError, match=r"volume -3 mL.*density 3 g/mL"):
        mass_g(-3.0, 3.0)


def test_refuses_an_s_value_that_loses_electrons():
    with pytest.raises(ValueError, match=r"leaves 84\.0 keV per decay, less than the electrons"):
        scaled_self_s(1.15e-5, 1170, 1000)


@pytest.mark.parametrize(
    ("target", "source", "says"),
    [
        ("pancreas", "liver", "no S value of target 'pancreas'"),
        ("liver", "pancreas", "source 'pancreas'; targets: kidneys, liver"),
        ("liver", "remainder", "is silent on 'liver' <- 'remainder'"),
    ],
)
def test_refuses_what_the_table_does_not_know(target, source, says):
    with pytest.raises(ValueError, match=says):
        TABLE.value(target, source)


@pytest.mark.by_hand
def test_marrow_by_blood_and_by_image():
    # 20 MBq h/L in blood is 0.02 per mL; S·m = 1.15e-5 * 1170; density 1.06
    by_blood = marrow_dose(
        0.02, method="blood", self_s_mgy_per_mbq_s=1.15e-5, reference_mass_g=1170,
        density_g_per_ml=1.06, cross_gy=0.046, blood_ratio=1.0,
    )  # fmt: skip
    assert by_blood.self_gy == pytest.approx(3.6 * 1.15e-5 * 1170 * 0.02 / 1.06)
    assert by_blood.dose_gy == pytest.approx(by_blood.self_gy + 0.046)
    assert sgouros_ratio(0.43) == pytest.approx(1 / 3)
    assert by_blood.says == "blood: ratio to blood 1"


@pytest.mark.by_hand
def test_the_method_decides_the_marrow_of_a_cohort():
    # means of 16 patients, Gy/GBq, at 4 x 7.4 GBq
    image = [MarrowDose(method="image", self_gy=7.4 * 0.0697, cross_gy=0, says="")] * 4
    blood = [MarrowDose(method="blood", self_gy=7.4 * 0.0164, cross_gy=0, says="")] * 4
    assert total_marrow_gy(image) == pytest.approx(2.06, abs=0.005)
    assert total_marrow_gy(blood) == pytest.approx(0.485, abs=0.005)
    with pytest.raises(ValueError, match="marrow by blood and by image in one total"):
        total_marrow_gy([image[0], blood[0]])


def test_refuses_marrow_without_its_declared_ratio():
    given_ = {"self_s_mgy_per_mbq_s": 1e-5, "reference_mass_g": 1170, "density_g_per_ml": 1.06}
    with pytest.raises(ValueError, match=r"needs the ratio of marrow to blood.*concentration 0"):
        marrow_dose(0.0, method="blood", cross_gy=0, **given_)
    with pytest.raises(ValueError, match=r"by image takes no ratio.*cross dose -1"):
        marrow_dose(0.1, method="image", cross_gy=-1, blood_ratio=1.0, **given_)
