# SPDX-License-Identifier: Apache-2.0
"""What no single table can know: names that must exist elsewhere in the document.

Works on the plain tables, so that a document with a misspelt key is still read to its end.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import gcd
from typing import Any

from radioligand import criteria
from radioligand.protocol.cohort_faults import cohort_faults
from radioligand.protocol.dosimetry_faults import dosimetry_faults
from radioligand.protocol.faults import Fault
from radioligand.protocol.hazard_faults import LATER, hazard_faults
from radioligand.protocol.inheritance import found_at

# ADSL variables that every study gets, whatever the protocol adds (name: type)
SUBJECT_VARIABLES = {
    **dict.fromkeys(("AGE",), "number"),
    **dict.fromkeys(
        ("RANDDT", "TRTSDT", "TRTEDT", "DTHDT", "EOSDT", "NACTDT", "LSTALVDT", "CUTDT", "RFICDT"),
        "date",
    ),
    **dict.fromkeys(
        ("SEX", "RACE", "COUNTRY", "SITEID", "TRT01P", "TRT01A", "ARMCD", "ACTARMCD", "STRATUM"),
        "text",
    ),
}
_NUMERIC = ("between", "at_least", "at_most", "above", "below")

# which types of field an operator can be asked of; the others are asked of all
_FITS = {**dict.fromkeys(_NUMERIC, ("number", "date")), "is": ("flag",)}

Table = Mapping[str, Any]


def reference_faults(document: Table) -> Iterator[Fault]:
    """Every name that points nowhere, every pair of tables that contradict each other."""
    yield from _arms(document)
    yield from _randomisation(document)
    yield from _variables(document)
    yield from _eligibility(document)
    yield from _populations(document)
    yield from _evaluations(document)
    yield from _endpoints(document)
    yield from _analyses(document)
    yield from _schedule(document)
    yield from _dosing(document)
    yield from dosimetry_faults(document)
    yield from _design(document)
    yield from _rest(document)


def _table(document: Table, key: str) -> Table:
    inside = document.get(key)
    return inside if isinstance(inside, Mapping) else {}


def _rows(document: Table, key: str) -> list[Table]:
    inside = document.get(key, ())
    return [row for row in inside if isinstance(row, Mapping)] if isinstance(inside, tuple) else []


def _ids(document: Table, key: str, id_key: str = "id") -> list[str]:
    return [str(row[id_key]) for row in _rows(document, key) if id_key in row]


def _twice(document: Table, key: str, id_key: str = "id") -> Iterator[Fault]:
    for name, times in Counter(_ids(document, key, id_key)).items():
        if times > 1:
            yield Fault(f"{key}[{name}]", f"{times} entries share this {id_key}", "Rename one.")


def _unknown(path: str, name: object, known: list[str], what: str) -> Iterator[Fault]:
    if name is not None and name not in known:
        listed = ", ".join(known) or "none"
        yield Fault(path, f"there is no {what} {name!r}", f"Known: {listed}; or add it.")


def _arms(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "arms")
    for arm in _rows(document, "arms"):
        path = f"arms[{arm.get('id')}].treatments"
        names = _ids(arm, "treatments", "name")
        for treatment in _rows(arm, "treatments"):
            here = f"{path}[{treatment.get('name')}]"
            if "amount" in treatment and "unit" not in treatment:
                yield Fault(here, "an amount without its unit", 'Add unit = "GBq" or the like.')
            for link in ("accompanies", "follows"):
                yield from _unknown(f"{here}.{link}", treatment.get(link), names, "treatment")


def _randomisation(document: Table) -> Iterator[Fault]:
    plan = _table(document, "randomisation")
    ratios = [arm.get("ratio") for arm in _rows(document, "arms")]
    whole = [ratio for ratio in ratios if isinstance(ratio, int) and ratio > 0]
    block, entries = plan.get("block_size"), plan.get("entries_per_stratum")
    if isinstance(block, int) and len(whole) == len(ratios) and whole:
        unit = sum(whole) // gcd(*whole)
        if block % unit:
            text = ":".join(map(str, whole))
            mend = f"Use a multiple of {unit}."
            yield Fault("randomisation.block_size", f"{block} cannot hold the ratio {text}", mend)
        if isinstance(entries, int) and block > 0 and entries % block:
            says = f"{entries} entries are not whole blocks of {block}"
            yield Fault("randomisation.entries_per_stratum", says, f"Use a multiple of {block}.")
    coin = plan.get("probability", 0.8)
    if plan.get("method") == "minimisation" and len(whole) == len(ratios) and whole:
        share = max(whole) / sum(whole)
        if isinstance(coin, float) and coin <= share:
            says = f"a coin of {coin} does not favour balance"
            mend = f"Use more than {share:.3f}, the largest share of an arm."
            yield Fault("randomisation.probability", says, mend)
    yield from _twice(plan, "strata")
    for factor in _rows(plan, "strata"):
        path = f"randomisation.strata[{factor.get('id')}]"
        if "levels" in factor and len(_rows(factor, "levels")) < 2:
            yield Fault(f"{path}.levels", "a stratum without levels", "Name two levels or more.")
        known = _ids(document, "variables", "name")
        yield from _unknown(f"{path}.baseline", factor.get("baseline"), known, "variable")
        for level in _rows(factor, "levels"):
            here = f"{path}.levels[{level.get('id')}].holds"
            yield from _conditions(document, here, level.get("holds"))


def _variables(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "variables", "name")
    yield from _twice(document, "variables", "field")
    names = [*_ids(document, "variables", "name"), *SUBJECT_VARIABLES]
    origins = ("source", "bands_of", "recode_of", "interval", "first_of")
    for variable in _rows(document, "variables"):
        path = f"variables[{variable.get('name')}]"
        if variable.get("type") == "number" and not variable.get("unit"):
            mend = 'Add unit = "%" or the like; a count has unit = "1".'
            yield Fault(path, "a number without its unit", mend)
        found = [key for key in origins if key in variable]
        if len(found) > 1 or (not found and "field" not in variable):
            mend = f"Give exactly one of {', '.join(origins)}, or a field to be asked for."
            yield Fault(path, f"made in {len(found)} ways", mend)
        for key in ("bands_of", "recode_of"):
            yield from _unknown(f"{path}.{key}", variable.get(key), names, "variable")
        for key in ("interval", "first_of"):
            for name in variable.get(key, ()) if isinstance(variable.get(key), tuple) else ():
                yield from _unknown(f"{path}.{key}", name, names, "variable")
        yield from _source(f"{path}.source", variable.get("source"), names)
    yield from _circles(document)


def _circles(document: Table) -> Iterator[Fault]:
    """Variables that are made of one another and so of nothing."""
    made_of = {
        str(row["name"]): {
            str(name)
            for name in (
                row.get("bands_of"),
                row.get("recode_of"),
                *_words(row, "interval"),
                *_words(row, "first_of"),
                _table(row, "source").get("until"),
            )
            if name is not None
        }
        for row in _rows(document, "variables")
        if "name" in row
    }
    while ready := [name for name, needs in made_of.items() if not needs & made_of.keys()]:
        for name in ready:
            del made_of[name]
    if made_of:
        circle = ", ".join(sorted(made_of))
        yield Fault("variables", f"{circle} need each other", "Break the circle at one of them.")


def _source(path: str, source: object, names: list[str]) -> Iterator[Fault]:
    if not isinstance(source, Mapping):
        return
    needs = {"longest": ("date", "end"), "any": (), "count": ()}
    for key in needs.get(source.get("take", "last"), ()):
        if key not in source:
            yield Fault(path, f"take = {source['take']!r} needs {key!r}", "Name that column.")
    yield from _unknown(f"{path}.until", source.get("until"), names, "subject date")


def _eligibility(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "eligibility")
    for criterion in _rows(document, "eligibility"):
        path = f"eligibility[{criterion.get('id')}].holds"
        yield from _conditions(document, path, criterion.get("holds"))


def _conditions(document: Table, path: str, holds: object) -> Iterator[Fault]:
    """A condition on screening fields: fields exist, units are said and agree."""
    if holds is None:
        return
    try:
        condition = criteria.parse_condition(holds)
    except ValueError:
        return  # told where the record is read
    fields = {row["field"]: row for row in _rows(document, "variables") if row.get("field")}
    for one in criteria.comparisons(condition):
        yield from _unknown(path, one.field, list(fields), "field")
        yield from _unknown(path, one.before, list(fields), "field")
        if one.field not in fields:
            continue
        variable = fields[one.field]
        unit, numeric = variable.get("unit"), variable.get("type") == "number"
        if one.operator in _NUMERIC and numeric and unit not in (None, "1") and not one.unit:
            yield Fault(path, f"{one.field} is compared without a unit", f'Add unit = "{unit}".')
        kind, fits = variable.get("type"), _FITS.get(one.operator)
        if fits and kind and kind not in fits:
            says = f"{one.field} is a {kind}, {one.operator!r} asks of {' or '.join(fits)}"
            yield Fault(path, says, "Use an operator that fits the field.")
        if one.unit and one.unit != unit:
            says = f"{one.field} is in {unit!r}, the condition speaks of {one.unit!r}"
            yield Fault(path, says, "Convert the limit and say the field's unit.")


def _populations(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "populations")
    known = [*_ids(document, "variables", "name"), *SUBJECT_VARIABLES]
    known += _ids(document, "populations", "flag")
    for population in _rows(document, "populations"):
        path = f"populations[{population.get('id')}].holds"
        try:
            condition = criteria.parse_condition(population.get("holds"))
        except ValueError:
            continue
        for one in criteria.comparisons(condition):
            yield from _unknown(path, one.field, known, "subject variable")


def _evaluations(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "evaluations")
    yield from _twice(document, "evaluations", "suffix")
    rows = _rows(document, "evaluations")
    governing = sum(row.get("governs") is True for row in rows)
    if rows and governing != 1:
        mend = "Say governs = true on the one that decides progression."
        yield Fault("evaluations", f"{governing} evaluations govern; one must", mend)


def _endpoints(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "endpoints")
    yield from _twice(document, "censoring")
    lists = {"evaluation": "evaluations", "censoring": "censoring", "population": "populations"}
    scales = _ids(_table(document, "quality_of_life"), "scales")
    for endpoint in _rows(document, "endpoints"):
        path = f"endpoints[{endpoint.get('id')}]"
        for key, where in lists.items():
            yield from _unknown(f"{path}.{key}", endpoint.get(key), _ids(document, where), key)
        if endpoint.get("censoring") and not endpoint.get("evaluation"):
            mend = "Name the evaluation whose assessments it looks at."
            yield Fault(f"{path}.censoring", "a censoring convention without evaluation", mend)
        for source in (*_rows(endpoint, "events"), *_rows(endpoint, "censors")):
            parameter = _table(source, "where").get("PARAMCD")
            if source.get("dataset") == "ADQS" and parameter is not None:
                yield from _unknown(f"{path}.where.PARAMCD", parameter, scales, "scale")


def _analyses(document: Table) -> Iterator[Fault]:
    yield from _twice(document, "analyses")
    variables = [*_ids(document, "variables", "name"), *SUBJECT_VARIABLES]
    endpoints, evaluations = _ids(document, "endpoints"), _ids(document, "evaluations")
    analyses = _ids(document, "analyses")
    strata = _rows(_table(document, "randomisation"), "strata")
    for analysis in _rows(document, "analyses"):
        path = f"analyses[{analysis.get('id')}]"
        population = analysis.get("population")
        yield from _unknown(
            f"{path}.population", population, _ids(document, "populations"), "population"
        )
        for key in ("endpoint", "until"):
            yield from _unknown(f"{path}.{key}", analysis.get(key), endpoints, "endpoint")
        yield from _one_start(document, path, analysis)
        for name in _words(analysis, "arms"):
            yield from _unknown(f"{path}.arms", name, _ids(document, "arms"), "arm")
        for name in _words(analysis, "endpoints"):
            yield from _unknown(f"{path}.endpoints", name, endpoints, "endpoint")
        for name in _words(analysis, "variables"):
            yield from _unknown(f"{path}.variables", name, variables, "variable")
        yield from _twice(analysis, "landmarks", "days")
        yield from _twice(analysis, "systems", "label")
        for name in (*_words(analysis, "evaluations"), analysis.get("evaluation")):
            yield from _unknown(f"{path}.evaluation", name, evaluations, "evaluation")
        yield from _unknown(f"{path}.analysis", analysis.get("analysis"), analyses, "analysis")
        known = _ids(document, "schedule")
        yield from _unknown(f"{path}.activity", analysis.get("activity"), known, "activity")
        if analysis.get("table") == "over time" and "activity" not in analysis:
            mend = "Name the activity of the schedule whose weeks and windows it has."
            yield Fault(f"{path}.activity", "grades over time need visits", mend)
        for step in _rows(analysis, "steps"):
            yield from _unknown(f"{path}.steps", step.get("analysis"), analyses, "analysis")
        for key in ("test", "model"):
            if _table(analysis, key).get("stratified") is True and not strata:
                mend = "Add [[randomisation.strata]] or say stratified = false."
                yield Fault(f"{path}.{key}.stratified", "there are no strata", mend)


def _one_start(document: Table, path: str, analysis: Table) -> Iterator[Fault]:
    """Shrinkage is measured until the end of one endpoint and set against another: one day 0."""
    starts = {
        row.get("id"): [_table(row, "start").get(key) for key in ("dataset", "where", "date")]
        for row in _rows(document, "endpoints")
    }
    endpoint, until = analysis.get("endpoint"), analysis.get("until")
    if {endpoint, until} <= starts.keys() and starts[endpoint] != starts[until]:
        says = f"{endpoint} and {until} start on different days"
        yield Fault(f"{path}.until", says, "Name an endpoint with the same start.")


def _dosing(document: Table) -> Iterator[Fault]:
    """Dose rules ask known fields, in their unit, of a treatment that some arm is given."""
    plan = _table(document, "dosing")
    given = [name for arm in _rows(document, "arms") for name in _ids(arm, "treatments", "name")]
    yield from _unknown("dosing.treatment", plan.get("treatment"), given, "treatment")
    yield from _twice(plan, "fields", "field")
    yield from _twice(plan, "rules")
    fields = {row["field"]: row for row in _rows(plan, "fields") if row.get("field")}
    for rule in _rows(plan, "rules"):
        path = f"dosing.rules[{rule.get('id')}].when"
        try:
            condition = criteria.parse_condition(rule.get("when"))
        except ValueError:
            continue  # told where the record is read
        for one in criteria.comparisons(condition):
            yield from _unknown(path, one.field, list(fields), "field")
            unit = fields.get(one.field, {}).get("unit")
            if one.field in fields and one.unit != unit:
                says = f"{one.field} is in {unit!r}, the condition speaks of {one.unit!r}"
                yield Fault(path, says, "Convert the limit and say the field's unit.")


def _design(document: Table) -> Iterator[Fault]:
    """Cohorts ask known fields; a selection has arms to select from; assumptions lead somewhere."""
    endpoints = _ids(document, "endpoints")
    yield from _twice(document, "cohorts")
    yield from _twice(document, "assumptions", "path")
    for cohort in _rows(document, "cohorts"):
        path = f"cohorts[{cohort.get('id')}].holds"
        yield from _conditions(document, path, cohort.get("holds"))
    yield from cohort_faults(document)
    selection = _table(document, "selection")
    yield from _unknown("selection.endpoint", selection.get("endpoint"), endpoints, "endpoint")
    roles = [arm.get("role") for arm in _rows(document, "arms")]
    if selection and roles.count("experimental") < 2:
        mend = "Add an arm, or leave out [selection]."
        yield Fault("selection", "there are not two experimental arms to select from", mend)
    for key in LATER:
        if selection and _table(document, "planning").get(key):
            mend = "Leave it out, and simulate it by a scenario."
            yield Fault(f"planning.{key}", "by theory a selection has one hazard ratio", mend)
    yield from adaptation_rules(document)
    for harm in _rows(document, "late_harm"):
        path, named = f"late_harm[{harm.get('endpoint')}]", harm.get("endpoint")
        yield from _unknown(f"{path}.endpoint", named, endpoints, "endpoint")
        usual, high = harm.get("usual"), harm.get("high")
        if isinstance(usual, float) and isinstance(high, float) and usual >= high:
            yield Fault(f"{path}.high", f"{high:g} is not above {usual:g}", "Correct one of them.")
    for row in _rows(document, "assumptions"):
        if "path" in row and found_at(document, str(row["path"])) is None:
            mend = "Write the keys with dots between, an entry by its id or name: arms.LU.ratio."
            yield Fault(f"assumptions[{row['path']}]", "nothing is at this path", mend)


def adaptation_rules(document: Table) -> Iterator[Fault]:
    """Rules by which a trial changes itself have arms to act on, and do not contradict."""
    rules = _table(document, "adaptation")
    arms = {arm.get("id"): arm.get("role") for arm in _rows(document, "arms")}
    experimental = [str(arm) for arm, role in arms.items() if role == "experimental"]
    drops = _rows(rules, "drops")
    if drops and _table(document, "selection"):
        mend = "Keep one of them; a selection is a drop that keeps one arm."
        yield Fault("adaptation.drops", "there is a [selection] as well", mend)
    if drops and len(experimental) < 2:
        mend = "Add an arm, or leave out the drops."
        yield Fault("adaptation.drops", "there are not two experimental arms", mend)
    events = [row.get("events") for row in drops]
    whole = [one for one in events if isinstance(one, int)]
    if whole != sorted(set(whole)):
        yield Fault("adaptation.drops", f"events of {whole} do not rise", "Put them in order.")
    for place, row in enumerate(drops):
        if "keep" not in row and "at_most_hazard_ratio" not in row:
            mend = "Give keep, at_most_hazard_ratio, or both."
            yield Fault(f"adaptation.drops[{place}]", "no rule says which arms stop", mend)
    yield from _twice(rules, "additions", "arm")
    for row in _rows(rules, "additions"):
        path = f"adaptation.additions[{row.get('arm')}].arm"
        yield from _unknown(path, row.get("arm"), experimental, "experimental arm")
    if experimental and len(_rows(rules, "additions")) >= len(experimental):
        mend = "Let one experimental arm be open from the start."
        yield Fault("adaptation.additions", "every experimental arm is added later", mend)
    resizing = _table(rules, "resizing")
    for low, high in (("promising_from", "promising_below"), ("events", "most_events")):
        least, most = resizing.get(low, 0), resizing.get(high, 0)
        numbers = isinstance(least, int | float) and isinstance(most, int | float)
        if numbers and low in resizing and high in resizing and least >= most:
            says = f"{high} is {most:g}, and {low} is {least:g}"
            yield Fault("adaptation.resizing", says, "Let the former be above the latter.")


def _words(table: Table, key: str) -> tuple[Any, ...]:
    inside = table.get(key, ())
    return inside if isinstance(inside, tuple) else ()


def _schedule(document: Table) -> Iterator[Fault]:
    """Activities and phases: the dates, readings and endpoints they name exist."""
    endpoints, evaluations = _ids(document, "endpoints"), _ids(document, "evaluations")
    dates = [*_ids(document, "variables", "name"), *SUBJECT_VARIABLES]
    yield from _twice(document, "schedule")
    yield from _twice(document, "phases")
    for row in _rows(document, "schedule"):
        path = f"schedule[{row.get('id')}]"
        yield from _unknown(f"{path}.ends", row.get("ends"), dates, "subject date")
        for name in _words(row, "evaluations"):
            yield from _unknown(f"{path}.evaluations", name, evaluations, "evaluation")
    for row in _rows(document, "phases"):
        path = f"phases[{row.get('id')}]"
        yield from _unknown(f"{path}.begins", row.get("begins"), dates, "subject date")
        yield from _unknown(f"{path}.failure", row.get("failure"), endpoints, "endpoint")


def _rest(document: Table) -> Iterator[Fault]:
    endpoints, arms = _ids(document, "endpoints"), _ids(document, "arms")
    due = _table(document, "cutoff").get("endpoint")
    yield from _unknown("cutoff.endpoint", due, endpoints, "endpoint")
    planning = _table(document, "planning")
    yield from _planning("planning", planning, endpoints)
    for further in _rows(planning, "also"):
        yield from _planning(f"planning.also[{further.get('endpoint')}]", further, endpoints)
    for key in ("response_dates", "lesion_dates", "event_dates"):
        rule = _table(_table(document, "data"), key)
        day, month = rule.get("day"), rule.get("month")
        if month is not None and day != month:
            says = f"the month is taken as {month!r}, the day as {day!r}"
            yield Fault(f"data.{key}", says, "A date is completed in one direction; say it twice.")
    activity = _table(document, "quality_of_life").get("activity")
    known = _ids(document, "schedule")
    yield from _unknown("quality_of_life.activity", activity, known, "activity of the schedule")
    safety = _table(document, "safety")
    yield from _twice(safety, "queries")
    for row in _rows(safety, "overview"):
        for arm in _words(row, "arms"):
            yield from _unknown(f"safety.overview[{row.get('id')}].arms", arm, arms, "arm")
    for query in _rows(safety, "queries"):
        part_of, queries = query.get("part_of"), _ids(safety, "queries")
        yield from _unknown(f"safety.queries[{query.get('id')}]", part_of, queries, "query")
    for row in _rows(document, "crossover"):
        yield from _unknown("crossover.from", row.get("from"), arms, "arm")
        yield from _unknown("crossover.to", row.get("to"), arms, "arm")
    for row in _rows(document, "retreatment"):
        yield from _unknown("retreatment.arm", row.get("arm"), arms, "arm")


def _planning(path: str, table: Table, endpoints: list[str]) -> Iterator[Fault]:
    """Assumptions that leave the size of the trial open, or say one thing twice."""
    if not table:
        return
    yield from _unknown(f"{path}.endpoint", table.get("endpoint"), endpoints, "endpoint")
    ways = [key for key in ("accrual_steps", "ramp_months", "site_activation") if table.get(key)]
    if len(ways) > 1:
        yield Fault(path, f"accrual is told by {' and '.join(ways)}", "Keep one of them.")
    if "accrual_steps" in table and "accrual_per_month" in table:
        mend = "Leave out accrual_per_month; the steps have rates of their own."
        yield Fault(path, "accrual is told by accrual_per_month and accrual_steps", mend)
    rate = "accrual_per_month" in table or "accrual_steps" in table
    if rate + ("accrual_months" in table) + ("follow_up_months" in table) < 2:
        mend = "Give two of accrual_per_month (or accrual_steps), accrual_months, follow_up_months."
        yield Fault(path, "the assumptions do not fix how many subjects enter and when", mend)
    steps = [row.get("from_month") for row in _rows(table, "accrual_steps")]
    months = [month for month in steps if isinstance(month, int | float)]
    if steps and (months[:1] != [0] or months != sorted(set(months))):
        yield Fault(f"{path}.accrual_steps", f"they begin at {steps}", "Let them rise from 0.")
    yield from hazard_faults(f"{path}.", table)
    looks = _table(table, "interim")
    for key in ("events", "planned_events"):
        held = _words(looks, key)
        if list(held) != sorted(set(held)):
            yield Fault(f"{path}.interim.{key}", f"{held} do not rise", "Put them in order.")
    if _words(looks, "planned_events") and "classical" not in str(looks.get("spending")):
        mend = "Leave it out, or use a classical spending."
        yield Fault(f"{path}.interim.planned_events", "only a classical shape has them", mend)
    if table.get("method") == "freedman" and table.get("margin", 1) != 1:
        mend = 'Use method = "schoenfeld".'
        yield Fault(f"{path}.margin", "Freedman's formula has no margin", mend)
    for further in _rows(table, "also"):
        if "also" in further or "rates" in further:
            mend = "Put them under [planning] itself."
            yield Fault(f"{path}.also", "a further endpoint holds further endpoints or rates", mend)
