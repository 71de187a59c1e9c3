# SPDX-License-Identifier: Apache-2.0
"""Tables of absorbed dose: what dose goes with, and the sites that measured it."""

from radioligand.report import formatting
from radioligand.report.lookup import ALL, Number, View
from radioligand.report.tables import Body, Cell, Column, Row, cell, count_cell, p_cell, value_of

CORRELATED = (
    "Spearman's correlation of ranks over subjects of all arms; it is not adjusted and shows no "
    "cause."
)
SHARED = (
    "Variance of ln(Gy/GBq) over subjects: between sites, what the stated uncertainty explains "
    "within sites, and the rest. Sites have different patients too, so not all of the first part "
    "need be method."
)


def dose_effects(view: View) -> Body:
    """Each pair of dose and effect: subjects, correlation and p; responses by band of dose."""
    numbers, rows = view.main, []
    for variable in numbers.variables:
        why = numbers.find("not_estimated", variable=variable)
        count = numbers.find("subjects", variable=variable)
        rho, p = (numbers.find(one, variable=variable) for one in ("spearman", "spearman_p"))
        if why is not None:
            rows.append(Row(view.label(variable), (cell(why.text or "", why, columns=4),)))
            continue
        rows.append(
            Row(view.label(variable), (_count(count), _rounded(rho, 2), p_cell(p), cell("")))
        )
        for band in numbers.levels(variable):
            key = {"arm": ALL, "variable": variable, "level": band}
            count = numbers.find("subjects", **key)
            shown = count_cell(*(numbers.find(one, **key) for one in ("count", "percent")))
            rows.append(Row(band, (_count(count), cell(""), cell(""), shown), 1))
    heads = ("Subjects", "Spearman", "p", "Responders")
    return Body("Dose and effect", tuple(map(Column, heads)), tuple(rows), (CORRELATED,))


def dose_sites(view: View) -> Body:
    """What each site measured with, as it declared it."""
    numbers = view.main
    rows = tuple(
        Row(
            view.label(variable),
            (
                _count(numbers.find("subjects", variable=variable)),
                *(
                    _text(numbers.find(one, variable=variable))
                    for one in ("camera", "calibration", "recovery", "integral")
                ),
            ),
        )
        for variable in numbers.variables
        if variable.startswith("site ")
    )
    heads = ("Subjects", "Camera", "Calibration, cps per MBq", "Recovery curve", "Integrals")
    return Body("Site", tuple(map(Column, heads)), rows)


def dose_spread(view: View) -> Body:
    """What part of the spread of dose per activity is method."""
    numbers, rows = view.main, []
    for variable in (one for one in numbers.variables if one.startswith("spread ")):
        why = numbers.why(variable=variable)
        if why is not None:
            rows.append(Row(view.label(variable), (cell(why.text or "", why, columns=6),)))
            continue
        found = {
            name: numbers.find(name, variable=variable)
            for name in (
                "subjects", "sites", "log_sd", "share_site", "share_measurement", "share_patients",
            )
        }  # fmt: skip
        counts = (_count(found["subjects"]), _count(found["sites"]))
        shares = (_percent(found[one]) for one in list(found)[2:])
        rows.append(Row(view.label(variable), (*counts, *shares)))
    heads = ("Subjects", "Sites", "Spread, %", "Between sites, %", "Measurement, %", "Patients, %")
    return Body("Region", tuple(map(Column, heads)), tuple(rows), (SHARED,))


def _count(number: Number | None) -> Cell:
    return cell(formatting.count(value_of(number)), number)


def _rounded(number: Number | None, decimals: int) -> Cell:
    return cell(formatting.rounded(value_of(number), decimals), number)


def _percent(number: Number | None) -> Cell:
    value = value_of(number)
    return cell("" if value is None else f"{100 * value:.0f}", number)


def _text(number: Number | None) -> Cell:
    return cell((number and number.text) or "", number)
