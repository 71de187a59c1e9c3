# SPDX-License-Identifier: Apache-2.0
"""The Monte Carlo keeps energy, knows the ranges of electrons, and wrote the shipped tables."""

import math

import numpy as np
import pytest

from radioligand.dosimetry.generation import main
from radioligand.dosimetry.tables import emissions, point_kernel, sphere_table
from radioligand.dosimetry.transport import (
    electron_source,
    klein_nishina,
    photoelectric,
    photon_source,
    stays_in_sphere,
    stopping_power,
    transport,
)


def test_emissions_add_up_to_the_energy_of_one_decay():
    found = emissions()
    # mean energies of ICRP 107: beta 133.27, conversion 13.52, Auger 1.13 keV
    assert found.electron_kev == pytest.approx(133.27 + 13.52 + 1.13, abs=0.01)
    assert found.photon_kev == pytest.approx(35.1, abs=0.01)


def test_a_source_has_the_energy_of_its_emissions():
    found = emissions()
    for source, energy in (
        (electron_source(found), found.electron_kev),
        (photon_source(found), found.photon_kev),
    ):
        assert source.mean_kev + source.at_origin_kev == pytest.approx(energy, rel=1e-12)


@pytest.mark.by_hand
def test_electrons_lose_what_tables_say():
    # ESTAR, liquid water: 4.115 and 2.034 MeV cm2/g, with a mean excitation energy of 75 eV
    assert stopping_power(100.0) == pytest.approx(4115, rel=0.006)
    assert stopping_power(500.0) == pytest.approx(2034, rel=0.006)


@pytest.mark.by_hand
def test_electrons_range_as_far_as_tables_say():
    energy = np.linspace(1.0, 500.0, 4000)
    slowness = np.array([1 / stopping_power(one) for one in energy])
    steps = (slowness[1:] + slowness[:-1]) / 2 * np.diff(energy)
    # ESTAR, liquid water: 0.0282 and 0.1766 g/cm2
    assert steps[energy[1:] <= 150].sum() == pytest.approx(0.0282, rel=0.01)
    assert steps.sum() == pytest.approx(0.1766, rel=0.01)


@pytest.mark.by_hand
def test_photons_scatter_and_are_absorbed_as_tables_say():
    log_energy, log_absorption = photoelectric()
    absorption = np.exp(np.interp(np.log([20.0, 60.0, 100.0]), log_energy, log_absorption))
    # photoelectric cross section of water, XCOM: 0.544 at 20 keV, 2.76e-3 at 100 keV
    assert absorption[[0, 2]] == pytest.approx([0.544, 2.76e-3], rel=0.02)
    # near Thomson's limit, 0.665 barn an electron, less two parts of E/mc2
    thomson = 0.66525e-24 * 6.02214e23 * 0.555087
    assert klein_nishina(1.0) == pytest.approx(thomson * (1 - 2 / 511), rel=1e-4)


@pytest.mark.parametrize("photons", [False, True])
def test_what_is_left_and_what_escapes_is_what_was_emitted(photons):
    source = (photon_source if photons else electron_source)(emissions())
    tally = transport(source, photons=photons, histories=4000, seed=3, batches=2)

    emitted = source.mean_kev + source.at_origin_kev
    assert tally.kev.sum() + tally.escaped_kev == pytest.approx(emitted, rel=1e-9)
    assert tally.escaped_kev < (0.05 if photons else 1e-12)


def test_a_seed_gives_the_same_histories_again():
    source = electron_source(emissions())
    once, again, other = (
        transport(source, photons=False, histories=400, seed=seed, batches=2) for seed in (1, 1, 2)
    )
    assert (once.batch_kev == again.batch_kev).all()
    assert (once.batch_kev != other.batch_kev).any()


@pytest.mark.by_hand
def test_a_share_stays_in_the_sphere():
    edges = np.array([0.0, 1e-9, 1.0, 1.0 + 1e-9, 2.0, 2.5])
    # of displacements: none, the radius (1 - 3/4 + 1/16), the diameter and beyond
    found = stays_in_sphere(edges, 1.0)
    assert found[[0, 2, 4]] == pytest.approx([1, 5 / 16, 0], abs=1e-6)


def test_points_thrown_into_a_sphere_agree_with_the_share():
    random = np.random.default_rng(5)
    points = random.normal(size=(200_000, 3))
    points *= (random.random(len(points)) ** (1 / 3) / np.linalg.norm(points, axis=1))[:, None]
    points[:, 2] += 0.7
    inside = (np.linalg.norm(points, axis=1) < 1).mean()
    assert stays_in_sphere(np.array([0.7, 0.7 + 1e-9]), 1.0)[0] == pytest.approx(inside, abs=0.004)


def test_the_shipped_tables_hold_the_energy_of_one_decay():
    kernel, found = point_kernel(), emissions()
    assert kernel.electron_kev.sum() == pytest.approx(found.electron_kev, rel=1e-5)
    assert kernel.photon_kev.sum() == pytest.approx(found.photon_kev, rel=1e-4)
    spheres = sphere_table()
    assert (np.diff(spheres.electrons_kev) > 0).all()
    assert (np.diff(spheres.photons_kev) > 0).all()
    assert spheres.electrons_error_kev.max() < 0.05


def test_the_generator_writes_tables_like_the_shipped_ones(tmp_path):
    main(["--out", str(tmp_path), "--electrons", "20000", "--photons", "40000", "--seed", "7"])

    text = (tmp_path / "lu-177-spheres.csv").read_text("utf-8")
    assert "seed 7" in text
    assert "20000 histories of electrons, 40000 of photons" in text
    rows = np.loadtxt(text.splitlines()[4:], delimiter=",")
    shipped = sphere_table()
    again, error = rows[:, 1] + rows[:, 3], np.hypot(rows[:, 2], rows[:, 4])
    assert rows[:, 0] == pytest.approx(shipped.mass_g)
    off = (again - shipped.electrons_kev - shipped.photons_kev) / error
    assert math.sqrt((off**2).mean()) < 3
    kernel = (tmp_path / "lu-177-point-kernel.csv").read_text("utf-8")
    assert (
        kernel.splitlines()[3] == "particle,inner_g_cm2,outer_g_cm2,energy_kev,standard_error_kev"
    )
