# SPDX-License-Identifier: Apache-2.0
"""The lesions of one evaluation (TU), and what was seen of each of them at each visit (TR).

Sizes are whole millionths of a millimetre (`SIZE`, Int64). Measurements have few decimals, so
nothing is lost, sums are exact, and a threshold such as 0.70 x 90 mm = 63 mm is met exactly,
which it is not in binary fractions.
"""

from fractions import Fraction
from typing import Literal

import polars as pl

from radioligand.cdisc import found, imputed_date, refuse, together
from radioligand.protocol import Evaluation, Imputation, Protocol
from radioligand.protocol import Response as Policies

MICRO = 1_000_000  # parts of a millimetre

# Which test holds the diameter that counts, the first that was done; nodes count by short axis.
LONGEST = {"LDIAM": 0, "LAXIS": 1, "DIAMETER": 2}
SHORT = {"LPERP": 0, "SAXIS": 1, "DIAMETER": 2}
TOO_SMALL = "TOO SMALL TO MEASURE"

# What a stated TUMSTATE means. A state that is not here says nothing: not assessed.
STATES = {
    "ABSENT": "absent",
    "RESOLVED": "absent",
    "PRESENT": "present",
    "INCREASED": "present",
    "DECREASED": "present",
    "STABLE": "present",
    "TOO SMALL TO MEASURE": "present",
    "EQUIVOCAL": "equivocal",
    "UNEQUIVOCAL": "unequivocal",
    "UNEQUIVOCAL PROGRESSION": "unequivocal",
}
CHANGED = ("TUSPLIT", "TUMERGE")

SEEN = pl.Schema(
    {
        "USUBJID": pl.String,
        "VISITNUM": pl.Float64,
        "VISIT": pl.String,
        "DATE": pl.Date,
        "FLAG": pl.String,
        "TULNKID": pl.String,
        "KIND": pl.String,
        "NODE": pl.Boolean,
        "TEST": pl.String,
        "SIZE": pl.Int64,
        "STATE": pl.String,
        "SRCDOM": pl.String,
        "SRCSEQ": pl.Int64,
    }
)


def millionths(mm: float) -> int:
    """Return a length in mm as whole millionths of a millimetre, exactly as it is written."""
    return int(Fraction(repr(mm)) * MICRO)


def of_evaluation(frame: pl.DataFrame, domain: str, evaluation: Evaluation) -> pl.DataFrame:
    """Return the records of one evaluation.

    A variable that `evaluation.where` names and the dataset lacks does not restrict; the empty
    text asks for records in which the variable is blank.
    """
    for stem, value in evaluation.where.items():
        name = f"{domain}{stem}"
        if name in frame.columns:
            wanted = list(value) if isinstance(value, tuple) else [value]
            blank = pl.col(name).is_null() if "" in wanted else pl.lit(False)
            frame = frame.filter(pl.col(name).is_in(wanted).fill_null(False) | blank)
    return frame


def imputed(column: str, rule: Imputation, *, date: str, flag: str) -> pl.Expr:
    """Complete partial dates by the rule of the protocol, as two columns of a struct."""
    highest: Literal["M", "D", "none"] = "M" if rule.month else "D" if rule.day else "none"
    towards = rule.month or rule.day or "first"
    both = imputed_date(column, highest=highest, towards=towards)
    return both.struct.rename_fields([date, flag])


def lesions(tu: pl.DataFrame, *, evaluation: Evaluation) -> pl.DataFrame:
    """Return the lesions of an evaluation, one row each.

    USUBJID, TULNKID, KIND (TARGET, NON-TARGET or NEW), NODE, TULOC, and where it was identified:
    VISITNUM, VISIT, TUDTC, TUSEQ. Of an evaluation of some organs only their lesions. Raises
    DatasetError if a lesion is of two kinds.
    """
    names = ("TULNKID", "TULOC", "TUDTC", "VISIT", "VISITNUM", "TUTESTCD", "TUSEQ")
    known = (
        with_columns(of_evaluation(tu, "TU", evaluation), names)
        .filter(~pl.col("TUTESTCD").is_in(CHANGED).fill_null(False))
        .with_columns(
            KIND=pl.col("TUSTRESC").str.extract(r"^(TARGET|NON-TARGET|NEW)"),
            TULNKID=pl.col("TULNKID").fill_null(pl.col("TUSTRESC")),
        )
        .filter(pl.col("KIND").is_not_null())
        .sort("USUBJID", "TULNKID", "VISITNUM", "TUSEQ")
    )
    one = known.group_by("USUBJID", "TULNKID", maintain_order=True).agg(
        pl.all().first(), pl.col("KIND").n_unique().alias("KINDS")
    )
    two = one.filter(pl.col("KINDS") > 1)
    refuse_if_any(
        two,
        "TU",
        f"a lesion is either target, non-target or new ({evaluation.label})",
        "Correct TUSTRESC, or give the second lesion a TULNKID of its own.",
        of=one.height,
    )
    organ = pl.col("TULOC").str.to_uppercase()
    node = organ.str.contains("LYMPH NODE", literal=True)
    if evaluation.organs:
        one = one.filter(organ.is_in(list(evaluation.organs)))
    return one.select(
        "USUBJID",
        "TULNKID",
        "KIND",
        node.fill_null(False).alias("NODE"),
        "TULOC",
        pl.col("VISITNUM").cast(pl.Float64),
        pl.col("VISIT").cast(pl.String),
        "TUDTC",
        pl.col("TUSEQ").cast(pl.Int64),
    )


def seen(
    tr: pl.DataFrame,
    tu: pl.DataFrame,
    known: pl.DataFrame,
    *,
    evaluation: Evaluation,
    protocol: Protocol,
    dates: Imputation,
) -> pl.DataFrame:
    """Return what an evaluation recorded of its `known` lesions, a row a record, as SEEN shows.

    SIZE is null and STATE null where a lesion was not assessed. A new lesion that TU identifies
    at a visit where TR says nothing of it was seen there unequivocally.

    Raises DatasetError for a lesion that TR measures and TU does not identify, one with two
    different measurements at one visit, a visit without a date, and for split or merged lesions
    unless the protocol takes them as declared.
    """
    policies = protocol.response
    records = _records(of_evaluation(tr, "TR", evaluation), policies)
    if evaluation.organs:
        records = records.join(known, on=["USUBJID", "TULNKID"], how="semi")
    records = _joined_parts(records, tu, evaluation=evaluation, policies=policies)
    records = _identified(records, known, evaluation=evaluation)
    visit = ["USUBJID", "VISITNUM", "VISIT"]
    lesion = ["USUBJID", "TULNKID"]
    identified = (
        known.filter(pl.col("KIND") == "NEW")
        .join(records, on=[*visit, "TULNKID"], how="anti", nulls_equal=True)
        .join(records.filter(pl.col("STATE") == "equivocal"), on=lesion, how="anti")
        .select(
            *visit,
            *("TULNKID", "KIND", "NODE"),
            DTC="TUDTC",
            TEST=pl.lit("TUMIDENT"),
            SIZE=pl.lit(None, pl.Int64),
            STATE=pl.lit("unequivocal"),
            SRCDOM=pl.lit("TU"),
            SRCSEQ="TUSEQ",
        )
    )
    dated = pl.concat([records, identified.select(records.columns)]).with_columns(
        imputed("DTC", dates, date="DATE", flag="FLAG").struct.unnest()
    )
    # what is not dated itself, as a scan that was not done, was at the date of its visit
    of_visit = pl.when(~is_unscheduled()).then(pl.col("DATE").min().over(visit))
    if dated["DATE"].null_count():
        dated = dated.with_columns(pl.col("DATE").fill_null(of_visit))
    findings = pl.col("SIZE").is_not_null() | pl.col("STATE").is_not_null()
    refuse_if_any(
        dated.filter(pl.col("DATE").is_null() & findings),
        "TR",
        f"every visit with findings can be dated ({evaluation.label})",
        "Complete TRDTC (or TUDTC), or declare in the protocol how partial dates are completed.",
        of=dated.height,
    )
    return dated.filter(pl.col("DATE").is_not_null()).select(SEEN.names())


def with_columns(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Return `frame` with null columns for those of `names` that it lacks."""
    absent = [name for name in names if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def refuse_if_any(
    bad: pl.DataFrame, dataset: str, says: str, mend: str, *, of: int, shows: tuple[str, ...] = ()
) -> None:
    """Raise a DatasetError that shows up to three of the `bad` rows, if there are any."""
    if bad.height:
        shows = shows or tuple(c for c in ("USUBJID", "TULNKID", "VISIT") if c in bad.columns)
        examples = bad.sort(shows, nulls_last=True).select(shows).head(3).to_dicts()
        finding = found(dataset, says, mend, broken=bad.height, rows=of, examples=examples)
        refuse(together([finding]))


def _records(tr: pl.DataFrame, policies: Policies) -> pl.DataFrame:
    """Read each record of TR that speaks of one lesion: its size, its state, or neither."""
    tests = [*dict.fromkeys([*LONGEST, *SHORT]), "TUMSTATE"]
    tr = with_columns(
        tr, ("TRLNKID", "TRGRPID", "TRSTAT", "TRORRES", "TRDTC", "VISIT", "VISITNUM")
    ).filter(pl.col("TRTESTCD").is_in(tests))
    text = pl.coalesce("TRSTRESC", "TRORRES").str.to_uppercase().str.strip_chars()
    said = pl.col("TRORRES").str.to_uppercase().str.contains(TOO_SMALL, literal=True)
    small = text.str.contains(TOO_SMALL, literal=True) | said.fill_null(False)
    done = (pl.col("TRSTAT") != "NOT DONE").fill_null(True)
    is_state = pl.col("TRTESTCD") == "TUMSTATE"
    state = text.replace_strict(STATES, default=None)
    size = (
        pl.when(~done).then(None)
        .when(small.fill_null(False)).then(millionths(policies.too_small_mm))
        .when(~is_state).then((pl.col("TRSTRESN") * MICRO).round().cast(pl.Int64))
        .when(state == "absent").then(0)
    )  # fmt: skip
    return tr.select(
        "USUBJID",
        pl.col("VISITNUM").cast(pl.Float64),
        pl.col("VISIT").cast(pl.String),
        pl.col("TRLNKID").fill_null(pl.col("TRGRPID")).alias("TULNKID"),
        pl.col("TRGRPID").alias("GROUP"),
        pl.col("TRDTC").alias("DTC"),
        pl.col("TRTESTCD").alias("TEST"),
        size.alias("SIZE"),
        pl.when(done & is_state).then(state).alias("STATE"),
        pl.lit("TR").alias("SRCDOM"),
        pl.col("TRSEQ").cast(pl.Int64).alias("SRCSEQ"),
    )


def _identified(
    records: pl.DataFrame, known: pl.DataFrame, *, evaluation: Evaluation
) -> pl.DataFrame:
    """Join each record to the lesion it speaks of; TR alone may introduce a new lesion."""
    together_ = records.join(
        known.select("USUBJID", "TULNKID", "KIND", "NODE"), on=["USUBJID", "TULNKID"], how="left"
    ).with_columns(
        pl.col("KIND").fill_null(pl.col("GROUP").str.extract("^(NEW)")),
        pl.col("NODE").fill_null(False),
    )
    lost = together_.filter(pl.col("KIND").is_null() & pl.col("GROUP").is_not_null())
    refuse_if_any(
        lost.unique(["USUBJID", "TULNKID"]),
        "TR",
        f"every lesion that is measured is identified in TU ({evaluation.label})",
        "Identify it in TU by the same link (TRLNKID = TULNKID) and evaluator.",
        of=together_.select("USUBJID", "TULNKID").n_unique(),
    )
    counted = together_.filter(pl.col("KIND").is_not_null()).drop("GROUP")
    day = pl.when(is_unscheduled()).then("DTC")
    repeated = (
        counted.filter(pl.col("SIZE").is_not_null())
        .group_by("USUBJID", "TULNKID", "VISITNUM", "VISIT", day.alias("DAY"), "TEST")
        .agg(pl.col("SIZE").n_unique())
        .filter(pl.col("SIZE") > 1)
    )
    refuse_if_any(
        repeated,
        "TR",
        f"a lesion has one measurement of a kind at a visit ({evaluation.label})",
        "If two readers are mixed, name one in the protocol's evaluation (EVALID or ACPTFL); "
        "if there were two visits, give each its own VISITNUM.",
        of=counted.height,
        shows=("USUBJID", "TULNKID", "VISIT", "TEST"),
    )
    return counted


def is_unscheduled() -> pl.Expr:
    """Return true of records of unscheduled visits, which are told apart by their dates."""
    return pl.col("VISIT").str.to_uppercase().str.starts_with("UNSCHED").fill_null(True)


def _joined_parts(
    records: pl.DataFrame, tu: pl.DataFrame, *, evaluation: Evaluation, policies: Policies
) -> pl.DataFrame:
    """Give split and merged lesions back to the baseline lesions that they came from.

    The parts of a split lesion (TUSPLIT, TUGRPID names the lesion) add up to it. A merged lesion
    (TUMERGE, TUGRPID names the lesions, "T01/T02") counts once: for the first of them; the
    others count 0 mm but are assessed.
    """
    declared = with_columns(
        of_evaluation(tu, "TU", evaluation), ("TULNKID", "TUGRPID", "TUTESTCD")
    ).filter(pl.col("TUTESTCD").is_in(CHANGED))
    if policies.split_and_merged == "refused":
        refuse_if_any(
            declared,
            "TU",
            f"no lesion splits or merges ({evaluation.label})",
            "Check the readings; if they are right, say response.split_and_merged = "
            '"as declared" in the protocol and name the origin of each in TUGRPID.',
            of=tu.height,
            shows=("USUBJID", "TULNKID", "TUTESTCD"),
        )
        return records
    refuse_if_any(
        declared.filter(pl.col("TUGRPID").is_null()),
        "TU",
        f"a lesion that split or merged names its origin in TUGRPID ({evaluation.label})",
        "Write the TULNKID of the lesion that split, or of those that merged as T01/T02.",
        of=declared.height,
        shows=("USUBJID", "TULNKID", "TUTESTCD"),
    )
    origins = (
        declared.select("USUBJID", "TULNKID", ORIGIN=pl.col("TUGRPID").str.split("/"))
        .explode("ORIGIN")
        .unique()
        .with_columns(
            FIRST=pl.col("ORIGIN").min().over("USUBJID", "TULNKID"),
            PARTS=pl.len().over("USUBJID", "ORIGIN"),
        )
    )
    parts = records.join(origins, on=["USUBJID", "TULNKID"]).filter(pl.col("TEST") != "TUMSTATE")
    whole = (
        parts.group_by("USUBJID", "VISITNUM", "VISIT", "ORIGIN", "TEST")
        .agg(
            pl.col("GROUP", "DTC", "STATE", "SRCDOM", "SRCSEQ").first(),
            # a part that was not assessed leaves the whole unknown
            pl.when(pl.col("SIZE").count() == pl.col("PARTS").first())
            .then(pl.col("SIZE").filter(pl.col("ORIGIN") == pl.col("FIRST")).sum())
            .alias("SIZE"),
        )
        .rename({"ORIGIN": "TULNKID"})
    )
    replaced = ["USUBJID", "TULNKID", "VISITNUM", "VISIT"]
    rest = records.join(origins, on=["USUBJID", "TULNKID"], how="anti")
    rest = rest.join(whole, on=replaced, how="anti", nulls_equal=True)
    return pl.concat([rest, whole.select(records.columns)])
