# SPDX-License-Identifier: Apache-2.0
"""Contours that move, and densities by CT: by hand, their laws, and how often an interval holds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radioligand.dosimetry.contours import contour, mean_within
from radioligand.dosimetry.densities import DensityCurve, densities
from radioligand.dosimetry.kernels import voxel_kernel
from radioligand.dosimetry.voxel_uncertainty import replicate_doses

NONE = np.zeros((9, 1, 1), bool)
ROW = NONE.copy()
ROW[3:6] = True
THIN = (4.0, 400.0, 400.0)  # mm: only the ends of the row are near
DOSE = np.array([0, 0, 1, 10, 12, 10, 1, 0, 0], np.float32)  # Gy along the row


def drawn(region, volume, *, others=None, spacing=THIN):
    others = np.zeros(region.shape, bool) if others is None else others
    return contour(region, others=others, spacing_mm=spacing, volume=volume)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("ratio", "mean"),
    [
        (1, 32 / 3),
        (1 / 3, 12),  # the middle alone
        (2 / 3, 11),
        (5 / 3, 34 / 5),  # one voxel more at either end
        (1.5, (32 + 1 + 0.5) / 4.5),  # and half of another
    ],
)
def test_a_contour_moves_along_its_row(ratio, mean):
    assert mean_within(DOSE, drawn(ROW, 0.3), ratio) == pytest.approx(mean)


@pytest.mark.by_hand
def test_a_contour_stays_out_of_other_regions_and_inside_the_image():
    others = NONE.copy()
    others[6:] = True
    one = drawn(ROW, 0.5, others=others)
    assert sorted(one.voxels.tolist()) == [0, 1, 2, 3, 4, 5]
    assert mean_within(DOSE, one, 4 / 3) == pytest.approx(33 / 4)
    assert mean_within(DOSE, one, 50.0) == pytest.approx(33 / 6)  # nothing is left to take in
    edge = np.zeros((4, 1, 1), bool)
    edge[:3] = True
    inwards = drawn(edge, 0.3)
    assert inwards.voxels[0] == 1  # the edge of the image is an edge of the region


def ellipsoid(shape, spacing, half_axes):
    axes = [(np.arange(n) - (n - 1) / 2) * side for n, side in zip(shape, spacing)]
    grid = np.meshgrid(*axes, indexing="ij")
    return sum((one / half) ** 2 for one, half in zip(grid, half_axes)) < 1


@pytest.mark.law
@given(st.floats(0.02, 0.3), st.tuples(*[st.floats(2.0, 6.0)] * 3))
def test_the_drawn_region_stands_first_and_has_its_mean(volume, spacing):
    region = ellipsoid((16, 17, 18), spacing, [4.5 * side for side in spacing])
    dose = gaussian_filter(region.astype(np.float32), 1.5)
    one = drawn(region, volume, spacing=spacing)
    assert region.ravel()[one.voxels[: one.held]].all()
    assert one.held == region.sum()
    assert len(set(one.voxels.tolist())) == one.voxels.size
    assert mean_within(dose.ravel(), one) == pytest.approx(float(dose[region].mean()), rel=1e-6)
    # a hot region in cold surroundings: the wider the contour the lower its mean
    ratios = np.exp(volume * np.array([-3, -1, 0, 1, 3]))
    means = [mean_within(dose.ravel(), one, ratio) for ratio in ratios]
    assert (np.diff(means) < 0).all()


def test_intervals_of_drawn_contours_hold_the_truth():
    # the true organ is known; each reader draws it with a volume that errs by 15 %
    spacing, volume, random = (4.0, 4.0, 4.0), 0.15, np.random.default_rng(5)
    truth = ellipsoid((26, 24, 22), spacing, (34, 28, 24))
    dose = gaussian_filter(np.where(truth, 5.0, 0.2).astype(np.float32), 1.2).ravel()
    true_mean = float(dose[truth.ravel()].mean(dtype=float))
    along = drawn(truth, volume, spacing=spacing)
    ratios = np.exp(volume * 1.959964 * np.array([1.0, -1.0]))
    held, readers = 0, 500
    for _ in range(readers):
        size = round(along.held * math.exp(volume * random.standard_normal()))
        seen = np.zeros(truth.size, bool)
        seen[along.voxels[:size]] = True
        one = drawn(seen.reshape(truth.shape), volume, spacing=spacing)
        lower, upper = (mean_within(dose, one, ratio) for ratio in ratios)
        held += lower <= true_mean <= upper
    assert 0.93 < held / readers < 0.97


def test_replicates_move_contours():
    times = np.array([4.0, 24.0, 96.0])
    region = ellipsoid((18, 18, 18), (4.8,) * 3, (26, 26, 26))
    images = np.where(region, 1.0, 1e-3) * np.exp(-0.014 * times)[:, None, None, None]

    def spread(volume, density_ratio=None):
        found = replicate_doses(
            images.astype(np.float32),
            times,
            [region],
            kernel=voxel_kernel((4.8,) * 3, reach_mm=20, density_g_ml=1.04),
            replicates=60,
            random=np.random.default_rng(1),
            calibration=0.0,
            each_image=0.0,
            each_voxel=0.0,
            volume=volume,
            density_ratio=density_ratio,
        )
        return found.mean_gy[:, 0]

    still, moved = spread(0.0), spread(0.1)
    assert still.std() == pytest.approx(0, abs=1e-12)
    # larger: the mean falls as 1/volume; smaller: it hardly rises
    assert np.median(moved) == pytest.approx(still[0], rel=0.02)
    assert moved.min() / still[0] == pytest.approx(math.exp(-0.1 * 2.2), rel=0.08)
    assert 1.0 < moved.max() / still[0] < 1.1
    heavier = spread(0.0, np.full(region.shape, 1.04 / 1.30, np.float32))
    assert heavier[0] / still[0] == pytest.approx(0.8)


def test_a_region_without_voxels_has_no_contour():
    with pytest.raises(ValueError, match="holds no voxel"):
        drawn(NONE, 0.1)


@pytest.mark.by_hand
def test_densities_by_a_calibration():
    curve = DensityCurve(
        hounsfield=(-1000, 0, 100, 1100),
        density_g_ml=(0.0, 1.0, 1.1, 1.7),
        calibration="a phantom at 120 kV",
    )
    found = densities(
        np.array([-1024, -500, -80, 0, 50, 600, 3000], np.float32), curve=curve, otherwise_g_ml=1.04
    )
    assert found.by_ct == pytest.approx([0, 0.5, 0.92, 1.0, 1.05, 1.4, 1.7], rel=1e-5)
    assert found.is_soft.tolist() == [False, False, True, True, True, False, False]
    assert found.used == pytest.approx([1.04, 1.04, 0.92, 1.0, 1.05, 1.04, 1.04], rel=1e-5)
