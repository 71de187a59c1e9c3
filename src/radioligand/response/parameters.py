# SPDX-License-Identifier: Apache-2.0
"""ADRS: the response at each visit, and what it makes of each subject."""

import polars as pl

from radioligand.protocol import Evaluation, Protocol
from radioligand.response.best_response import (
    best_of,
    clinical_benefit,
    first_response,
    relapse_as_progression,
    worst_of_date,
)
from radioligand.response.combination import NONE, NUMBERS, PD
from radioligand.response.lesions import imputed, lesions, of_evaluation, with_columns
from radioligand.response.visits import blocks, of_subjects, reference_dates, visit_responses

ADRS = pl.Schema(
    {
        "STUDYID": pl.String,
        "USUBJID": pl.String,
        "ASEQ": pl.Int64,
        "PARAMCD": pl.String,
        "PARAM": pl.String,
        "PARCAT1": pl.String,
        "PARCAT2": pl.String,
        "PARCAT3": pl.String,
        "ADT": pl.Date,
        "ADTF": pl.String,
        "ADY": pl.Int64,
        "AVISIT": pl.String,
        "VISIT": pl.String,
        "VISITNUM": pl.Float64,
        "AVAL": pl.Float64,
        "AVALC": pl.String,
        "ANL01FL": pl.String,
        "ANL02FL": pl.String,
        "ANL03FL": pl.String,
        "RSSTRESC": pl.String,
        "SRCDOM": pl.String,
        "SRCVAR": pl.String,
        "SRCSEQ": pl.Int64,
    }
)

# PARAMCD: PARAM, before "by" the evaluation and what follows that
NAMES = {
    "OVR": ("Overall Response", ""),
    "TRGRESP": ("Target Response", ""),
    "NTGRESP": ("Non-target Response", ""),
    "NEWLES": ("New Lesion", ""),
    "PD": ("Disease Progression", ""),
    "RSP": ("Response", " (confirmation not required)"),
    "CRSP": ("Confirmed Response", ""),
    "BOR": ("Best Overall Response", " (confirmation not required)"),
    "CBOR": ("Best Confirmed Overall Response", ""),
    "BCP": ("Best Overall Response of CR/PR", " (confirmation not required)"),
    "CBCP": ("Best Confirmed Overall Response of CR/PR", ""),
    "CB": ("Clinical Benefit", " (confirmation for response not required)"),
    "CCB": ("Confirmed Clinical Benefit", ""),
    "LSTA": ("Last Disease Assessment", ""),
    "LADQ": ("Last Adequate Disease Assessment up to Progression", ""),
    "MDIS": ("Measurable Disease at Baseline", ""),
    "BLASS": ("Adequate Baseline Assessment", ""),
}
NOT_ADEQUATE = ("NE", "ND")
PER_VISIT = ("OVR", "TRGRESP", "NTGRESP", "NEWLES")
DATED = ("USUBJID", "ADT", "ADTF", "AVISIT", "VISIT", "VISITNUM")
CARRIED = (*DATED, "RSSTRESC", "ANL02FL", "SRCDOM", "SRCVAR", "SRCSEQ")


def derive_adrs(
    tr: pl.DataFrame | None,
    tu: pl.DataFrame | None,
    rs: pl.DataFrame | None,
    adsl: pl.DataFrame,
    *,
    protocol: Protocol,
) -> pl.DataFrame:
    """Derive ADRS for each evaluation of the protocol, from lesions or as readers stated it.

    Per visit after baseline: OVR, the overall response; from lesions also TRGRESP, NTGRESP
    (none at baseline: no row) and NEWLES (Y or N), from readers TRGRESP and NTGRESP as stated.
    AVAL numbers CR 1, PR 2, SD 3, NON-CR/NON-PD 4, PD 5, NE 6, MISSING 7; Y 1 and N 0.

    ANL01FL : Y for a response on or after randomisation and not after the cutoff; of several
        on one date the worst, where not evaluable loses to any answer.
    ANL02FL : ANL01FL up to and including the first progression, and before new anticancer
        therapy unless the protocol counts responses after it. Best responses rest on these.
    ANL03FL : ANL01FL of an adequate assessment: progression; or evaluable and, where lesions
        tell and the protocol asks for it, with every lesion of baseline assessed.
    RSSTRESC : the reader's word, where the response is a reader's. Under RECIST's rule disease
        after a complete response is progression, so that AVALC may differ from it.

    Per subject of ADSL: PD, first progression; RSP and CRSP, first response, unconfirmed and
    confirmed; BOR and CBOR, best overall response; BCP and CBCP, whether that is CR or PR; CB
    and CCB, clinical benefit; LSTA, last assessment; LADQ, last adequate one up to the first
    progression; MDIS, target lesions at baseline; BLASS, where lesions tell, a baseline visit
    with all target lesions measured; DEATH. Y or N, but for BOR, CBOR, LSTA and LADQ.

    SRCDOM SRCVAR SRCSEQ lead to the record that decided: in RS, TR, TU or ADSL.

    An evaluation without its datasets yields nothing. Raises DatasetError as
    `response.lesions.seen` does.
    """
    return pl.concat(
        _derived(
            None if tr is None else of_subjects(tr, block),
            None if tu is None else of_subjects(tu, block),
            None if rs is None else of_subjects(rs, block),
            block,
            protocol=protocol,
        )
        for block in blocks(adsl)
    )


def _derived(
    tr: pl.DataFrame | None,
    tu: pl.DataFrame | None,
    rs: pl.DataFrame | None,
    adsl: pl.DataFrame,
    *,
    protocol: Protocol,
) -> pl.DataFrame:
    frames = []
    for evaluation in protocol.evaluations:
        from_readers = evaluation.overall == "RS"
        visits = None
        if tr is not None and tu is not None:
            dates = protocol.data.response_dates
            visits = visit_responses(
                tr, tu, adsl, evaluation=evaluation, protocol=protocol, dates=dates
            )
        if from_readers and rs is not None:
            told = _stated(rs, adsl, evaluation=evaluation, protocol=protocol)
        elif not from_readers and visits is not None:
            told = _measured(visits)
        else:
            continue
        told = _flagged(told, adsl, protocol=protocol)
        rows = [told, *_subject_rows(told, adsl, protocol=protocol)]
        if tu is not None:
            rows.append(_measurable(tu, adsl, evaluation=evaluation))
        if visits is not None and (visits.height or not from_readers):
            rows.append(_baseline(visits, adsl))
        frames += [_named(row, evaluation) for row in rows]
    return _numbered([*frames, _deaths(adsl)], adsl)


def _measured(visits: pl.DataFrame) -> pl.DataFrame:
    """Return responses per visit from lesions, one row a parameter."""
    in_tu = pl.col("SRCDOM") == "TU"
    dated = visits.filter(~pl.col("BASELINE")).with_columns(
        ADT="RESPDT",
        ADTF="RESPDTF",
        AVISIT="VISIT",
        NEWLES=pl.when("NEWLES").then(pl.lit("Y")).otherwise(pl.lit("N")),
        SRCVAR=pl.when(in_tu).then(pl.lit("TUSTRESC")).otherwise(pl.lit("TRSTRESC")),
        RSSTRESC=pl.lit(None, pl.String),
    )
    index = [*DATED, "ADEQUATE", "RSSTRESC", "SRCDOM", "SRCVAR", "SRCSEQ"]
    return dated.unpivot(
        PER_VISIT, index=index, variable_name="PARAMCD", value_name="AVALC"
    ).filter(pl.col("AVALC") != NONE)


def _stated(
    rs: pl.DataFrame, adsl: pl.DataFrame, *, evaluation: Evaluation, protocol: Protocol
) -> pl.DataFrame:
    """Return responses per visit as readers stated them, one row a parameter."""
    rows = with_columns(
        of_evaluation(rs, "RS", evaluation), ("RSCAT", "VISIT", "VISITNUM", "RSSTAT", "RSDTC")
    )
    recist = pl.col("RSCAT").str.to_uppercase().str.contains(r"(?:^|[^I])RECIST").fill_null(True)
    done = (pl.col("RSSTAT") != "NOT DONE").fill_null(True)
    codes = {"OVRLRESP": "OVR", "TRGRESP": "TRGRESP", "NTRGRESP": "NTGRESP"}
    rows = (
        rows.filter(recist & done & pl.col("RSTESTCD").is_in(list(codes)))
        .join(reference_dates(adsl), on="USUBJID")
        .with_columns(
            imputed("RSDTC", protocol.data.response_dates, date="ADT", flag="ADTF").struct.unnest()
        )
        .filter((pl.col("ADT") <= pl.col("CUTDT")).fill_null(True))
        .select(
            *("USUBJID", "ADT", "ADTF"),
            VISIT=pl.col("VISIT").cast(pl.String),
            AVISIT=pl.col("VISIT").cast(pl.String),
            VISITNUM=pl.col("VISITNUM").cast(pl.Float64),
            PARAMCD=pl.col("RSTESTCD").replace_strict(codes),
            AVALC="RSSTRESC",
            RSSTRESC="RSSTRESC",
            ADEQUATE=~pl.col("RSSTRESC").is_in(NOT_ADEQUATE),
            SRCDOM=pl.lit("RS"),
            SRCVAR=pl.lit("RSSTRESC"),
            SRCSEQ=pl.col("RSSEQ").cast(pl.Int64),
        )
        .sort("USUBJID", "ADT", "SRCSEQ")
    )
    overall = pl.col("PARAMCD") == "OVR"
    told = relapse_as_progression(rows.filter(overall), rules=protocol.response)
    return pl.concat([told, rows.filter(~overall)])


def _flagged(stated: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Add the flags of responses that count to responses per visit."""
    key = ["USUBJID", "PARAMCD", "VISITNUM", "VISIT", "SRCDOM", "SRCSEQ"]
    therapy = with_columns(adsl, ("NACTDT",)).select("USUBJID", pl.col("NACTDT").cast(pl.Date))
    overall = (
        stated.filter(pl.col("PARAMCD") == "OVR")
        .join(reference_dates(adsl), on="USUBJID")
        .filter(pl.col("ADT") >= pl.col("REFDT"))
        .sort("USUBJID", "ADT", "SRCSEQ")
        .pipe(worst_of_date)
        .join(therapy, on="USUBJID", how="left", maintain_order="left")
    )
    progressed = pl.when(pl.col("AVALC") == PD).then("ADT").min().over("USUBJID")
    counts = (pl.col("ADT") <= progressed).fill_null(True)
    if protocol.response.new_therapy == "not counted after":
        counts &= (pl.col("ADT") < pl.col("NACTDT")).fill_null(True)
    yes = pl.lit("Y")
    flags = overall.select(
        *key,
        ANL01FL=yes,
        ANL02FL=pl.when(counts).then(yes),
        ANL03FL=pl.when("ADEQUATE").then(yes),
    ).unique(key)
    return stated.join(flags, on=key, how="left", nulls_equal=True)


def _subject_rows(
    stated: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol
) -> list[pl.DataFrame]:
    """Return the parameters that sum up a subject's responses."""
    rules = protocol.response
    start = reference_dates(adsl).select("USUBJID", STARTDT="REFDT")
    valid = (
        stated.filter((pl.col("PARAMCD") == "OVR") & (pl.col("ANL01FL") == "Y"))
        .sort("USUBJID", "ADT")
        .join(start, on="USUBJID", how="left", maintain_order="left")
    )
    counted = valid.filter(pl.col("ANL02FL") == "Y")
    progression = valid.filter(pl.col("AVALC") == PD).unique(
        "USUBJID", keep="first", maintain_order=True
    )
    first_progression = progression.select("USUBJID", PDDT="ADT")
    adequate = (
        valid.filter(pl.col("ANL03FL") == "Y")
        .join(first_progression, on="USUBJID", how="left", maintain_order="left")
        .filter((pl.col("ADT") <= pl.col("PDDT")).fill_null(True))
    )
    rows = [
        _yes_no("PD", progression, adsl),
        _each("LSTA", _last(valid), adsl),
        _each("LADQ", _last(adequate), adsl),
    ]
    for confirmed, c in ((False, ""), (True, "C")):
        response = first_response(counted, rules=rules, confirmed=confirmed)
        benefit = clinical_benefit(counted, rules=rules, confirmed=confirmed)
        best = best_of(counted, rules=rules, confirmed=confirmed)
        responders = best.filter(pl.col("AVALC").is_in(["CR", "PR"]))
        rows += [
            _yes_no(f"{c}RSP", response, adsl),
            _yes_no(f"{c}CB", benefit, adsl),
            _each(f"{c}BOR", best, adsl, missing="MISSING"),
            _yes_no("CBCP" if confirmed else "BCP", responders, adsl),
        ]
    return rows


def _last(records: pl.DataFrame) -> pl.DataFrame:
    return records.unique("USUBJID", keep="last", maintain_order=True)


def _each(
    code: str, found: pl.DataFrame, adsl: pl.DataFrame, *, missing: str | None = None
) -> pl.DataFrame:
    """Return a parameter for every subject: the record found, or `missing`."""
    return (
        adsl.select("USUBJID")
        .join(found.select("AVALC", *CARRIED), on="USUBJID", how="left")
        .with_columns(
            AVALC=pl.col("AVALC").fill_null(pl.lit(missing, pl.String)),
            PARAMCD=pl.lit(code),
            ANL01FL=pl.lit("Y"),
        )
    )


def _yes_no(code: str, found: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    """Return a parameter for every subject: Y where a record is found, N elsewhere."""
    return _each(code, found.with_columns(AVALC=pl.lit("Y")), adsl, missing="N")


def _answer(code: str, yes: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    """Return a parameter for every subject: Y for those in `yes`."""
    among = pl.col("USUBJID").is_in(yes["USUBJID"].implode())
    return adsl.select(
        "USUBJID",
        PARAMCD=pl.lit(code),
        AVALC=pl.when(among).then(pl.lit("Y")).otherwise(pl.lit("N")),
        ANL01FL=pl.lit("Y"),
    )


def _measurable(tu: pl.DataFrame, adsl: pl.DataFrame, *, evaluation: Evaluation) -> pl.DataFrame:
    return _answer(
        "MDIS", lesions(tu, evaluation=evaluation).filter(pl.col("KIND") == "TARGET"), adsl
    )


def _baseline(visits: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    """Return BLASS: there is a baseline visit, and target lesions, if any, were all measured."""
    diseased = (pl.col("TARGETS") + pl.col("NON_TARGETS")) > 0
    complete = pl.col("COMPLETE") | (pl.col("TARGETS") == 0)
    return _answer("BLASS", visits.filter(pl.col("BASELINE") & diseased & complete), adsl)


def _deaths(adsl: pl.DataFrame) -> pl.DataFrame:
    dead = pl.col("DTHDT").is_not_null() & (pl.col("DTHDT") <= pl.col("CUTDT")).fill_null(True)
    return (
        with_columns(adsl, ("DTHDT", "DTHDTF"))
        .with_columns(pl.col("DTHDT").cast(pl.Date))
        .drop("CUTDT", strict=False)
        .join(reference_dates(adsl), on="USUBJID")
        .select(
            "USUBJID",
            PARAMCD=pl.lit("DEATH"),
            PARAM=pl.lit("Death"),
            PARCAT1=pl.lit("Reference Event"),
            AVALC=pl.when(dead).then(pl.lit("Y")).otherwise(pl.lit("N")),
            ADT=pl.when(dead).then("DTHDT"),
            ADTF=pl.when(dead).then(pl.col("DTHDTF").cast(pl.String)),
            ANL01FL=pl.lit("Y"),
            SRCDOM=pl.when(dead).then(pl.lit("ADSL")),
            SRCVAR=pl.when(dead).then(pl.lit("DTHDT")),
        )
    )


def _named(rows: pl.DataFrame, evaluation: Evaluation) -> pl.DataFrame:
    """Add what says which parameter of which evaluation a row is."""
    names = {code: f"{what} by {evaluation.label}{more}" for code, (what, more) in NAMES.items()}
    code = pl.col("PARAMCD")
    return rows.with_columns(
        PARAM=code.replace_strict(names),
        PARCAT1=pl.when(code != "MDIS").then(pl.lit("Tumor Response")),
        PARCAT2=pl.lit(evaluation.label),
        PARCAT3=pl.lit("RECIST 1.1"),
        PARAMCD=code + pl.lit(evaluation.suffix),
    )


def _numbered(frames: list[pl.DataFrame], adsl: pl.DataFrame) -> pl.DataFrame:
    """Put the rows of all parameters together, with numbers, days and keys."""
    numbers = {**{str(word): number for word, number in NUMBERS.items()}, "Y": 1, "N": 0}
    shape = pl.Schema({n: kind for n, kind in ADRS.items() if n not in ("STUDYID", "ASEQ")})
    names = shape.names()
    shaped = [with_columns(each, tuple(names)).select(names).cast(shape) for each in frames]
    study = with_columns(adsl, ("STUDYID",)).select("STUDYID", "USUBJID")
    day = (pl.col("ADT") - pl.col("REFDT")).dt.total_days()
    return (
        pl.concat(shaped)
        .join(study, on="USUBJID")
        .join(reference_dates(adsl), on="USUBJID")
        .with_columns(
            AVAL=pl.col("AVALC").replace_strict(numbers, default=None, return_dtype=pl.Float64),
            ADY=pl.when(day >= 0).then(day + 1).otherwise(day),
        )
        .sort("USUBJID", "PARAMCD", "ADT", "VISITNUM", "SRCSEQ", nulls_last=True)
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(ADRS.names())
        .cast(ADRS)
    )
