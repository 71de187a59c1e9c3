# SPDX-License-Identifier: Apache-2.0
"""Whether a randomisation list may be used: its form, its balance, and whether it looks random."""

from collections.abc import Iterator, Sequence
from math import erfc, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from radioligand.allocation.fallback import parted
from radioligand.allocation.lists import (
    WHOLE_TRIAL,
    ListError,
    plan_of,
    ratio_text,
    strata,
    unit_of,
)
from radioligand.protocol import Protocol

LEVEL = 1e-3  # chance that a good list is called not random, shared among all tests of the list
ENOUGH_BLOCKS = 30  # for the normal curve
SHOWN = 3  # places named of each fault


def check_list(
    entries: pl.DataFrame,
    protocol: Protocol,
    *,
    blocks: Sequence[int] | None = None,
    entries_per_stratum: int | None = None,
    against: pl.DataFrame | None = None,
    sites: Sequence[str] = (),
) -> pl.DataFrame:
    """Return a list untouched if it may be used for the protocol, or raise every fault of it.

    Columns as `make_list` gives them. Checked: columns and arms; every stratum there, with its
    levels, and no other; SEQUENCE 1, 2, ... in the order of the rows, none twice; the number of
    entries; blocks whole, of the sizes allowed (`blocks`, by default the protocol's one), each
    with the exact ratio; and not the test list given as `against`, in any stratum.

    Where a stratum holds 30 blocks or more, also that its order looks random: the number of runs
    of one arm (all arms but the first taken together), the correlation from block to block, and
    each place of the block, each against what shuffled blocks of these sizes give. A good list
    fails one of these by chance once in a thousand.

    The list of a minimised trial holds draws instead of arms (`make_draws`): STRATUM "all",
    SEQUENCE 1, 2, ..., each DRAW in [0, 1) and none twice, and not those of the test list.

    A fallback list that was appended (`with_fallback`) is checked alike, in as many entries a
    stratum as it has.

    Raises ListError.
    """
    if plan_of(protocol).method == "minimisation":
        return _passed(entries, list(_draw_faults(entries, against)))
    sizes = tuple(blocks or (plan_of(protocol).block_size,))
    length = entries_per_stratum or plan_of(protocol).entries_per_stratum
    main, fallback = entries, None
    if entries.schema.get("STRATUM") == pl.String:
        main, fallback = parted(entries)
    faults = _faults(main, protocol, sizes, length, sites, against)
    if fallback is not None and fallback.height:
        reserved = int(fallback["STRATUM"].value_counts()["count"].max())  # type: ignore[arg-type]
        told = _faults(fallback, protocol, sizes, reserved, sites, None)
        faults += [f"fallback list: {fault}" for fault in told]
    return _passed(entries, faults)


def _passed(entries: pl.DataFrame, faults: Sequence[str]) -> pl.DataFrame:
    """Return a list without faults untouched; raise ListError with all of them otherwise."""
    if faults:
        many = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise ListError("\n  ".join([f"the randomisation list has {many}:", *faults]))
    return entries


def _faults(
    entries: pl.DataFrame,
    protocol: Protocol,
    sizes: Sequence[int],
    length: int,
    sites: Sequence[str],
    against: pl.DataFrame | None,
) -> list[str]:
    faults = list(_form_faults(entries, protocol, sites))
    if not faults:
        faults += _order_faults(entries, length)
        faults += _block_faults(entries, protocol, sizes)
        if not faults:
            faults += _chance_faults(entries, protocol)
        if against is not None:
            faults += _same_faults(entries, against)
    return faults


def _form_faults(entries: pl.DataFrame, protocol: Protocol, sites: Sequence[str]) -> Iterator[str]:
    known = strata(protocol, sites=sites)
    factors = list(next(iter(known.values())))
    wanted = {"STRATUM": pl.String, "SEQUENCE": pl.Int64, "BLOCK": pl.Int64, "ARMCD": pl.String}
    wanted |= dict.fromkeys(factors, pl.String)
    for name, kind in wanted.items():
        if name not in entries.columns:
            yield f"column {name} is missing"
        elif entries.schema[name] != kind:
            yield f"column {name} is {entries.schema[name]}; it has to be {kind}"
        elif entries[name].null_count():
            yield f"column {name} is empty in {entries[name].null_count()} of {entries.height} rows"
    if any(name not in entries.columns or entries.schema[name] != wanted[name] for name in wanted):
        return
    there = set(entries["STRATUM"].drop_nulls().unique())
    for name in known:
        if name not in there:
            yield f"stratum {name} has no entry"
    for name in sorted(there - set(known)):
        yield f"stratum {name} is none of the protocol's: {', '.join(known)}"
    for factor in factors:
        levels = pl.col("STRATUM").replace_strict(
            {name: told[factor] for name, told in known.items()}, default=None
        )
        wrong = entries.filter((pl.col(factor) != levels).fill_null(False))
        if wrong.height:
            yield f"{factor} disagrees with STRATUM in {_places(wrong, entries.height)}"
    arms = [arm.id for arm in protocol.arms]
    strange = entries.filter(~pl.col("ARMCD").is_in(arms).fill_null(True))
    if strange.height:
        yield f"ARMCD is none of {', '.join(arms)} in {_places(strange, entries.height)}"


def _order_faults(entries: pl.DataFrame, length: int) -> Iterator[str]:
    for (name,), rows in entries.group_by("STRATUM", maintain_order=True):
        found = rows["SEQUENCE"].to_numpy()
        twice = rows.filter(pl.col("SEQUENCE").is_duplicated())
        if twice.height:
            yield f"stratum {name}: SEQUENCE is there twice in {_places(twice, rows.height)}"
        elif not np.array_equal(np.sort(found), np.arange(1, rows.height + 1)):
            yield f"stratum {name}: SEQUENCE is not 1 to {rows.height} without a gap"
        elif not np.array_equal(found, np.arange(1, rows.height + 1)):
            yield f"stratum {name}: the rows are not in the order of SEQUENCE"
        if rows.height != length:
            yield f"stratum {name}: {rows.height} entries; there have to be {length}"


def _block_faults(entries: pl.DataFrame, protocol: Protocol, sizes: Sequence[int]) -> Iterator[str]:
    shown = ", ".join(map(str, sorted(set(sizes))))
    unit = unit_of(protocol)
    block = pl.col("BLOCK")
    begins = (block != block.shift(1).over("STRATUM")).fill_null(True)
    numbered = begins.cast(pl.Int64).cum_sum().over("STRATUM")
    loose = entries.filter(block != numbered)
    if loose.height:
        places = _places(loose, entries.height)
        yield f"BLOCK is not 1, 2, ... in one piece each within its stratum in {places}"
        return
    counts = entries.group_by("STRATUM", "BLOCK", maintain_order=True).agg(
        pl.len().alias("SIZE"), *((pl.col("ARMCD") == arm).sum().alias(f"n {arm}") for arm in unit)
    )
    odd = counts.filter(~pl.col("SIZE").is_in(list(sizes)))
    if odd.height:
        found = ", ".join(map(str, sorted(odd["SIZE"].unique())))
        yield f"{odd.height} of {counts.height} blocks have {found} entries; allowed: {shown}"
    share = [
        pl.col(f"n {arm}") * sum(unit.values()) == pl.col("SIZE") * n for arm, n in unit.items()
    ]
    unbalanced = counts.filter(~pl.all_horizontal(share))
    if unbalanced.height:
        first = unbalanced.row(0, named=True)
        yield (
            f"{unbalanced.height} of {counts.height} blocks lack the ratio "
            f"{ratio_text(protocol)}: stratum {first['STRATUM']} block {first['BLOCK']} first"
        )


def _chance_faults(entries: pl.DataFrame, protocol: Protocol) -> list[str]:
    """Tell what shuffled blocks would hardly ever show."""
    first = protocol.arms[0].id
    tests: list[tuple[str, str, float]] = []
    for (name,), rows in entries.group_by("STRATUM", maintain_order=True):
        is_first = (rows["ARMCD"] == first).to_numpy().astype(float)
        starts = np.flatnonzero(np.diff(rows["BLOCK"].to_numpy())) + 1
        blocks = np.split(is_first, starts)
        if len(blocks) >= ENOUGH_BLOCKS:
            tests += [(str(name), says, p) for says, p in _tests(blocks)]
    return [
        f"stratum {name}: {says} (p = {p:.1g})" for name, says, p in tests if p < LEVEL / len(tests)
    ]


def _tests(blocks: Sequence[NDArray[np.float64]]) -> Iterator[tuple[str, float]]:
    """What does not look like shuffled blocks, and its two-sided p by the normal curve.

    In a shuffled block of n places, a of them of the first arm and b not, the number of
    neighbours that differ has mean 2ab / n and variance 2ab(2ab - n) / (n² (n - 1)); Wald and
    Wolfowitz, Ann Math Stat 1940;11:147, less the one run that every block has. Places are of the
    first arm with probability a / n, and blocks are independent.
    """
    arms = [(len(block), float(block.sum())) for block in blocks]
    differ = [float(np.sum(block[1:] != block[:-1])) for block in blocks]
    expected = [2 * a * (n - a) / n for n, a in arms]
    spread = [m * (m - 1) / (n - 1) for m, (n, _) in zip(expected, arms, strict=True)]
    runs = _two_sided(sum(differ) - sum(expected), sum(spread))
    yield "runs of one arm are too many or too few", runs

    share = [a / n for n, a in arms]
    ends = np.array([block[-1] for block in blocks[:-1]]) - share[:-1]
    starts = np.array([block[0] for block in blocks[1:]]) - share[1:]
    variance = np.array([p * (1 - p) for p in share])
    joint = float(variance[:-1] @ variance[1:])
    yield (
        "the end of a block and the start of the next are correlated",
        _two_sided(float(ends @ starts), joint),
    )
    for place in range(max(n for n, _ in arms)):
        long = [at for at, (n, _) in enumerate(arms) if n > place]
        surplus = sum(blocks[at][place] - share[at] for at in long)
        far = _two_sided(float(surplus), float(variance[long].sum()))
        yield f"place {place + 1} of the block favours an arm", far


def _two_sided(surplus: float, variance: float) -> float:
    return erfc(abs(surplus) / sqrt(2 * variance)) if variance > 0 else 1.0


def _same_faults(entries: pl.DataFrame, against: pl.DataFrame) -> Iterator[str]:
    """Tell each stratum whose arms are those of the test list, in the same order."""
    tests = {
        name: rows["ARMCD"].to_list()
        for (name,), rows in against.group_by("STRATUM", maintain_order=True)
    }
    for (name,), rows in entries.group_by("STRATUM", maintain_order=True):
        for other, arms in tests.items():
            if rows["ARMCD"].to_list() == arms:
                yield f"stratum {name} is stratum {other} of the test list"


def _draw_faults(entries: pl.DataFrame, against: pl.DataFrame | None) -> Iterator[str]:
    """Tell what is wrong with the draws of a minimised trial."""
    wanted = {"STRATUM": pl.String, "SEQUENCE": pl.Int64, "DRAW": pl.Float64}
    missing = [name for name, kind in wanted.items() if entries.schema.get(name) != kind]
    if missing:
        yield f"a list of draws has STRATUM, SEQUENCE and DRAW; missing: {', '.join(missing)}"
        return
    if not entries.height:
        yield "the list has no entry"
    elsewhere = entries.filter((pl.col("STRATUM") != WHOLE_TRIAL).fill_null(True))
    if elsewhere.height:
        yield f"STRATUM is not {WHOLE_TRIAL!r} in {_places(elsewhere, entries.height)}"
    if entries["SEQUENCE"].to_list() != [*range(1, entries.height + 1)]:
        yield "SEQUENCE is not 1, 2, ... in the order of the rows"
    strange = entries.filter(~pl.col("DRAW").is_between(0, 1, closed="left").fill_null(False))
    if strange.height:
        yield f"DRAW is none of [0, 1) in {_places(strange, entries.height)}"
    twice = entries.filter(pl.col("DRAW").is_duplicated())
    if twice.height:
        yield f"DRAW is there twice in {_places(twice, entries.height)}"
    if against is not None and against.get_column("DRAW", default=pl.Series()).equals(
        entries["DRAW"]
    ):
        yield "the draws are those of the test list"


def _places(rows: pl.DataFrame, of: int) -> str:
    first = zip(rows["STRATUM"], rows["SEQUENCE"], strict=True)
    named = "; ".join(f"{stratum} entry {sequence}" for stratum, sequence in [*first][:SHOWN])
    return f"{rows.height} of {of} rows ({named})"
