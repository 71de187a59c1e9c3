# SPDX-License-Identifier: Apache-2.0
"""Best overall response of each subject from the responses at visits, confirmed or not.

`visits` are frames of one row a visit with USUBJID, ADT (date) and AVALC (overall response, a
term of RECIST 1.1), and STARTDT (the day that stable disease is counted from) where it is asked
for. Other columns are carried along with the record that decides. A row without AVALC or ADT
stands for a subject without assessments.
"""

import polars as pl

from radioligand.protocol import Response as Policies
from radioligand.response.combination import CR, NE, NON, PD, PR, SD, SEVERITY

# What may stand between a response and the assessment that confirms it.
BETWEEN = {CR: (CR, NE), PR: (CR, PR, NE)}


def best_overall_response(
    visits: pl.DataFrame, *, rules: Policies, confirmed: bool = False, missing: str = "MISSING"
) -> pl.DataFrame:
    """Return one row a subject: the record that decides, with AVALC the best overall response.

    The best of CR, PR, SD, NON-CR/NON-PD and PD, in this order and at its earliest date, up to
    the first progression. With `confirmed`, CR and PR count only where a later assessment
    confirms them (`confirmations`). A response, confirmed or not, is at least stable disease;
    that and NON-CR/NON-PD count `rules.stable_days` or more after STARTDT. Whatever is left is
    NE; a subject without any assessment is `missing`, with ADT null.

    Where `rules.response_after_complete` is "recist", disease after a complete response is
    progression at that visit (Eisenhauer 2009, table 3, footnote a).

    Source: Eisenhauer et al., Eur J Cancer 2009;45:228-247, section 4.4, table 3.
    """
    ordered = relapse_as_progression(worst_of_date(visits), rules=rules)
    counted = until_progression(ordered)
    best = best_of(counted, rules=rules, confirmed=confirmed)
    rest = visits.unique("USUBJID", maintain_order=True).join(best, on="USUBJID", how="anti")
    nothing = [
        pl.lit(None, visits.schema[name]).alias(name)
        for name in visits.columns
        if name not in ("USUBJID", "AVALC", "STUDYID", "STARTDT")
    ]
    rest = rest.with_columns(*nothing, AVALC=pl.lit(missing))
    return pl.concat([best, rest]).sort("USUBJID")


def worst_of_date(visits: pl.DataFrame) -> pl.DataFrame:
    """Return assessments in order of date, of several on one date the worst.

    Not evaluable loses to any answer; of equal ones the last in the order given is kept. Rows
    without date or with a word that is no response are left out.
    """
    severity = pl.col("AVALC").replace_strict(SEVERITY, default=None, return_dtype=pl.Int8)
    return (
        visits.with_row_index("ORDER")
        .with_columns(SEVERITY=severity)
        .filter(pl.col("SEVERITY").is_not_null() & pl.col("ADT").is_not_null())
        .sort("USUBJID", "ADT", "SEVERITY", "ORDER")
        .unique(["USUBJID", "ADT"], keep="last", maintain_order=True)
        .drop("ORDER", "SEVERITY")
    )


def relapse_as_progression(visits: pl.DataFrame, *, rules: Policies) -> pl.DataFrame:
    """Call disease after a complete response progression, if the protocol follows RECIST there."""
    if rules.response_after_complete == "admiral":
        return visits
    was_complete = (
        (pl.col("AVALC") == CR).cum_max().shift(1, fill_value=False).over("USUBJID", order_by="ADT")
    )
    relapse = was_complete & pl.col("AVALC").is_in([PR, SD, NON])
    return visits.with_columns(AVALC=pl.when(relapse).then(pl.lit(PD)).otherwise("AVALC"))


def until_progression(
    visits: pl.DataFrame, progression: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return the visits up to and including the date of first progression.

    `progression` (USUBJID, ADT) says when that was, if it is not for the visits to say.
    """
    if progression is None:
        progression = visits.filter(pl.col("AVALC") == PD)
    first = progression.group_by("USUBJID").agg(pl.col("ADT").min().alias("PDDT"))
    return (
        visits.join(first, on="USUBJID", how="left", maintain_order="left")
        .filter((pl.col("ADT") <= pl.col("PDDT")).fill_null(True))
        .drop("PDDT")
    )


def best_of(visits: pl.DataFrame, *, rules: Policies, confirmed: bool) -> pl.DataFrame:
    """Return the deciding record of each subject among visits that all count, one a date."""
    response = pl.col("AVALC")
    counts = pl.lit(True)
    if confirmed:
        visits = visits.with_columns(CONFIRMED=confirmations(visits, rules=rules))
        counts = pl.col("CONFIRMED")
    levels = [CR, PR, SD, NON, PD, NE]
    level = (
        pl.when((response == CR) & counts).then(0)
        .when((response == PR) & counts).then(1)
        .when(response.is_in([CR, PR, SD]) & long_enough(rules)).then(2)
        .when((response == NON) & long_enough(rules)).then(3)
        .when(response == PD).then(4)
        .otherwise(5)
    )  # fmt: skip
    return (
        visits.with_columns(LEVEL=level)
        .sort("USUBJID", "LEVEL", "ADT", maintain_order=True)
        .unique("USUBJID", keep="first", maintain_order=True)
        .with_columns(
            AVALC=pl.col("LEVEL").replace_strict(dict(enumerate(levels)), return_dtype=pl.String)
        )
        .drop("LEVEL", "CONFIRMED", strict=False)
    )


def long_enough(rules: Policies) -> pl.Expr:
    """Return whether an assessment is late enough to show stable disease."""
    return (pl.col("ADT") - pl.col("STARTDT")).dt.total_days() >= rules.stable_days


def first_response(
    visits: pl.DataFrame, *, rules: Policies, confirmed: bool = False
) -> pl.DataFrame:
    """Return each responder's first CR or PR (that is confirmed later) among visits that count."""
    responds = pl.col("AVALC").is_in([CR, PR])
    if confirmed:
        responds &= confirmations(visits, rules=rules)
    return visits.filter(responds).unique("USUBJID", keep="first", maintain_order=True)


def clinical_benefit(
    visits: pl.DataFrame, *, rules: Policies, confirmed: bool = False
) -> pl.DataFrame:
    """Return the first record by which a subject had benefit: a response, or stable disease.

    Stable disease (also a response not confirmed, and NON-CR/NON-PD) counts when it is late
    enough. `visits` all count and are in order of date, one a date.
    """
    stable = pl.col("AVALC").is_in([CR, PR, SD, NON]) & long_enough(rules)
    response = first_response(visits, rules=rules, confirmed=confirmed)
    both = pl.concat([response, visits.filter(stable)])
    return both.sort("USUBJID", "ADT").unique("USUBJID", keep="first", maintain_order=True)


def confirmations(visits: pl.DataFrame, *, rules: Policies) -> pl.Series:
    """Return for each visit whether it is a CR or PR that a later assessment confirms.

    The candidate is the first later assessment, `rules.confirmation_days` or more after it, that
    is CR (for CR) or CR or PR (for PR). It confirms if between the two there is nothing else but
    CR and not evaluable, and for PR also PR: not evaluable at most
    `rules.confirmation_not_evaluable` times, stable disease (for PR) at most
    `rules.confirmation_stable` times, and never a PR after a CR. `visits` are in order of date,
    one a date.
    """
    response, subject = pl.col("AVALC"), "USUBJID"
    position = pl.int_range(pl.len()).over(subject)
    latest_cr = pl.when(response == CR).then(position).forward_fill().over(subject)
    rows = visits.select(
        subject,
        "AVALC",
        DAY=pl.col("ADT").cast(pl.Int32),
        POSITION=position,
        NOT_EVALUABLE=(response == NE).cum_sum().over(subject),
        STABLE=(response == SD).cum_sum().over(subject),
        BREAKS_CR=(~response.is_in(BETWEEN[CR])).cum_sum().over(subject),
        BREAKS_PR=(~response.is_in([*BETWEEN[PR], SD])).cum_sum().over(subject),
        # where the CR stands that the latest PR follows
        CR_BEFORE_PR=pl.when(response == PR).then(latest_cr).forward_fill().over(subject),
    ).with_columns(AFTER=pl.col("DAY") + max(rules.confirmation_days, 1))

    def candidates(of: str, by: list[str]) -> pl.DataFrame:
        return rows.filter(response == of).join_asof(
            rows.filter(response.is_in(by)).drop("AFTER"),
            left_on="AFTER",
            right_on="DAY",
            by=subject,
            strategy="forward",
            suffix="_THEN",
            coalesce=False,
            check_sortedness=False,  # in order of date for each subject
        )

    def between(name: str) -> pl.Expr:
        return pl.col(f"{name}_THEN") - pl.col(name)

    evaluable = between("NOT_EVALUABLE") <= rules.confirmation_not_evaluable
    relapsed = pl.col("CR_BEFORE_PR_THEN") > pl.col("POSITION")
    complete = candidates(CR, [CR]).filter(evaluable & (between("BREAKS_CR") == 0))
    partial = candidates(PR, [CR, PR]).filter(
        evaluable
        & (between("BREAKS_PR") == 0)
        & (between("STABLE") <= rules.confirmation_stable)
        & ~relapsed.fill_null(False)
    )
    key = [subject, "POSITION"]
    confirmed = pl.concat([complete.select(key), partial.select(key)])
    return (
        rows.select(key)
        .join(confirmed.with_columns(CONFIRMED=True), on=key, how="left", maintain_order="left")
        .get_column("CONFIRMED")
        .fill_null(False)
    )
