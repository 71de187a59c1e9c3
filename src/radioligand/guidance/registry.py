# SPDX-License-Identifier: Apache-2.0
"""What a registry asks: how many of its patients each source speaks for, and where they differ."""

import polars as pl

from radioligand.guidance.evaluation import asked, verdicts
from radioligand.guidance.matrix import CONTRARY, FAVOURABLE
from radioligand.guidance.records import Guidelines


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
    contrary = [
        one.id
        for one in asked(guidelines)
        if one.option == option
        and one.stance in CONTRARY
        and guidelines.kind_of(one) != "trial criterion"
    ]
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
