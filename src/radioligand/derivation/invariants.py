# SPDX-License-Identifier: Apache-2.0
"""What must hold in any derived study, whoever derived it: checked on ADaM frames alone."""

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl

from radioligand.derivation.dose_checks import dose_checks, recommendation_checks
from radioligand.derivation.flags import FIRSTS, WORSTS, Check, Frames, Result, flag_checks
from radioligand.protocol import Protocol

SCHEMA = pl.Schema(
    {
        "invariant": pl.String,
        "says": pl.String,
        "datasets": pl.String,
        "checked": pl.Int64,  # subjects or records it was asked of
        "broken": pl.Int64,
        "examples": pl.String,  # up to three keys
    }
)
# what the checks look at, so that no wide copy of a large dataset is made
LOOKED_AT = {
    *("USUBJID", "PARAMCD", "AVAL", "AVALC", "BASE", "PCHG", "ABLFL", "ADT", "ASTDT", "STARTDT"),
    *("CNSR", "ASEQ", "SRCDOM", "SRCSEQ", "VISIT", "VISITNUM", "LSEXP", "LSASS", "PDFL"),
    *("ANL01FL", "ANL02FL", "ANL03FL", "ANL04FL", "DETERFL", "ROOM", "TRTEMFL", "AENDT"),
    *("AESEQ", "AEDECOD", "AEBODSYS", "ATOXGR", "ATOXGRN", "AEITOXGR", *FIRSTS, *WORSTS),
    *("ATOXGRL", "ATOXGRH", "WORSTLFL", "WORSTHFL", "ONTRTFL"),
    *("XRLOC", "PARCAT1", "AVISITN", "AVALLO", "AVALHI", "TRT01P"),
}


def invariants(adam: Frames, *, protocol: Protocol | None = None) -> pl.DataFrame:
    """Check every invariant that the datasets at hand allow; one row each, broken or not.

    Columns: invariant, says, datasets, checked, broken, examples. With a protocol, its
    populations, cycles, evaluations and the meaning it gives to flags are checked too.
    """
    suffixes = tuple(e.suffix for e in protocol.evaluations) if protocol else ("",)
    narrow = {
        name: frame.select(column for column in frame.columns if column in LOOKED_AT)
        if name != "ADSL"
        else frame
        for name, frame in adam.items()
    }
    rows = []
    asked = (*_GENERAL, *dose_checks(), *_of_evaluations(suffixes), *_of(protocol))
    for name, says, datasets, check in asked:
        if not all(dataset in adam for dataset in datasets):
            continue
        found = check(narrow)
        if found is None:
            continue
        checked, broken = found
        keys = [c for c in ("USUBJID", "PARAMCD", "ADT", "ASTDT") if c in broken.columns]
        examples = "; ".join(
            " ".join(str(value) for value in row) for row in broken.select(keys).head(3).rows()
        )
        rows.append((name, says, ", ".join(datasets), checked, broken.height, examples))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def joined(checks: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the invariants of blocks of one study as those of the whole.

    None looks from one subject at another, so what was checked and what is broken add up.
    """
    return (
        pl.concat([pl.DataFrame(schema=SCHEMA), *checks])
        .group_by("invariant", "says", "datasets", maintain_order=True)
        .agg(pl.col("checked").sum(), pl.col("broken").sum(), pl.col("examples"))
        .with_columns(
            examples=pl.col("examples")
            .list.eval(pl.element().filter(pl.element() != ""))
            .list.join("; ")
            .str.extract(r"^((?:[^;]*; ){0,2}[^;]*)")
        )
        .cast(SCHEMA)
    )


def _parameters(frame: pl.DataFrame, left: str, right: str) -> pl.DataFrame | None:
    """Two parameters of one subject side by side, or None if either is absent."""
    sides = [frame.filter(PARAMCD=code) for code in (left, right)]
    if any(side.is_empty() for side in sides):
        return None
    return sides[0].join(sides[1], on="USUBJID", suffix="_R", maintain_order="left")


def _progression_before_death(adam: Frames) -> Result | None:
    both = _parameters(adam["ADTTE"], "PFS", "OS")
    if both is None:
        return None
    return both.height, both.filter(pl.col("AVAL") > pl.col("AVAL_R"))


def _length_matches_dates(adam: Frames) -> Result | None:
    tte = adam["ADTTE"].filter(pl.col("ADT").is_not_null() & pl.col("STARTDT").is_not_null())
    days = (pl.col("ADT") - pl.col("STARTDT")).dt.total_days()
    return tte.height, tte.filter(~(pl.col("AVAL") - days).is_in([0.0, 1.0]))


def _death_is_known(adam: Frames) -> Result | None:
    deaths = adam["ADSL"].filter(pl.col("DTHDT").is_not_null()).select("USUBJID")
    survival = adam["ADTTE"].filter(PARAMCD="OS")
    said = survival.join(deaths.with_columns(DEAD=True), on="USUBJID", how="left")
    wrong = (pl.col("CNSR") == 0) != pl.col("DEAD").fill_null(False)
    return survival.height, said.filter(wrong)


def _source_exists(adam: Frames) -> Result | None:
    """Every time to event that names a record of ADRS is dated by that record."""
    tte, adrs = adam["ADTTE"], adam["ADRS"]
    if not {"SRCDOM", "SRCSEQ"} <= set(tte.columns) or "ASEQ" not in adrs.columns:
        return None
    named = tte.filter((pl.col("SRCDOM") == "ADRS") & pl.col("SRCSEQ").is_not_null())
    records = adrs.select("USUBJID", pl.col("ASEQ").alias("SRCSEQ"), pl.col("ADT").alias("DATED"))
    joined = named.join(records, on=["USUBJID", "SRCSEQ"], how="left")
    return named.height, joined.filter(pl.col("ADT").ne_missing(pl.col("DATED")))


def _change_from_baseline(adam: Frames) -> Result | None:
    sums = adam["ADTR"].filter(
        pl.col("PARAMCD").str.starts_with("SDIAM")
        & (pl.col("BASE") > 0)
        & pl.col("PCHG").is_not_null()
    )
    change = 100 * (pl.col("AVAL") - pl.col("BASE")) / pl.col("BASE")
    return sums.height, sums.filter((pl.col("PCHG") - change).abs() > 1e-9)


def _baseline_is_flagged_record(adam: Frames) -> Result | None:
    sums = adam["ADTR"].filter(pl.col("PARAMCD").str.starts_with("SDIAM"))
    flagged = sums.filter(ABLFL="Y").select("USUBJID", "PARAMCD", FLAGGED="AVAL")
    joined = sums.filter(pl.col("BASE").is_not_null()).join(
        flagged, on=["USUBJID", "PARAMCD"], how="left"
    )
    return joined.height, joined.filter(pl.col("BASE").ne_missing(pl.col("FLAGGED")))


_GENERAL: tuple[Check, ...] = (
    (
        "pfs-os",
        "progression-free survival is not longer than survival",
        ("ADTTE",),
        _progression_before_death,
    ),
    (
        "tte-dates",
        "a time to event is the days between its dates",
        ("ADTTE",),
        _length_matches_dates,
    ),
    (
        "os-death",
        "survival ends in an event exactly for those who died",
        ("ADSL", "ADTTE"),
        _death_is_known,
    ),
    (
        "tte-source",
        "a time to event has the date of the record it names",
        ("ADRS", "ADTTE"),
        _source_exists,
    ),
    (
        "change",
        "a percentage change follows from its value and baseline",
        ("ADTR",),
        _change_from_baseline,
    ),
    (
        "baseline",
        "a baseline is the value of the record flagged as baseline",
        ("ADTR",),
        _baseline_is_flagged_record,
    ),
)


def _of_evaluations(suffixes: tuple[str, ...]) -> Iterator[Check]:
    for suffix in suffixes:
        yield (
            f"confirmed{suffix}",
            "a confirmed response is a response",
            ("ADRS",),
            partial(_implied, narrow=f"CRSP{suffix}", wide=f"RSP{suffix}"),
        )
        for flag, best in (("BCP", "BOR"), ("CBCP", "CBOR")):
            yield (
                f"{flag.lower()}{suffix}",
                f"{flag} is Y exactly for those whose {best} is CR or PR",
                ("ADRS",),
                partial(_flag_of_best, flag=f"{flag}{suffix}", best=f"{best}{suffix}"),
            )
        yield (
            f"best-visit{suffix}",
            "a best response of CR, PR or PD is the response of a visit on its date",
            ("ADRS",),
            partial(_best_is_a_visit, suffix=suffix),
        )


def _implied(adam: Frames, *, narrow: str, wide: str) -> Result | None:
    both = _parameters(adam["ADRS"], narrow, wide)
    if both is None:
        return None
    return both.height, both.filter((pl.col("AVALC") == "Y") & (pl.col("AVALC_R") != "Y"))


def _flag_of_best(adam: Frames, *, flag: str, best: str) -> Result | None:
    both = _parameters(adam["ADRS"], flag, best)
    if both is None:
        return None
    responded = pl.col("AVALC_R").is_in(["CR", "PR"])
    return both.height, both.filter((pl.col("AVALC") == "Y") != responded)


def _best_is_a_visit(adam: Frames, *, suffix: str) -> Result | None:
    adrs = adam["ADRS"]
    best = adrs.filter(
        (pl.col("PARAMCD") == f"BOR{suffix}") & pl.col("AVALC").is_in(["CR", "PR", "PD"])
    )
    visits = adrs.filter(PARAMCD=f"OVR{suffix}").select("USUBJID", "ADT", "AVALC")
    return best.height, best.join(visits, on=["USUBJID", "ADT", "AVALC"], how="anti")


def _of(protocol: Protocol | None) -> Iterator[Check]:
    """The invariants that need the protocol: flags, nested populations, exposure as planned."""
    if protocol is None:
        return
    yield from flag_checks(protocol)
    if protocol.dosimetry:
        yield from recommendation_checks(protocol.dosimetry)
    flags = [population.flag for population in protocol.populations]
    if {"FASFL", "SAFFL"} <= set(flags):

        def nested(adam: Frames) -> Result:
            adsl = adam["ADSL"]
            return adsl.height, adsl.filter((pl.col("SAFFL") == "Y") & (pl.col("FASFL") != "Y"))

        yield "populations", "who was treated was randomised", ("ADSL",), nested
    for arm in protocol.arms:
        for treatment in arm.treatments:
            if (
                treatment.cycles is not None
                and treatment.amount is not None
                and not treatment.accompanies
            ):
                yield (
                    f"cycles-{arm.id.lower()}",
                    f"nobody got more than {treatment.cycles} cycles of {treatment.name}",
                    ("ADEX",),
                    partial(_cycles, most=treatment.cycles),
                )


def _cycles(adam: Frames, *, most: int) -> Result | None:
    cycles = adam["ADEX"].filter(PARAMCD="NCYCLE")
    return cycles.height, cycles.filter(pl.col("AVAL") > most)
