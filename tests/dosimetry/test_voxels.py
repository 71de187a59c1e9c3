# SPDX-License-Identifier: Apache-2.0
"""The voxel route: fits against scipy, convolution against sums, a sphere against its dose."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve
from scipy.optimize import curve_fit

from radioligand.dosimetry.dose_volume import dose_volume
from radioligand.dosimetry.kernels import voxel_kernel
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.spheres import sphere_s_value
from radioligand.dosimetry.voxel_fits import FASTEST_PER_HOUR, fit_voxels
from radioligand.dosimetry.voxel_uncertainty import replicate_doses
from radioligand.dosimetry.voxels import (
    body_box,
    convolved_dose,
    local_dose,
    prepare_convolution,
    voxel_dose,
)

TIMES = np.array([3.74, 27.7, 103.1, 124.0])
PHYSICAL = LUTETIUM_177.decay_per_hour


def ball(shape, spacing, radius_mm):
    axes = [(np.arange(n) - (n - 1) / 2) * side for n, side in zip(shape, spacing)]
    a, b, c = np.meshgrid(*axes, indexing="ij")
    return a**2 + b**2 + c**2 < radius_mm**2


# --- fits -----------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_an_exponential_is_found_again():
    rate = np.array([0.0045, 0.0139, 0.03, 0.4])
    amplitude = np.array([1e-4, 1.0, 30.0, 5e5])
    images = amplitude * np.exp(-np.multiply.outer(TIMES[:3], rate))

    found = fit_voxels(images.astype(np.float32), TIMES[:3], decay_per_hour=PHYSICAL)

    assert found.time_integrated == pytest.approx(amplitude / rate, rel=2e-5)
    assert found.rate_per_hour == pytest.approx(rate, rel=2e-5)
    assert found.shared_rate == 0


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_noisy_voxels_agree_with_scipy(noise):
    random = np.random.default_rng(4)
    rate = random.uniform(0.004, 0.03, 150)
    amplitude = np.exp(random.normal(0, 2, 150))
    images = amplitude * np.exp(-np.multiply.outer(TIMES, rate))
    images *= 1 + noise * random.standard_normal(images.shape)
    found = fit_voxels(images.astype(np.float32), TIMES, decay_per_hour=PHYSICAL)

    def exponential(time, a, b):
        return a * np.exp(-b * time)

    for voxel, measured in enumerate(images.T):
        (a, b), _ = curve_fit(
            exponential,
            TIMES,
            measured,
            p0=(measured[0], 0.012),
            sigma=measured,
            bounds=([0, PHYSICAL], [np.inf, FASTEST_PER_HOUR]),
            ftol=1e-13,
            xtol=1e-13,
            gtol=1e-13,
        )
        assert found.time_integrated[voxel] == pytest.approx(a / b, rel=1e-4)


values = st.floats(0, 1e6, width=32).map(lambda one: 0.0 if one < 1e-6 else one)


@pytest.mark.law
@settings(deadline=None, max_examples=40)
@given(arrays(np.float32, (3, 7), elements=values))
def test_no_voxel_is_slower_than_physics_or_less_than_nothing(images):
    images[:, 0] = 1.0  # else an image might be empty
    found = fit_voxels(images, TIMES[:3], decay_per_hour=PHYSICAL)

    measured = images.max(0) > 0
    assert (found.rate_per_hour[measured] >= np.float32(PHYSICAL)).all()
    assert (found.rate_per_hour <= FASTEST_PER_HOUR).all()
    assert np.isfinite(found.time_integrated).all()
    assert (found.time_integrated >= 0).all()
    assert (found.time_integrated[~measured] == 0).all()


@pytest.mark.law
def test_neither_the_unit_nor_the_place_of_a_voxel_matters():
    random = np.random.default_rng(2)
    images = random.uniform(1, 5, (3, 2500)).astype(np.float32)  # more than two blocks
    found = fit_voxels(images, TIMES[:3], decay_per_hour=PHYSICAL)
    turned = fit_voxels(images[:, ::-1] * np.float32(1024), TIMES[:3], decay_per_hour=PHYSICAL)

    again = turned.time_integrated[::-1] / 1024
    assert again == pytest.approx(found.time_integrated, rel=1e-5)


@pytest.mark.by_hand
def test_a_voxel_with_a_hole_gets_the_rate_of_all():
    rate = math.log(2) / 60
    decay = np.exp(-rate * TIMES[:3])
    images = np.outer(decay, [100.0, 100.0, 2.0]).astype(np.float32)
    images[1, 2] = 0

    found = fit_voxels(images, TIMES[:3], decay_per_hour=PHYSICAL)

    totals = images.sum(1, dtype=float)
    shared = -np.polyfit(TIMES[:3], np.log(totals), 1)[0]
    weight = np.exp(-shared * TIMES[:3])
    amplitude = (images[:, 2] * weight).sum() / (weight**2).sum()
    assert found.shared_rate == 1
    assert found.rate_per_hour[2] == pytest.approx(shared, rel=1e-5)
    assert found.time_integrated[2] == pytest.approx(amplitude / shared, rel=1e-5)


@pytest.mark.parametrize(
    ("images", "times", "says"),
    [
        (np.ones((1, 4)), [24.0], "1 images and 1 times"),
        (np.ones((2, 4)), [24.0, 24.0], "do not rise"),
        (np.full((2, 4), np.nan), [24.0, 96.0], "not finite"),
        (np.array([[1.0, 1.0], [0.0, 0.0]]), [24.0, 96.0], "image 2 holds no activity"),
    ],
)
def test_fits_refuse_what_has_no_curve(images, times, says):
    with pytest.raises(ValueError, match=says):
        fit_voxels(images.astype(np.float32), np.array(times), decay_per_hour=PHYSICAL)


# --- convolution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(15, 9, 22), (40, 37, 35)])
def test_convolution_is_the_plain_sum(shape):
    kernel = voxel_kernel((4.0, 5.0, 6.0), reach_mm=40, density_g_ml=1.04)
    held = np.random.default_rng(1).random(shape).astype(np.float32)

    found = convolved_dose(held, prepare_convolution(kernel, shape))

    plain = convolve(held.astype(float), kernel.gray, mode="constant")
    assert found == pytest.approx(plain, rel=2e-5)


@pytest.mark.parametrize("spacing", [(4.8, 4.8, 4.8), (2.4, 2.4, 2.4), (5.0, 4.0, 3.0)])
def test_an_even_sphere_of_150_g_gets_the_dose_of_the_sphere(spacing):
    kernel = voxel_kernel(spacing, reach_mm=80, density_g_ml=1.04)
    radius_mm = 10 * (150 / 1.04 * 3 / (4 * math.pi)) ** (1 / 3)
    inside = ball([int(2 * radius_mm / side) + 5 for side in spacing], spacing, radius_mm)
    held = (inside / (inside.sum() * kernel.voxel_ml)).astype(np.float32)  # 1 MBq h in all

    dose = convolved_dose(held, prepare_convolution(kernel, held.shape))[inside].mean()
    local = local_dose(held, density_g_ml=1.04)[inside].mean()

    mass_g = inside.sum() * kernel.voxel_ml * 1.04
    assert dose == pytest.approx(sphere_s_value(mass_g, density_g_ml=1.04), rel=0.02)
    assert local / dose == pytest.approx(1 - 0.014, abs=0.004)  # its photons are left out


def test_the_air_around_the_body_changes_nothing():
    kernel = voxel_kernel((4.8, 4.8, 4.8), reach_mm=30, density_g_ml=1.04)
    body = np.random.default_rng(3).uniform(1, 2, (1, 12, 10, 11)) * np.exp(
        -0.012 * TIMES[:, None, None, None]
    )
    wide = np.zeros((4, 20, 30, 25), dtype=np.float32)
    wide[:, 3:15, 8:18, 6:17] = body

    small = voxel_dose(body.astype(np.float32), TIMES, kernel=kernel)
    large = voxel_dose(wide, TIMES, kernel=kernel)

    assert large.box == (slice(3, 15), slice(8, 18), slice(6, 17))
    assert large.dose_gy[large.box] == pytest.approx(small.dose_gy, rel=1e-4)
    assert large.dose_gy[0].max() == 0
    wide[:, 0, 0, 0] = 0.01  # a streak outside the body
    assert body_box(wide, least=0.02) == large.box
    assert body_box(wide) == (slice(0, 15), slice(0, 18), slice(0, 17))


def test_a_convolution_serves_its_own_shape_only():
    kernel = voxel_kernel((4.8, 4.8, 4.8), reach_mm=20, density_g_ml=1.04)
    ready = prepare_convolution(kernel, (8, 8, 8))
    with pytest.raises(ValueError, match=r"made ready for \(8, 8, 8\) voxels, not \(8, 8, 9\)"):
        convolved_dose(np.ones((8, 8, 9), np.float32), ready)
    with pytest.raises(ValueError, match="the images are empty"):
        body_box(np.zeros((2, 3, 3, 3), np.float32))


# --- regions --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_doses_of_parts_of_a_region():
    dose = np.arange(1.0, 102.0, dtype=np.float32).reshape(101, 1, 1)  # 1 to 101 Gy, one voxel each
    found = dose_volume(dose, np.ones(dose.shape, bool), voxel_ml=0.5)

    assert found.volume_ml == 50.5
    assert (found.mean_gy, found.least_gy, found.most_gy) == (51, 1, 101)
    assert (found.d98_gy, found.d70_gy, found.d50_gy, found.d2_gy) == (3, 31, 51, 99)
    assert found.volume_fraction[0] == 1
    assert found.volume_fraction[-1] == pytest.approx(1 / 101)
    assert (np.diff(found.volume_fraction) <= 0).all()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        (np.zeros((3, 3, 3), bool), "holds no voxel"),
        (np.ones((3, 3, 4), bool), r"region of \(3, 3, 4\)"),
    ],
)
def test_dose_volume_refuses_no_region(region, says):
    with pytest.raises(ValueError, match=says):
        dose_volume(np.ones((3, 3, 3), np.float32), region, voxel_ml=1.0)


def replicated(seed=1, **errors):
    images = np.full((4, 6, 6, 6), 1.0) * np.exp(-0.014 * TIMES)[:, None, None, None]
    wanted = {"calibration": 0.0, "each_image": 0.0, "each_voxel": 0.0} | errors
    return replicate_doses(
        images.astype(np.float32),
        TIMES,
        [np.ones((6, 6, 6), bool)],
        kernel=voxel_kernel((4.8, 4.8, 4.8), reach_mm=20, density_g_ml=1.04),
        replicates=300,
        random=np.random.default_rng(seed),
        **wanted,
    )


def spread(found):
    return float(np.log(found.mean_gy).std())


def test_a_shared_error_is_not_lessened_by_more_images():
    found = replicated(calibration=0.05)
    assert spread(found) == pytest.approx(0.05, rel=0.12)
    lower, upper = found.interval()
    assert np.log(upper / lower)[0] == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


@pytest.mark.by_hand
def test_errors_of_each_image_spread_the_dose_as_the_fit_does():
    # log TIA = log A - log rate; with x = log y, weights of a straight line by hand
    centred = TIMES - TIMES.mean()
    slope = -centred / (centred @ centred)  # of the rate by each log value
    weights = 1 / 4 + TIMES.mean() * slope - slope / 0.014
    expected = 0.03 * math.sqrt(weights @ weights)
    assert spread(replicated(each_image=0.03)) == pytest.approx(expected, rel=0.12)


def test_noise_of_voxels_averages_out_and_seeds_repeat():
    once, again, other = replicated(each_voxel=0.1), replicated(each_voxel=0.1), replicated(2)
    assert (once.mean_gy == again.mean_gy).all()
    assert 0 < spread(once) < 0.1 / math.sqrt(216) * 2
    assert spread(other) < 1e-5
