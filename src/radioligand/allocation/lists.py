# SPDX-License-Identifier: Apache-2.0
"""Randomisation lists in stratified permuted blocks: made from a seed, and committed to."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import gcd

import polars as pl

from radioligand.allocation.generator import below, shuffled, words
from radioligand.protocol import Protocol
from radioligand.protocol.records import Factor, Randomisation

JOIN = " / "  # between the levels of a stratum's name
WHOLE_TRIAL = "all"  # the one stratum of a trial without factors
SEED_LENGTH = 32  # letters; a seed that can be guessed gives the whole list away


class ListError(ValueError):
    """A randomisation list cannot be made or must not be used; the message tells every fault."""


def plan_of(protocol: Protocol) -> Randomisation:
    """The protocol's randomisation. Raises ListError if it has none."""
    if protocol.randomisation is None:
        raise ListError(f"{protocol.trial.id} does not randomise: it has no [randomisation].")
    return protocol.randomisation


def strata(protocol: Protocol, *, sites: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Name every stratum and tell its level by factor, in the protocol's order.

    A stratum is named by its levels, "2 / PANCREAS". `sites` are needed where the protocol has
    lists by site, and come first then, under SITEID. Raises ListError where they are missing.
    """
    plan = plan_of(protocol)
    if plan.by_site and not sites:
        raise ListError(f"{protocol.trial.id} has a list for each site: name the sites.")
    if plan.method == "minimisation":
        return {WHOLE_TRIAL: {}}
    levels = {"SITEID": tuple(sites)} if plan.by_site else {}
    levels |= {factor.id: tuple(level.id for level in factor.levels) for factor in plan.strata}
    if not levels:
        return {WHOLE_TRIAL: {}}
    return {
        JOIN.join(chosen): dict(zip(levels, chosen, strict=True))
        for chosen in product(*levels.values())
    }


def stratum_of(values: Mapping[str, str], *, protocol: Protocol, site: str = "") -> str:
    """Name the list that a patient of these levels by factor draws from.

    A minimised trial has one for all. Raises ListError for what is no level.
    """
    plan = plan_of(protocol)
    faults = list(_level_faults(values, plan.strata))
    if faults:
        raise ListError("; ".join(faults))
    if plan.method == "minimisation":
        return WHOLE_TRIAL
    chosen = ([site] if plan.by_site else []) + [values[factor.id] for factor in plan.strata]
    return JOIN.join(chosen) or WHOLE_TRIAL


def _level_faults(values: Mapping[str, str], factors: Sequence[Factor]) -> Iterator[str]:
    known = {factor.id for factor in factors}
    for name in values:
        if name not in known:
            yield f"{name} is no factor of this trial; it has {', '.join(sorted(known)) or 'none'}"
    for factor in factors:
        levels = [level.id for level in factor.levels]
        if factor.id not in values:
            yield f"{factor.id} ({factor.label}) is missing; give one of {', '.join(levels)}"
        elif values[factor.id] not in levels:
            yield f"{factor.id} is {values[factor.id]!r}; it is one of {', '.join(levels)}"


def make_list(
    protocol: Protocol,
    *,
    seed: str,
    blocks: Sequence[int] | None = None,
    entries_per_stratum: int | None = None,
    sites: Sequence[str] = (),
) -> pl.DataFrame:
    """Make a randomisation list in permuted blocks, the same to the byte for the same seed.

    Columns: STRATUM, one column a factor with its level, SEQUENCE (from 1 in each stratum), BLOCK
    (from 1), ARMCD. `blocks` are the sizes to draw from at random, each draw among the sizes that
    still allow the stratum to end with a whole block; by default the protocol's one size. The
    seed has 32 letters or more and is kept by the list's maker: it is the list.

    Raises ListError for a short seed, sizes that cannot hold the ratio, and a length that no
    blocks of these sizes fill.
    """
    plan = plan_of(protocol)
    sizes = tuple(sorted(set(blocks or (plan.block_size,))))
    length = entries_per_stratum or plan.entries_per_stratum
    unit = unit_of(protocol)
    faults = [
        f"a block of {size} cannot hold the ratio {ratio_text(protocol)}; use multiples of "
        f"{sum(unit.values())}"
        for size in sizes
        if size < 1 or size % sum(unit.values())
    ]
    if len(seed) < SEED_LENGTH:
        faults.append(
            f"the seed has {len(seed)} letters and could be guessed; use {SEED_LENGTH} or more"
        )
    if not faults and not _fills(length, sizes)[length]:
        shown = ", ".join(map(str, sizes))
        faults.append(f"{length} entries are not whole blocks of {shown}")
    if faults:
        raise ListError("; ".join(faults))
    rows = [
        {"STRATUM": name, **levels, "SEQUENCE": sequence, "BLOCK": block, "ARMCD": arm}
        for name, levels in strata(protocol, sites=sites).items()
        for sequence, (block, arm) in enumerate(_stratum(name, seed, sizes, length, unit), start=1)
    ]
    return pl.DataFrame(rows, schema_overrides={"SEQUENCE": pl.Int64, "BLOCK": pl.Int64})


def ratio_text(protocol: Protocol) -> str:
    """The ratio as it is said: '2:1'."""
    return ":".join(str(arm.ratio) for arm in protocol.arms)


def unit_of(protocol: Protocol) -> dict[str, int]:
    """Arms and their counts in the smallest block that holds the ratio."""
    divisor = gcd(*(arm.ratio for arm in protocol.arms))
    return {arm.id: arm.ratio // divisor for arm in protocol.arms}


def _fills(length: int, sizes: Sequence[int]) -> list[bool]:
    """For each number of places up to `length`: can whole blocks of these sizes fill it?"""
    fills = [True]
    for places in range(1, length + 1):
        fills.append(any(size <= places and fills[places - size] for size in sizes))
    return fills


def _stratum(
    name: str, seed: str, sizes: Sequence[int], length: int, unit: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    """Yield block and arm of each entry of one stratum."""
    source, fills, block = words(seed, purpose=f"arms of {name}"), _fills(length, sizes), 0
    while length:
        block += 1
        fitting = [size for size in sizes if size <= length and fills[length - size]]
        size = fitting[below(len(fitting), source)]
        times = size // sum(unit.values())
        balanced = [arm for arm, count in unit.items() for _ in range(count * times)]
        for arm in shuffled(balanced, source):
            yield block, arm
        length -= size


def make_salts(entries: pl.DataFrame, *, seed: str) -> pl.Series:
    """One secret salt of 32 bytes for each entry, in hexadecimal, from the list's own seed."""
    places = zip(entries["STRATUM"], entries["SEQUENCE"], strict=True)
    salts = []
    for stratum, sequence in places:
        source = words(seed, purpose=f"salt of {stratum}{JOIN}{sequence}")
        salts.append("".join(f"{next(source):016x}" for _ in range(4)))
    return pl.Series("SALT", salts, dtype=pl.String)


def entry_values(entries: pl.DataFrame) -> list[str]:
    """What a list holds in secret, as text: its arms, or the uniform numbers of `make_draws`."""
    if "DRAW" in entries.columns:
        return [repr(draw) for draw in entries["DRAW"]]
    return entries["ARMCD"].to_list()


def list_hash(entries: pl.DataFrame, committed: pl.Series) -> str:
    """One hash of all commitments of a list, in the order of stratum and sequence."""
    placed = entries.select("STRATUM", "SEQUENCE").with_columns(committed)
    ordered = placed.sort("STRATUM", "SEQUENCE")[committed.name]
    return hashlib.sha256("\n".join(ordered).encode()).hexdigest()


def commitments(entries: pl.DataFrame, salts: pl.Series) -> pl.Series:
    """Commit to every entry: SHA-256 of its salt, stratum, sequence and arm, (n,) text.

    The commitments may be known to all: without its salt an entry cannot be tried out, which with
    two arms would need two tries. Each later shows that its entry was never another one.
    """
    told = zip(salts, entries["STRATUM"], entries["SEQUENCE"], entry_values(entries), strict=True)
    digests = [hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest() for parts in told]
    return pl.Series("COMMITMENT", digests, dtype=pl.String)
