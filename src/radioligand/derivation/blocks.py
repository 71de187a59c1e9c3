# SPDX-License-Identifier: Apache-2.0
"""A large study in blocks of subjects: nothing derived of one subject needs another."""

from collections.abc import Iterable, Mapping

import polars as pl

SUBJECTS = 10_000  # of one block; bounds the memory that a derivation works in


def in_blocks(
    domains: Iterable[tuple[str, pl.DataFrame]], *, ids: pl.Series, subjects: int = SUBJECTS
) -> list[dict[str, pl.DataFrame]]:
    """Split SDTM domains into studies of at most so many subjects, in the order of USUBJID.

    domains : name and frame of each, taken one by one; who gives them away as they are asked for
        holds no domain twice.
    ids : USUBJID of every subject (DM).

    A domain without USUBJID, such as TS, goes with every block.
    """
    ids = ids.unique().sort()
    number = pl.DataFrame({"USUBJID": ids, "BLOCK": pl.arange(ids.len(), eager=True) // subjects})
    blocks: list[dict[str, pl.DataFrame]] = [{} for _ in range(max(1, -(-ids.len() // subjects)))]
    for name, frame in domains:
        if len(blocks) == 1 or "USUBJID" not in frame.columns:
            for block in blocks:
                block[name] = frame
            continue
        parts = frame.join(number, on="USUBJID", maintain_order="left").partition_by(
            "BLOCK", as_dict=True, include_key=False, maintain_order=True
        )
        for place, block in enumerate(blocks):
            block[name] = parts.get((place,), frame.clear())
    return blocks


def gathered(parts: Iterable[Mapping[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """Join the datasets derived of each block, in their order; what `derive` gives of the whole."""
    derived: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for name, frame in part.items():
            derived.setdefault(name, []).append(frame)
    return {name: pl.concat(frames) for name, frames in derived.items()}
