# SPDX-License-Identifier: Apache-2.0
"""Every flag of a derived study, found again from the records it stands on.

The stages set flags while they derive. Here each is worked out once more from the finished
datasets alone, so that a flag which no longer follows from its records is told, whoever set it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import polars as pl

from radioligand import criteria
from radioligand.protocol import Protocol
from radioligand.subjects import baseline_levels

Frames = Mapping[str, pl.DataFrame]
Result = tuple[int, pl.DataFrame]  # how many were checked, the broken rows
Check = tuple[str, str, tuple[str, ...], Callable[[Frames], Result | None]]

FROM_WORST = ("PD", "SD", "NON-CR/NON-PD", "PR", "CR", "NE")  # NE loses to any answer
SCALE_DECIMALS = 9  # ten points are ten points, whatever binary fractions make of them
FIRSTS = {
    "AOCCFL": ("USUBJID",),
    "AOCCSFL": ("USUBJID", "AEBODSYS"),
    "AOCCPFL": ("USUBJID", "AEDECOD"),
}
WORSTS = {
    "AOCCIFL": ("USUBJID",),
    "AOCCSIFL": ("USUBJID", "AEBODSYS"),
    "AOCCPIFL": ("USUBJID", "AEDECOD"),
}
SERIES = ("USUBJID", "PARAMCD")


def flag_checks(protocol: Protocol) -> Iterator[Check]:
    """Yield a check of each flag that the protocol gives a meaning to."""
    yield (
        "flag-dthfl",
        "DTHFL is Y for everybody with a date of death",
        ("ADSL",),
        _dead,
    )
    for population in protocol.populations:
        yield (
            f"flag-{population.flag.lower()}",
            f"{population.flag} is Y exactly for those who meet its condition",
            ("ADSL",),
            partial(_population, protocol=protocol, flag=population.flag),
        )
    yield (
        "flag-strmisfl",
        "STRMISFL is Y exactly where baseline data say another stratum",
        ("ADSL",),
        partial(_stratum, protocol=protocol),
    )
    for evaluation in protocol.evaluations:
        suffix, rules = evaluation.suffix, protocol.response
        ends = rules.new_therapy == "not counted after"
        every_lesion = rules.adequate_assessment == "every lesion"
        of_visits: tuple[tuple[str, str, Callable[[pl.DataFrame], pl.Expr]], ...] = (
            ("ANL01FL", "the response that counts on its date", _counted),
            (
                "ANL02FL",
                "a response up to progression and new therapy",
                partial(_until_progression, ends=ends),
            ),
            ("ANL03FL", "an adequate assessment", partial(_adequate, every_lesion=every_lesion)),
        )
        for flag, says, rule in of_visits:
            yield (
                f"flag-adrs-{flag.lower()}{suffix}",
                f"{flag} of OVR{suffix} is Y exactly for {says}",
                ("ADRS", "ADSL"),
                partial(_of_responses, suffix=suffix, flag=flag, rule=rule),
            )
        for flag, says, expected in _sum_flags(ends=ends):
            yield (
                f"flag-adtr-{flag.lower()}{suffix}",
                f"{flag} of SDIAM{suffix} is Y exactly for {says}",
                ("ADTR", "ADRS", "ADSL"),
                partial(_of_sums, suffix=suffix, flag=flag, expected=expected),
            )
    yield from _safety_flags(protocol)
    yield from _quality_flags(protocol)


def _wrong(frame: pl.DataFrame, flag: str, expected: pl.Expr) -> Result:
    """Compare a flag with what it should be; the flag is "Y", or "N" or null."""
    set_ = (pl.col(flag) == "Y").fill_null(False)
    return frame.height, frame.filter(set_ != expected.fill_null(False))


def _first(frame: pl.DataFrame, keys: Sequence[str], *, by: Sequence[str | pl.Expr]) -> pl.Expr:
    """True in the first row of each group by that order, for a frame with column `row`."""
    ordered = frame.sort(*by, nulls_last=True).unique(keys, keep="first", maintain_order=True)
    return pl.col("row").is_in(ordered["row"].implode())


# -- subjects --------------------------------------------------------------------------------


def _dead(adam: Frames) -> Result | None:
    adsl = adam["ADSL"]
    if not {"DTHFL", "DTHDT"} <= set(adsl.columns):
        return None
    dated = adsl.filter(pl.col("DTHDT").is_not_null())
    return _wrong(dated, "DTHFL", pl.lit(True))


def _population(adam: Frames, *, protocol: Protocol, flag: str) -> Result | None:
    adsl, condition = adam["ADSL"], next(p.holds for p in protocol.populations if p.flag == flag)
    asked = {one.field for one in criteria.comparisons(condition)}
    if not {flag, *asked} <= set(adsl.columns):
        return None
    letters = [
        one.field
        for one in criteria.comparisons(condition)
        if one.operator == "is" and adsl.schema[one.field] == pl.String()
    ]
    judged = adsl.with_columns(pl.col(name) == "Y" for name in letters)
    member = judged.select(criteria.met(condition)).to_series()
    return _wrong(adsl.with_columns(MEMBER=member), flag, pl.col("MEMBER"))


def _stratum(adam: Frames, *, protocol: Protocol) -> Result | None:
    adsl = adam["ADSL"]
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    asked = {one.name for one in protocol.variables if one.field}
    if not factors or not {"STRMISFL", *asked, *(f.id for f in factors)} <= set(adsl.columns):
        return None
    baseline = baseline_levels(adsl, protocol=protocol)
    differs = [adsl[factor.id] != baseline[factor.id] for factor in factors]
    return _wrong(
        adsl.with_columns(DIFFERS=pl.any_horizontal(differs)), "STRMISFL", pl.col("DIFFERS")
    )


def _dates(adsl: pl.DataFrame) -> pl.DataFrame:
    """The day up to which an assessment is baseline, and that of new anticancer therapy."""
    nothing = pl.lit(None, pl.Date)
    days = [name for name in ("RANDDT", "TRTSDT") if name in adsl.columns]
    therapy = pl.col("NACTDT") if "NACTDT" in adsl.columns else nothing
    return adsl.select("USUBJID", REFDT=pl.coalesce(*days, nothing), THERAPY=therapy)


# -- response --------------------------------------------------------------------------------


def _of_responses(
    adam: Frames,
    *,
    suffix: str,
    flag: str,
    rule: Callable[[pl.DataFrame], pl.Expr],
) -> Result | None:
    adrs = adam["ADRS"]
    needed = {"VISIT", "VISITNUM", "SRCSEQ", "ANL01FL", "ANL02FL", "ANL03FL"}
    if not needed <= set(adrs.columns):
        return None
    visits = adrs.filter(PARAMCD=f"OVR{suffix}").join(
        _dates(adam["ADSL"]), on="USUBJID", how="left", maintain_order="left"
    )
    if flag == "ANL03FL":
        visits = visits.join(
            _assessed(adam, suffix),
            on=["USUBJID", "VISITNUM", "VISIT"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
    visits = visits.with_row_index("row")
    return _wrong(visits, flag, rule(visits))


def _counted(visits: pl.DataFrame) -> pl.Expr:
    """The worst response of its date, from randomisation on; of equal ones the last."""
    known = visits.filter(
        pl.col("ADT") >= pl.col("REFDT"), pl.col("AVALC").is_in(FROM_WORST)
    ).with_columns(
        rank=pl.col("AVALC").replace_strict(
            {word: place for place, word in enumerate(FROM_WORST)}, return_dtype=pl.Int64
        )
    )
    latest = -pl.col("SRCSEQ").fill_null(-1), -pl.col("row").cast(pl.Int64)
    return _first(known, ("USUBJID", "ADT"), by=("rank", *latest))


def _until_progression(_: pl.DataFrame, *, ends: bool) -> pl.Expr:
    counted = pl.col("ANL01FL") == "Y"
    progression = pl.when(counted & (pl.col("AVALC") == "PD")).then("ADT").min().over("USUBJID")
    expected = counted & (pl.col("ADT") <= progression).fill_null(True)
    return expected & (pl.col("ADT") < pl.col("THERAPY")).fill_null(True) if ends else expected


def _adequate(_: pl.DataFrame, *, every_lesion: bool) -> pl.Expr:
    """Progression, or evaluable; from lesions, if the protocol wants it, with all of them seen."""
    evaluable = ~pl.col("AVALC").is_in(["NE", "ND"])
    if every_lesion:
        seen = pl.col("WHOLE").fill_null(True) & (pl.col("NON_TARGETS") != "NE").fill_null(True)
        evaluable &= seen | (pl.col("SRCDOM") == "RS")
    return (pl.col("ANL01FL") == "Y") & ((pl.col("AVALC") == "PD") | evaluable)


def _assessed(adam: Frames, suffix: str) -> pl.DataFrame:
    """Each visit's sum, whole or not by what ADTR says of its lesions, and non-target response."""
    visit = ["USUBJID", "VISITNUM", "VISIT"]
    others = adam["ADRS"].filter(PARAMCD=f"NTGRESP{suffix}")
    others = others.select(*visit, NON_TARGETS="AVALC").unique(visit)
    sums = _sums(adam, suffix)
    if sums is None or not {"LSEXP", "LSASS"} <= set(sums.columns):
        return others.with_columns(WHOLE=pl.lit(None, pl.Boolean))
    whole = sums.select(*visit, WHOLE=pl.col("LSEXP") == pl.col("LSASS")).unique(visit)
    return whole.join(others, on=visit, how="full", coalesce=True, nulls_equal=True)


def _sums(adam: Frames, suffix: str) -> pl.DataFrame | None:
    adtr = adam.get("ADTR")
    if adtr is None or not {"VISIT", "VISITNUM"} <= set(adtr.columns):
        return None
    return adtr.filter(PARAMCD=f"SDIAM{suffix}")


def _sum_flags(*, ends: bool) -> Iterator[tuple[str, str, Callable[[pl.DataFrame], pl.Expr]]]:
    progressed = pl.col("PROGRESSED").fill_null(False)
    complete = pl.col("ANL01FL") == "Y"
    usable = pl.col("ANL04FL") == "Y"
    after = pl.col("ADT") > pl.col("REFDT")
    in_time = (pl.col("ADT") <= pl.col("PROGRESSION")).fill_null(True)
    if ends:
        in_time &= (pl.col("ADT") < pl.col("THERAPY")).fill_null(True)

    def baseline(sums: pl.DataFrame) -> pl.Expr:
        before = sums.filter(complete, ~after)
        latest = -pl.col("ADT").dt.epoch("d"), -pl.col("row").cast(pl.Int64)
        return _first(before, ("USUBJID",), by=latest)

    def best(sums: pl.DataFrame) -> pl.Expr:
        counted = sums.filter(complete, after, in_time, pl.col("PCHG").is_not_null())
        return _first(counted, ("USUBJID",), by=("PCHG", "ADT", "row"))

    yield "ANL01FL", "sums of all lesions expected", lambda _: pl.col("LSEXP") == pl.col("LSASS")
    yield "ABLFL", "the last complete sum up to randomisation", baseline
    yield "PDFL", "sums of a visit with progression", lambda _: progressed
    yield "ANL02FL", "the best change up to progression and new therapy", best
    yield "ANL04FL", "sums that are complete or of progression", lambda _: complete | progressed
    yield (
        "ANL03FL",
        "usable sums before progression",
        lambda _: usable & (pl.col("ADT") < pl.col("PROGRESSION")).fill_null(True),
    )


def _of_sums(
    adam: Frames, *, suffix: str, flag: str, expected: Callable[[pl.DataFrame], pl.Expr]
) -> Result | None:
    sums, adrs = _sums(adam, suffix), adam["ADRS"]
    if sums is None or not {flag, "LSEXP", "LSASS", "PCHG", "ANL04FL"} <= set(sums.columns):
        return None
    visits = adrs.filter(PARAMCD=f"OVR{suffix}").select(
        "USUBJID", "VISITNUM", "VISIT", "ADT", PROGRESSED=pl.col("AVALC") == "PD"
    )
    first = visits.filter("PROGRESSED").group_by("USUBJID").agg(PROGRESSION=pl.col("ADT").min())
    seen = visits.group_by("USUBJID", "VISITNUM", "VISIT").agg(pl.col("PROGRESSED").any())
    sums = (
        sums.join(_dates(adam["ADSL"]), on="USUBJID", how="left", maintain_order="left")
        .join(first, on="USUBJID", how="left", maintain_order="left")
        .join(
            seen,
            on=["USUBJID", "VISITNUM", "VISIT"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .with_row_index("row")
    )
    return _wrong(sums, flag, expected(sums))


# -- safety ----------------------------------------------------------------------------------


def _safety_flags(protocol: Protocol) -> Iterator[Check]:
    safety = protocol.safety
    if safety is None:
        return
    yield (
        "flag-trtemfl",
        "TRTEMFL is Y exactly for events of the treatment period",
        ("ADAE", "ADSL"),
        partial(
            _emergent,
            start="RANDDT" if safety.from_ == "randomisation" else "TRTSDT",
            days_after=safety.days_after_last_dose,
        ),
    )
    for flag, keys in (*FIRSTS.items(), *WORSTS.items()):
        which = "first of the worst grade" if flag in WORSTS else "first"
        of = ", ".join(keys[1:]) or "subject"
        yield (
            f"flag-{flag.lower()}",
            f"{flag} is Y for the {which} of each {of}, among treatment-emergent events",
            ("ADAE",),
            partial(_occurrence, flag=flag, keys=keys),
        )
    yield (
        "flag-adlb-ablfl",
        "ABLFL of ADLB is Y for the last value up to the first dose",
        ("ADLB", "ADSL"),
        partial(_baseline, dataset="ADLB"),
    )
    yield (
        "flag-ontrtfl",
        "ONTRTFL is Y exactly for values after the first dose, up to the end of the period",
        ("ADLB", "ADSL"),
        partial(_under_treatment, days_after=safety.days_after_last_dose),
    )
    for flag, grade in (("WORSTLFL", "ATOXGRL"), ("WORSTHFL", "ATOXGRH")):
        yield (
            f"flag-{flag.lower()}",
            f"{flag} is Y for the first record of the worst {grade} after the first dose",
            ("ADLB", "ADSL"),
            partial(_worst_grade, flag=flag, grade=grade),
        )


def _emergent(adam: Frames, *, start: str, days_after: int) -> Result | None:
    adae, adsl = adam["ADAE"], adam["ADSL"]
    if not {"TRTEMFL", "ASTDT", "AENDT"} <= set(adae.columns) or start not in adsl.columns:
        return None
    treated = pl.col("TRTSDT").is_not_null()
    people = adsl.select(
        "USUBJID",
        OPENS=pl.when(treated).then(pl.coalesce(start, "TRTSDT")),
        CLOSES=pl.col("TRTEDT") + pl.duration(days=days_after),
    )
    events = adae.join(people, on="USUBJID", how="left", maintain_order="left")
    began, ended, opens = pl.col("ASTDT"), pl.col("AENDT"), pl.col("OPENS")
    over = (ended < opens).fill_null(False)
    within = (began >= opens) & (began <= pl.col("CLOSES")).fill_null(True)
    if "AEITOXGR" in events.columns:
        worse = pl.col("ATOXGR") > pl.col("AEITOXGR").cast(pl.String)
        within |= ((began < opens) & ~over & worse).fill_null(False)
    expected = opens.is_not_null() & pl.when(began.is_null()).then(~over).otherwise(within)
    return _wrong(events, "TRTEMFL", expected)


def _under_treatment(adam: Frames, *, days_after: int) -> Result | None:
    adlb = adam["ADLB"]
    if "ONTRTFL" not in adlb.columns:
        return None
    people = adam["ADSL"].select(
        "USUBJID", OPENS="TRTSDT", CLOSES=pl.col("TRTEDT") + pl.duration(days=days_after)
    )
    values = adlb.join(people, on="USUBJID", how="left", maintain_order="left")
    day = pl.col("ADT")
    return _wrong(values, "ONTRTFL", (day > pl.col("OPENS")) & (day <= pl.col("CLOSES")))


def _occurrence(adam: Frames, *, flag: str, keys: tuple[str, ...]) -> Result | None:
    adae = adam["ADAE"]
    if not {flag, "TRTEMFL", "ASTDT", "AESEQ", "ATOXGRN", *keys} <= set(adae.columns):
        return None
    events = adae.with_row_index("row")
    emergent = events.filter(TRTEMFL="Y")
    worst = [-pl.col("ATOXGRN")] if flag in WORSTS else []
    return _wrong(events, flag, _first(emergent, keys, by=(*worst, "ASTDT", "AESEQ", "row")))


def _with_first_dose(adam: Frames, dataset: str) -> pl.DataFrame:
    first = adam["ADSL"].select("USUBJID", FIRST=pl.coalesce("TRTSDT", "RANDDT"))
    return (
        adam[dataset]
        .join(first, on="USUBJID", how="left", maintain_order="left")
        .with_row_index("row")
    )


def _baseline(adam: Frames, *, dataset: str) -> Result | None:
    if not {"ABLFL", "ADT", "AVAL"} <= set(adam[dataset].columns):
        return None
    values = _with_first_dose(adam, dataset)
    before = values.filter(pl.col("ADT") <= pl.col("FIRST"), pl.col("AVAL").is_not_null())
    last = before.group_by(SERIES).agg(pl.col("row").sort_by("ADT", "row").last())
    return _wrong(values, "ABLFL", pl.col("row").is_in(last["row"].implode()))


def _worst_grade(adam: Frames, *, flag: str, grade: str) -> Result | None:
    if not {flag, grade, "ADT"} <= set(adam["ADLB"].columns):
        return None
    values = _with_first_dose(adam, "ADLB").with_columns(GRADE=pl.col(grade).cast(pl.Int64))
    after = values.filter(pl.col("ADT") > pl.col("FIRST"), pl.col("GRADE") > 0)
    return _wrong(values, flag, _first(after, SERIES, by=(-pl.col("GRADE"), "ADT", "row")))


# -- quality of life -------------------------------------------------------------------------


def _quality_flags(protocol: Protocol) -> Iterator[Check]:
    plan = protocol.quality_of_life
    if plan is None:
        return
    sign = {scale.id: 1.0 if scale.worse == "higher" else -1.0 for scale in plan.scales}
    yield (
        "flag-adqs-ablfl",
        "ABLFL of ADQS is Y for the last score up to the first dose",
        ("ADQS", "ADSL"),
        partial(_baseline, dataset="ADQS"),
    )
    yield (
        "flag-adqs-anl01fl",
        "ANL01FL of ADQS is Y exactly for scores after baseline that have one",
        ("ADQS", "ADSL"),
        _after_baseline,
    )
    yield (
        "flag-deterfl",
        f"DETERFL is Y for the first score worse than baseline by {plan.threshold:g} or more",
        ("ADQS",),
        partial(_deterioration, sign=sign, threshold=plan.threshold, confirmed=plan.confirmed),
    )
    yield (
        "flag-room",
        f"ROOM is Y exactly where the baseline leaves {plan.threshold:g} points to lose",
        ("ADQS",),
        partial(_room, sign=sign, threshold=plan.threshold),
    )


def _after_baseline(adam: Frames) -> Result | None:
    if not {"ANL01FL", "BASE", "AVAL", "ADT"} <= set(adam["ADQS"].columns):
        return None
    scores = _with_first_dose(adam, "ADQS")
    known = pl.col("AVAL").is_not_null() & pl.col("BASE").is_not_null()
    return _wrong(scores, "ANL01FL", known & (pl.col("ADT") > pl.col("FIRST")))


def _deterioration(
    adam: Frames, *, sign: Mapping[str, float], threshold: float, confirmed: bool
) -> Result | None:
    if not {"DETERFL", "ANL01FL", "BASE", "AVAL"} <= set(adam["ADQS"].columns):
        return None
    scores = adam["ADQS"].with_row_index("row")
    lost = (pl.col("AVAL") - pl.col("BASE")) * _signs(sign)
    forms = scores.filter(ANL01FL="Y").sort(*SERIES, "ADT", "row")
    forms = forms.with_columns(BAD=lost.round(SCALE_DECIMALS) >= threshold)
    if confirmed:
        forms = forms.with_columns(
            BAD=pl.col("BAD") & pl.col("BAD").shift(-1).over(SERIES).fill_null(False)
        )
    bad = forms.filter("BAD")
    return _wrong(scores, "DETERFL", _first(bad, SERIES, by=("ADT", "row")))


def _room(adam: Frames, *, sign: Mapping[str, float], threshold: float) -> Result | None:
    if not {"ROOM", "BASE"} <= set(adam["ADQS"].columns):
        return None
    scores = adam["ADQS"]
    rises, falls = (pl.when(condition) for condition in (_signs(sign) > 0, _signs(sign) < 0))
    room = pl.coalesce(rises.then(100 - pl.col("BASE")), falls.then(pl.col("BASE")))
    return _wrong(scores, "ROOM", room.round(SCALE_DECIMALS) >= threshold)


def _signs(sign: Mapping[str, float]) -> pl.Expr:
    return pl.col("PARAMCD").replace_strict(sign, default=None, return_dtype=pl.Float64)
