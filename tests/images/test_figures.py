# SPDX-License-Identifier: Apache-2.0
"""Slices stand upright in the figures, however the image was stored."""

from itertools import permutations, product

import numpy as np
import pytest

from radioligand.dosimetry.grids import Grid
from radioligand.image_dosimetry.figures import seen_slice, upright_axes

TURNS = [
    np.array([[sign[c] * (order[c] == r) for c in range(3)] for r in range(3)], float)
    for order in permutations(range(3))
    for sign in product((1, -1), repeat=3)
]
LEFT, BACK, HEAD = range(3)


@pytest.mark.law
@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_head_or_front_is_up_and_left_or_back_is_right(turn):
    affine = np.eye(4)
    affine[:3, :3] = turn * (2.0, 3.0, 4.0)
    grid = Grid(shape=(5, 6, 7), affine=affine)
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
    points = places @ affine[:3, :3].T

    for axis in range(3):
        through = int(np.abs(turn[:, axis]).argmax())
        upright = upright_axes(grid, axis)
        x, y, z = (seen_slice(points[..., i], axis, 2, upright) for i in range(3))
        if through == HEAD:  # seen from the feet, the front up
            assert (np.diff(x, axis=1) > 0).all()
            assert (np.diff(y, axis=0) > 0).all()
        elif through == BACK:
            assert (np.diff(x, axis=1) > 0).all()
            assert (np.diff(z, axis=0) < 0).all()
        else:
            assert (np.diff(y, axis=1) > 0).all()
            assert (np.diff(z, axis=0) < 0).all()
