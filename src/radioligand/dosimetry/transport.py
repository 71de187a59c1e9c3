# SPDX-License-Identifier: Apache-2.0
"""Monte Carlo of electrons and photons from a point in water: where one decay leaves its energy.

Distances are mass thicknesses in g/cm2, so that nothing depends on density. Electrons slow down
continuously by collisions (Berger and Seltzer; mean excitation energy 78 eV, ICRU 90) in steps of
4 % of their energy and turn once in each, at a point drawn evenly along the step, by an angle whose
mean cosine follows from the first transport cross section (Rutherford, screened after Moliere).
Bremsstrahlung (0.1 % of the energy) and straggling are left out. Photons scatter incoherently
(Klein and Nishina) until they are absorbed; the electrons they free, which range less than
0.5 mm, stop at once. Photoelectric absorption is what NIST's energy absorption leaves after
incoherent scattering. `make kernels` writes the shipped tables anew.
"""

import math
from typing import NamedTuple

import numpy as np

from radioligand.dosimetry.compilation import compiled
from radioligand.dosimetry.tables import Emissions, Floats, columns, table

Random = np.random.Generator

REST_KEV = 510.99895
EXCITATION_KEV = 0.078  # water, ICRU 90
ELECTRONS_PER_GRAM = 6.02214076e23 * 0.555087  # of water
RADIUS_CM = 2.8179403e-13  # classical, of the electron
STEP = 0.04  # share of its energy that an electron loses in a step
LEAST_STEP_KEV = 0.5
STOPS_KEV = 2.0  # an electron of this energy ranges 0.2 um
ABSORBED_KEV = 5.0  # a photon of this energy ranges 0.2 mm
QUANTILES = 4000  # of the beta spectrum

ELECTRON_EDGES: Floats = np.linspace(0.0, 0.2, 401)  # g/cm2; the range at 497 keV is 0.177
PHOTON_EDGES: Floats = np.array([0.0, *np.geomspace(0.002, 126.0, 121).tolist()])  # g/cm2


class Source(NamedTuple):
    """Energies that particles of one kind start with."""

    energy_kev: Floats  # (n,)
    cumulative: Floats  # (n,) probability that a history's energy is this or an earlier one
    number: float  # particles per decay
    at_origin_kev: float  # per decay: energy of those too weak to go anywhere

    @property
    def mean_kev(self) -> float:
        """Energy of the particles of one decay, keV."""
        share = np.diff(self.cumulative, prepend=0.0)
        return self.number * float(self.energy_kev @ share)


class Tally(NamedTuple):
    """Energy per decay left in shells, in batches of histories."""

    edge_g_cm2: Floats  # (s + 1,)
    batch_kev: Floats  # (batches, s)
    escaped_kev: float  # beyond the last edge

    @property
    def kev(self) -> Floats:
        """Mean over the batches, (s,)."""
        return np.asarray(self.batch_kev.mean(0))


def electron_source(emissions: Emissions) -> Source:
    """Beta particles, conversion and Auger electrons of one decay.

    The beta spectrum becomes `QUANTILES` equally likely energies, scaled (by less than 0.1 %)
    so that their mean is that of the branches.
    """
    fine = np.linspace(0.0, emissions.beta_energy_kev[-1], 200_001)
    density = np.interp(fine, emissions.beta_energy_kev, emissions.beta_density)
    cumulative = np.append(0.0, np.cumsum((density[1:] + density[:-1]) / 2))
    middle = (np.arange(QUANTILES) + 0.5) / QUANTILES
    beta = np.interp(middle, cumulative / cumulative[-1], fine)
    beta *= emissions.beta_mean_kev / beta.mean()
    energy = np.append(beta, emissions.electron_energy_kev)
    return _source(
        energy, np.append(np.full(QUANTILES, 1 / QUANTILES), emissions.electron_yield), STOPS_KEV
    )


def photon_source(emissions: Emissions) -> Source:
    """Gamma and x rays of one decay."""
    return _source(emissions.photon_energy_kev, emissions.photon_yield, ABSORBED_KEV)


def _source(energy: Floats, number: Floats, least: float) -> Source:
    goes = energy >= least
    total = float(number[goes].sum())
    at_origin = float(energy[~goes] @ number[~goes])
    return Source(energy[goes], np.cumsum(number[goes]) / total, total, at_origin)


def photoelectric() -> tuple[Floats, Floats]:
    """Logarithms of energy in keV and of the photoelectric cross section of water in cm2/g."""
    energy_mev, absorbed = columns(table("water-photons.csv"))
    transferred = np.array([_transferred(energy * 1e3) for energy in energy_mev])
    return np.log(energy_mev * 1e3), np.log(absorbed - transferred)


def _transferred(energy_kev: float) -> float:
    """Energy given to electrons by incoherent scattering, as a cross section in cm2/g."""
    k = energy_kev / REST_KEV
    kept = np.linspace(1 / (1 + 2 * k), 1.0, 20_001)
    cosine = 1 - (1 - kept) / (k * kept)
    density = 1 / kept + kept - (1 - cosine**2)
    share = np.trapezoid(density * (1 - kept), kept) / np.trapezoid(density, kept)
    return float(share) * klein_nishina(energy_kev)


# --- the physics ----------------------------------------------------------------------------------


@compiled
def stopping_power(energy_kev: float) -> float:
    """Energy an electron loses to collisions in water, keV cm2/g.

    Berger and Seltzer, without the density effect, which is nil below 0.5 MeV.
    """
    tau = energy_kev / REST_KEV
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    f = (1 - beta2) * (1 + tau * tau / 8 - (2 * tau + 1) * math.log(2.0))
    ratio = energy_kev / EXCITATION_KEV
    return 153.536 * 0.555087 / beta2 * (2 * math.log(ratio) + math.log(1 + tau / 2) + f)


@compiled
def turning_rate(energy_kev: float) -> float:
    """Inverse of an electron's first transport mean free path in water, cm2/g."""
    momentum2 = energy_kev * (energy_kev + 2 * REST_KEV)
    beta2 = momentum2 / (energy_kev + REST_KEV) ** 2
    rate = 0.0
    for charge, mass, share in ((1.0, 1.008, 0.111894), (8.0, 15.999, 0.888106)):
        fine = charge / 137.036
        angle2 = REST_KEV**2 * charge ** (2 / 3) / (137.036 * 0.885) ** 2 / momentum2
        screening = 0.25 * angle2 * (1.13 + 3.76 * fine * fine / beta2)
        strength = charge * (charge + 1) * (RADIUS_CM * REST_KEV) ** 2 / (momentum2 * beta2)
        spread = math.log((1 + screening) / screening) - 1 / (1 + screening)
        rate += 6.02214076e23 * share / mass * 2 * math.pi * strength * spread
    return rate


@compiled
def klein_nishina(energy_kev: float) -> float:
    """Cross section of incoherent scattering on the free electrons of water, cm2/g."""
    k = energy_kev / REST_KEV
    log = math.log(1 + 2 * k)
    first = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - log / k)
    return (
        ELECTRONS_PER_GRAM
        * (2 * math.pi * RADIUS_CM**2)
        * (first + log / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2)
    )


@compiled
def scattered_cosine(mean: float, rng: Random) -> float:
    """Draw the cosine of an angle from exp(k cosine), with k such that its mean is `mean`."""
    square = mean * mean
    k = 1 / (1 - mean) if mean > 0.95 else mean * (3 - square) / (1 - square)
    drawn = rng.random()
    return max(-1.0, 1 + math.log(drawn + (1 - drawn) * math.exp(-2 * k)) / k)


@compiled
def turned(
    u: float, v: float, w: float, cosine: float, azimuth: float
) -> tuple[float, float, float]:
    """Turn a direction by the angle of that cosine, about itself by `azimuth`."""
    sine = math.sqrt(max(0.0, 1 - cosine * cosine))
    a, b = sine * math.cos(azimuth), sine * math.sin(azimuth)
    across = math.sqrt(max(0.0, 1 - w * w))
    if across < 1e-6:
        return a, b, math.copysign(cosine, w * cosine)
    return (
        u * cosine + (u * w * a - v * b) / across,
        v * cosine + (v * w * a + u * b) / across,
        w * cosine - a * across,
    )


@compiled
def follow_electron(energy_kev: float, edges: Floats, shells: Floats, rng: Random) -> None:
    """Add the energy of one electron that starts at the origin to the shells where it stays."""
    width, last = edges[1], shells.size - 1
    x, y, z, u, v, w = 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    while energy_kev > 0:
        loss = max(STEP * energy_kev, LEAST_STEP_KEV)
        if energy_kev < STOPS_KEV or loss > energy_kev:
            loss = energy_kev
        middle = energy_kev - loss / 2
        length = 0.0 if energy_kev < STOPS_KEV else loss / stopping_power(middle)
        before = length * rng.random()
        x, y, z = x + u * before, y + v * before, z + w * before
        # the turn lies evenly along the step, so the step's energy is scored there
        shells[min(last, int(math.sqrt(x * x + y * y + z * z) / width))] += loss
        mean = math.exp(-length * turning_rate(middle))
        u, v, w = turned(u, v, w, scattered_cosine(mean, rng), 2 * math.pi * rng.random())
        rest = length - before
        x, y, z = x + u * rest, y + v * rest, z + w * rest
        energy_kev -= loss


@compiled
def follow_photon(
    energy_kev: float,
    edges: Floats,
    shells: Floats,
    log_energy: Floats,
    log_absorption: Floats,
    rng: Random,
) -> float:
    """Add the energy of one photon to the shells where it stays; return what leaves them."""
    x, y, z, u, v, w = 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    while True:
        scattering = klein_nishina(energy_kev)
        absorption = math.exp(np.interp(math.log(energy_kev), log_energy, log_absorption))
        length = -math.log(1 - rng.random()) / (scattering + absorption)
        x, y, z = x + u * length, y + v * length, z + w * length
        radius = math.sqrt(x * x + y * y + z * z)
        if radius >= edges[-1]:
            return energy_kev
        shell = np.searchsorted(edges, radius, side="right") - 1
        if rng.random() * (scattering + absorption) < absorption:
            shells[shell] += energy_kev
            return 0.0
        k = energy_kev / REST_KEV
        least = 1 / (1 + 2 * k)
        while True:  # rejection from the density of the energy kept
            kept = least + (1 - least) * rng.random()
            cosine = 1 - (1 - kept) / (k * kept)
            if rng.random() * (1 / least + least) < 1 / kept + kept - (1 - cosine**2):
                break
        shells[shell] += energy_kev * (1 - kept)
        energy_kev *= kept
        if energy_kev < ABSORBED_KEV:
            shells[shell] += energy_kev
            return 0.0
        u, v, w = turned(u, v, w, cosine, 2 * math.pi * rng.random())


@compiled
def run_batch(
    rng: Random,
    histories: int,
    energy_kev: Floats,
    cumulative: Floats,
    edges: Floats,
    logs: tuple[Floats, Floats],
) -> tuple[Floats, float, float]:
    """Follow histories; return energy left in shells, energy that left them, and energy drawn.

    logs : of the photoelectric cross section for photons, empty for electrons.
    """
    shells = np.zeros(edges.size - 1)
    escaped = drawn = 0.0
    for _ in range(histories):
        energy = energy_kev[np.searchsorted(cumulative, rng.random(), side="right")]
        drawn += energy
        if logs[0].size:
            escaped += follow_photon(energy, edges, shells, logs[0], logs[1], rng)
        else:
            follow_electron(energy, edges, shells, rng)
    return shells, escaped, drawn


# --- from histories to tables ---------------------------------------------------------------------


def transport(
    source: Source, *, photons: bool, histories: int, seed: int, batches: int = 20
) -> Tally:
    """Follow histories of one source; energies are per decay.

    Each batch is scaled by the energy it drew, which leaves no error of the source in the result;
    what is left and what escaped add up to the energy emitted.
    """
    edges = PHOTON_EDGES if photons else ELECTRON_EDGES
    logs = photoelectric() if photons else (np.empty(0), np.empty(0))
    emitted = source.mean_kev
    rows, escaped = [], 0.0
    for stream in np.random.SeedSequence(seed).spawn(batches):
        shells, left, drawn = run_batch(
            np.random.Generator(np.random.PCG64(stream)),
            histories // batches,
            source.energy_kev,
            source.cumulative,
            edges,
            logs,
        )
        shells *= emitted / drawn
        shells[0] += source.at_origin_kev
        rows.append(shells)
        escaped += left * emitted / drawn / batches
    return Tally(edges, np.array(rows), escaped)


def stays_in_sphere(edges: Floats, radius: float) -> Floats:
    """Share of the energy of each shell that stays in a sphere of that radius, (s,).

    A displacement x from a point even in the sphere ends in it with probability
    1 - 3x/4R + x^3/16R^3, as far as the sphere is wide; averaged over the shell.
    """
    share = np.minimum(edges / (2 * radius), 1.0)
    integral = share - 0.75 * share**2 + 0.125 * share**4
    return np.asarray(np.diff(integral) * 2 * radius / np.diff(edges))
