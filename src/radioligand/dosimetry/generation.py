# SPDX-License-Identifier: Apache-2.0
"""Write the shipped point kernel and sphere table of Lu-177 anew: `make kernels`, two minutes."""

import argparse
from importlib.metadata import version
from pathlib import Path

import numpy as np

from radioligand.dosimetry.tables import Floats, emissions
from radioligand.dosimetry.transport import (
    Tally,
    electron_source,
    photon_source,
    stays_in_sphere,
    transport,
)

SEED, ELECTRONS, PHOTONS = 1, 2_000_000, 10_000_000
MASSES_G = 10 ** (np.arange(-30, 37) / 10)  # 1 mg to 4 kg, at density 1


def remarks(electrons: Tally, photons: Tally, *, seed: int, histories: tuple[int, int]) -> str:
    """Say how a table was made, in lines that begin with #."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("radioligand", "numpy", "numba"))
    return (
        f"# Lu-177 in water, keV per decay; written by `make kernels` ({packages}).\n"
        f"# {histories[0]} histories of electrons, {histories[1]} of photons, seed {seed}, "
        f"{len(electrons.batch_kev)} batches; errors are standard errors of their mean.\n"
        f"# Electrons leave {electrons.kev.sum():.4f} keV; photons {photons.kev.sum():.4f} keV, "
        f"and {photons.escaped_kev:.4f} keV beyond {photons.edge_g_cm2[-1]:.0f} g/cm2.\n"
    )


def error(batches: Floats) -> Floats:
    """Standard error of the mean of batches, (s,)."""
    return np.asarray(batches.std(0, ddof=1) / np.sqrt(len(batches)))


def point_kernel_text(electrons: Tally, photons: Tally) -> str:
    """Rows of the point kernel; shells of electrons beyond the last one reached are left out."""
    lines = ["particle,inner_g_cm2,outer_g_cm2,energy_kev,standard_error_kev"]
    for name, tally in (("electron", electrons), ("photon", photons)):
        reached = np.flatnonzero(tally.kev)[-1] + 1
        edge, energy, wrong = tally.edge_g_cm2, tally.kev, error(tally.batch_kev)
        for i in range(reached):
            cells = f"{edge[i]:.6g},{edge[i + 1]:.6g},{energy[i]:.6g},{wrong[i]:.2g}"
            lines.append(f"{name},{cells}")
    return "\n".join(lines) + "\n"


def spheres_text(electrons: Tally, photons: Tally) -> str:
    """Rows of spheres: energy that evenly spread decays leave inside, from the shells."""
    lines = ["mass_g,electrons_kev,electrons_error_kev,photons_kev,photons_error_kev"]
    for mass in MASSES_G:
        radius = (3 * mass / (4 * np.pi)) ** (1 / 3)
        cells = [f"{mass:.6g}"]
        for tally in (electrons, photons):
            inside = tally.batch_kev @ stays_in_sphere(tally.edge_g_cm2, radius)
            cells += [f"{inside.mean():.6g}", f"{error(inside):.2g}"]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Write both tables into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--electrons", type=int, default=ELECTRONS, help="histories")
    parser.add_argument("--photons", type=int, default=PHOTONS, help="histories")
    given = parser.parse_args(arguments)
    source = emissions()
    electrons = transport(
        electron_source(source), photons=False, histories=given.electrons, seed=given.seed
    )
    photons = transport(
        photon_source(source), photons=True, histories=given.photons, seed=given.seed + 1
    )
    histories = given.electrons, given.photons
    head = remarks(electrons, photons, seed=given.seed, histories=histories)
    given.out.mkdir(parents=True, exist_ok=True)
    kernel, spheres = (given.out / f"lu-177-{name}.csv" for name in ("point-kernel", "spheres"))
    kernel.write_text(head + point_kernel_text(electrons, photons), "utf-8")
    spheres.write_text(head + spheres_text(electrons, photons), "utf-8")


if __name__ == "__main__":
    main()
