# SPDX-License-Identifier: Apache-2.0
"""What a registry asks: how many of its patients each source speaks for, and where they differ."""

from itertools import combinations

import polars as pl

from radioligand.guidance.evaluation import asked, verdicts
from radioligand.guidance.matrix import CONTRARY, FAVOURABLE, are_opposed, opposition
from radioligand.guidance.records import Guidelines, Statement


def treated(
    patients: pl.DataFrame, *, guidelines: Guidelines, option: str = "radioligand-therapy"
) -> pl.DataFrame:
    """Tell of every patient which sources are in favour of an option.

    USUBJID, and a Boolean column a source that takes a stance on the option: true where a
    statement that is for it or lets it be considered applies; null where none does but one is
    undetermined. What a trial asked of its patients is no stance.
    """
    found = verdicts(patients, guidelines=guidelines)
    by_source: dict[str, list[str]] = {}
    for one in asked(guidelines):
        takes_stance = guidelines.kind_of(one) != "trial criterion" and one.stance in FAVOURABLE
        if one.option == option and takes_stance:
            by_source.setdefault(one.source, []).append(one.id)
    return found.select(
        "USUBJID", **{source: pl.any_horizontal(ids) for source, ids in by_source.items()}
    )


def counted(patients: pl.DataFrame, *, guidelines: Guidelines) -> pl.DataFrame:
    """Count the patients of every statement: STATEMENT, OPTION, STANCE, SOURCE, and three counts.

    APPLIES, DOES_NOT_APPLY and UNDETERMINED add up to the number of patients.
    """
    found = verdicts(patients, guidelines=guidelines).drop("USUBJID")
    statements = asked(guidelines)
    counts = {
        "APPLIES": found.select(pl.all().sum()),
        "DOES_NOT_APPLY": found.select((~pl.all()).sum()),
        "UNDETERMINED": found.null_count(),
    }
    return pl.DataFrame(
        {
            "STATEMENT": [one.id for one in statements],
            "OPTION": [one.option for one in statements],
            "STANCE": [one.stance for one in statements],
            "SOURCE": [one.source for one in statements],
            **{name: pl.Series(frame.row(0), dtype=pl.Int64) for name, frame in counts.items()},
        }
    )


def by_source(
    patients: pl.DataFrame, *, guidelines: Guidelines, option: str = "radioligand-therapy"
) -> pl.DataFrame:
    """Count the patients whom each source would treat with an option.

    SOURCE; IN_FAVOUR, NOT_IN_FAVOUR and UNDETERMINED, which add up to the patients; OPPOSED, the
    patients on whom a statement of the source applies that is against it or for a trial only.
    Sources stand in the documents' order.
    """
    favour = treated(patients, guidelines=guidelines, option=option)
    found = verdicts(patients, guidelines=guidelines)
    contrary = _contrary(guidelines, option)
    rows = []
    for source in guidelines.sources:
        against = [one.id for one in contrary if one.source == source.id]
        if source.id not in favour.columns and not against:
            continue
        none = pl.Series([False] * patients.height, dtype=pl.Boolean)
        own = favour[source.id] if source.id in favour.columns else none
        opposed = found.select(pl.any_horizontal(against or [pl.lit(False)])).to_series()
        counts = (own.sum(), (~own).sum(), own.null_count(), opposed.sum())
        rows.append((source.id, *counts))
    counted_as = ("IN_FAVOUR", "NOT_IN_FAVOUR", "UNDETERMINED", "OPPOSED")
    schema = {"SOURCE": pl.String, **dict.fromkeys(counted_as, pl.Int64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def disputed(patients: pl.DataFrame, *, guidelines: Guidelines) -> pl.DataFrame:
    """Count the patients on whom two statements disagree, as `disagreements` finds them of one.

    KIND, FIRST, SECOND (ids), WHY, COUNT; the most patients first, pairs that disagree on nobody
    left out.
    """
    statements = {one.id: one for one in asked(guidelines)}
    pairs: list[tuple[str, str, str, str]] = []
    holds: list[pl.Expr] = []
    listed: dict[frozenset[str], pl.Expr] = {}
    for conflict in guidelines.conflicts:
        first, second = conflict.between
        if first in statements and second in statements:
            one, other = pl.col(first), pl.col(second)
            differ = (one & other) if conflict.where == "both" else (one != other)
            pairs.append((conflict.kind, first, second, conflict.why))
            holds.append(differ.fill_null(False))
            listed[frozenset(conflict.between)] = holds[-1]
    for one_side, other_side in combinations(statements.values(), 2):
        if are_opposed(one_side, other_side, guidelines):
            kind, why = opposition(one_side, other_side, guidelines)
            pairs.append((kind, one_side.id, other_side.id, why))
            both = (pl.col(one_side.id) & pl.col(other_side.id)).fill_null(False)
            known = listed.get(frozenset((one_side.id, other_side.id)), pl.lit(False))
            holds.append(both & ~known)
    found = verdicts(patients, guidelines=guidelines)
    counts = found.select(**{str(place): one.sum() for place, one in enumerate(holds)})
    schema = dict.fromkeys(("KIND", "FIRST", "SECOND", "WHY"), pl.String)
    return (
        pl.DataFrame(pairs, schema=schema, orient="row")
        .with_columns(COUNT=pl.Series(counts.row(0), dtype=pl.Int64))
        .filter(pl.col("COUNT") > 0)
        .sort(-pl.col("COUNT"), maintain_order=True)
    )


def _contrary(guidelines: Guidelines, option: str) -> list[Statement]:
    return [
        one
        for one in asked(guidelines)
        if one.option == option
        and one.stance in CONTRARY
        and guidelines.kind_of(one) != "trial criterion"
    ]


def agreement(
    patients: pl.DataFrame, *, guidelines: Guidelines, option: str = "radioligand-therapy"
) -> pl.DataFrame:
    """Count the patients by the set of sources in favour of an option, largest set of them first.

    Columns SOURCES (names joined by ", "; "" where none is), COUNT, and OPPOSED: of these, the
    patients on whom a statement against it, or for it in a trial only, applies as well. A source
    whose statements are undetermined on a patient is not in favour.
    """
    favour = treated(patients, guidelines=guidelines, option=option)
    names = [name for name in favour.columns if name != "USUBJID"]
    contrary = [one.id for one in _contrary(guidelines, option)]
    found = verdicts(patients, guidelines=guidelines)
    opposed = found.select(pl.any_horizontal(contrary or [pl.lit(False)]).fill_null(False))
    named = [pl.when(pl.col(name)).then(pl.lit(name)) for name in names]
    sets = favour.select(
        SOURCES=pl.concat_str(named, separator=", ", ignore_nulls=True).fill_null("")
    ).with_columns(OPPOSED=opposed.to_series())
    return (
        sets.group_by("SOURCES")
        .agg(COUNT=pl.len().cast(pl.Int64), OPPOSED=pl.col("OPPOSED").sum().cast(pl.Int64))
        .sort(-pl.col("COUNT"), "SOURCES")
    )
