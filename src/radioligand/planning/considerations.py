# SPDX-License-Identifier: Apache-2.0
"""A protocol held against the published considerations for the design of trials in NET.

What a protocol does is read from its tables alone: which fields its criteria, strata and cohorts
ask for, what its arms are given, what its primary endpoint counts. A consideration is met, not met,
or does not apply; none of them makes a protocol invalid.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from radioligand import criteria
from radioligand import protocol as p

SOURCE = (
    "Singh S, Hope TA, Bergsland EB, et al. Consensus report of the 2021 National Cancer Institute "
    "neuroendocrine tumor clinical trials planning meeting, Box 1"
)
MET, NOT_MET, NO_CASE = "met", "not met", "does not apply"
REGIONS = {
    "bronchial": {"LUNG", "BRONCHUS"},
    "midgut": {"ILEUM", "JEJUNUM", "SMALL INTESTINE", "MIDGUT", "RIGHT COLON", "APPENDIX"},
    "pancreatic": {"PANCREAS"},
}
ORIGIN, DIFFERENTIATION, KI67 = "primary_site", "differentiation", "ki67_percent"
EARLIER = ("prior_", "line_of_therapy", "weeks_since_", "months_after_prrt")
PROCEDURES = ("surgery", "embolisation", "ablation", "transarterial")  # no line of therapy
LARGEST_G2 = 20.0  # Ki-67 in %; every poorly differentiated carcinoma is of grade 3, so above it
SPECIMENS = ("BE", "BS", "GF")  # SDTM: collected specimens, findings in them, genomic findings


class Judged(NamedTuple):
    """What is found of one consideration, in words."""

    verdict: str
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consideration:
    """A consideration of the report's box, and how a protocol is held against it."""

    id: str
    says: str
    judge: Callable[[p.Protocol], Judged]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignFinding:
    """A protocol held against one consideration."""

    rule: str
    says: str
    verdict: str
    finding: str
    source: str


def design_findings(protocol: p.Protocol) -> tuple[DesignFinding, ...]:
    """Hold a protocol against each consideration, in the order of the box."""
    judged = [(rule, rule.judge(protocol)) for rule in CONSIDERATIONS]
    return tuple(
        DesignFinding(rule=rule.id, says=rule.says, verdict=verdict, finding=finding, source=SOURCE)
        for rule, (verdict, finding) in judged
    )


# -- what a protocol asks for ----------------------------------------------------------------


def _asked(protocol: p.Protocol) -> Iterator[criteria.Comparison]:
    """Every question that an applied eligibility criterion asks."""
    for criterion in protocol.eligibility:
        if criterion.default:
            yield from criteria.comparisons(criterion.holds)


def _strata(protocol: p.Protocol, field: str) -> tuple[str, ...]:
    """Labels of the stratification factors whose levels are told by a field."""
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    return tuple(factor.label for factor in factors if field in _fields(protocol, factor))


def _fields(protocol: p.Protocol, factor: p.Factor) -> set[str]:
    """Fields that the levels of a factor rest on, by their conditions and by the baseline data."""
    fields = {
        one.field
        for level in factor.levels
        if level.holds is not None
        for one in criteria.comparisons(level.holds)
    }
    name = factor.baseline
    while name is not None:
        variable = next((each for each in protocol.variables if each.name == name), None)
        fields |= {variable.field} if variable and variable.field else set()
        name = (variable.bands_of or variable.recode_of) if variable else None
    return fields


def _cohorts(protocol: p.Protocol, field: str) -> tuple[str, ...]:
    """Labels of the cohorts that are told by a field."""
    return tuple(
        cohort.label
        for cohort in protocol.cohorts
        if any(one.field == field for one in criteria.comparisons(cohort.holds))
    )


def _parted(protocol: p.Protocol, field: str) -> str | None:
    """How a protocol keeps patients apart who differ in a field; None if it does not."""
    if strata := _strata(protocol, field):
        return f"stratified by {', '.join(strata).lower()}"
    if cohorts := _cohorts(protocol, field):
        return f"enrolled in cohorts: {', '.join(cohorts)}"
    return None


def _values(protocol: p.Protocol, field: str) -> set[str]:
    """Values of a text field that are eligible; empty if no criterion restricts it."""
    found: set[str] = set()
    for one in _asked(protocol):
        if one.field == field and one.operator in ("equals", "one_of"):
            many = one.value if isinstance(one.value, list | tuple) else (one.value,)
            found |= {str(value) for value in many}
    return found


def _largest(protocol: p.Protocol, field: str) -> float | None:
    """The highest eligible value of a number; None if nothing limits it."""
    limits = [
        one.value[1] if one.operator == "between" else one.value
        for one in _asked(protocol)
        if one.field == field and one.operator in ("between", "at_most", "below")
    ]
    return min(limits) if limits else None


def _smallest(protocol: p.Protocol, field: str) -> float | None:
    limits = [
        one.value[0] if one.operator == "between" else one.value
        for one in _asked(protocol)
        if one.field == field and one.operator in ("between", "at_least", "above")
    ]
    return max(limits) if limits else None


def _differentiation(protocol: p.Protocol) -> str | None:
    """The one differentiation that is eligible, in lower case; None if several or unsaid."""
    eligible = _values(protocol, DIFFERENTIATION)
    if len(eligible) == 1:
        return eligible.pop().lower()
    largest = _largest(protocol, KI67)
    if not eligible and largest is not None and largest <= LARGEST_G2:
        return "well differentiated"
    return None


def _primary(protocol: p.Protocol) -> p.Endpoint | None:
    named = protocol.planning or protocol.cutoff
    return protocol.endpoint(named.endpoint) if named else None


# -- the considerations ----------------------------------------------------------------------


def _origin(protocol: p.Protocol) -> Judged:
    sites = _values(protocol, ORIGIN)
    region = next((name for name, of in REGIONS.items() if sites and sites <= of), None)
    if region:
        return Judged(MET, f"{region} tumours alone are eligible")
    parted = _parted(protocol, ORIGIN)
    return Judged(MET if parted else NOT_MET, parted or "several origins are pooled")


def _separate(protocol: p.Protocol) -> Judged:
    only = _differentiation(protocol)
    if only:
        return Judged(MET, f"{only} tumours alone are eligible")
    return Judged(NOT_MET, "well and poorly differentiated neoplasms are both eligible, or unsaid")


def _grade(protocol: p.Protocol) -> Judged:
    if _differentiation(protocol) == "poorly differentiated":
        return Judged(NO_CASE, "poorly differentiated carcinoma is of grade 3")
    if parted := _parted(protocol, KI67):
        return Judged(MET, parted)
    largest, smallest = _largest(protocol, KI67), _smallest(protocol, KI67)
    if largest is not None and largest <= LARGEST_G2:
        return Judged(MET, "grades 1 and 2 alone are eligible; the two are not told apart")
    if smallest is not None and smallest >= LARGEST_G2:
        return Judged(MET, "grade 3 alone is eligible")
    return Judged(NOT_MET, "neither strata nor cohorts rest on the Ki-67 index")


def _earlier(protocol: p.Protocol) -> Judged:
    strata = protocol.randomisation.strata if protocol.randomisation else ()
    stratified = {field for factor in strata for field in _fields(protocol, factor)}
    asked = {one.field for one in _asked(protocol)} | stratified
    found = sorted(
        field
        for field in asked
        if field.startswith(EARLIER) and not any(word in field for word in PROCEDURES)
    )
    if found:
        return Judged(MET, f"criteria or strata ask for {', '.join(found)}")
    return Judged(NOT_MET, "nothing asks for earlier lines or types of therapy")


def _crossover(protocol: p.Protocol) -> Judged:
    placebo = [
        arm.id
        for arm in protocol.arms
        if any("PLACEBO" in treatment.name.upper() for treatment in arm.treatments)
    ]
    if not placebo:
        return Judged(NO_CASE, "no arm is given a placebo")
    left = {one.from_ for one in protocol.crossover}
    if stays := [arm for arm in placebo if arm not in left]:
        return Judged(NOT_MET, f"no crossover leads from {', '.join(stays)}")
    return Judged(MET, f"crossover at progression from {', '.join(placebo)}")


def _receptors(protocol: p.Protocol) -> Judged:
    if not any(drug.unit == "GBq" for arm in protocol.arms for drug in arm.treatments):
        return Judged(NO_CASE, "no arm is given a radioligand")
    limits = {one.field for one in _asked(protocol) if "uptake" in one.field}
    if not limits:
        return Judged(NOT_MET, "no criterion says which uptake is positive")
    if "lowest_uptake_score" in limits:
        return Judged(MET, "a score is asked of every target lesion, the lowest among them")
    for field in sorted(limits):
        if strata := _strata(protocol, field):
            return Judged(MET, f"a score is asked, and stratified by {', '.join(strata).lower()}")
    return Judged(NOT_MET, "a score is asked, but not how lesions may differ in it")


def _progression_free(protocol: p.Protocol) -> Judged:
    if protocol.trial.phase != 3:
        return Judged(NO_CASE, f"the trial is of phase {protocol.trial.phase}")
    if _differentiation(protocol) == "poorly differentiated":
        return Judged(NO_CASE, "tumours are poorly differentiated")
    primary = _primary(protocol)
    if primary is None:
        return Judged(NOT_MET, "neither planning nor cutoff names a primary endpoint")
    is_pfs = {event.dataset for event in primary.events} == {"ADRS", "ADSL"}
    return Judged(MET if is_pfs else NOT_MET, f"the primary endpoint is {primary.label.lower()}")


def _survival(protocol: p.Protocol) -> Judged:
    if _differentiation(protocol) != "poorly differentiated":
        return Judged(NO_CASE, "tumours are not poorly differentiated alone")
    primary = _primary(protocol)
    return Judged(MET, f"the primary endpoint is {primary.label.lower() if primary else 'unsaid'}")


def _biomarkers(protocol: p.Protocol) -> Judged:
    planned = [each.label for each in protocol.schedule if set(each.domains) & set(SPECIMENS)]
    if planned:
        return Judged(MET, f"the schedule plans {', '.join(planned).lower()}")
    domains = ", ".join(SPECIMENS)
    return Judged(NOT_MET, f"no activity of the schedule collects specimens ({domains})")


def _reported_by_patients(protocol: p.Protocol) -> Judged:
    if protocol.quality_of_life:
        return Judged(MET, f"{protocol.quality_of_life.instrument} is asked")
    return Judged(NOT_MET, "the document plans no questionnaire")


CONSIDERATIONS = (
    Consideration(
        id="origin",
        says="Bronchial, midgut and pancreatic NET in trials of their own, or else stratified by "
        "origin or enrolled in pancreatic and other cohorts",
        judge=_origin,
    ),
    Consideration(
        id="differentiation",
        says="Well and poorly differentiated neoplasms in trials of their own",
        judge=_separate,
    ),
    Consideration(
        id="grade",
        says="Well-differentiated NET stratified by grade, or enrolled in cohorts of grade",
        judge=_grade,
    ),
    Consideration(
        id="prior-therapy",
        says="Number of earlier lines, or types of earlier therapy, accounted for",
        judge=_earlier,
    ),
    Consideration(
        id="crossover",
        says="Under a placebo, crossover at progression considered",
        judge=_crossover,
    ),
    Consideration(
        id="receptors",
        says="For a receptor-targeted therapy, said what receptor-positive is and how uneven "
        "expression is dealt with",
        judge=_receptors,
    ),
    Consideration(
        id="progression-free-survival",
        says="Progression-free survival as primary endpoint of phase III in well-differentiated "
        "NET",
        judge=_progression_free,
    ),
    Consideration(
        id="overall-survival",
        says="Overall survival may be the endpoint of phase II and III in poorly differentiated "
        "carcinoma",
        judge=_survival,
    ),
    Consideration(
        id="biomarkers",
        says="Correlative studies that may find biomarkers of efficacy",
        judge=_biomarkers,
    ),
    Consideration(
        id="reported-by-patients",
        says="Outcomes reported by patients",
        judge=_reported_by_patients,
    ),
)
