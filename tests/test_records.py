# SPDX-License-Identifier: Apache-2.0
"""Results as frames and in notebooks: every record of every door."""

import inspect
import math
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from radioligand.statistics import (
    crossover,
    longitudinal,
    multiplicity,
    proportions,
    sequential,
    survival,
)
from radioligand.statistics.records import Record, Values

DOORS = (survival, proportions, sequential, multiplicity, longitudinal, crossover)
RECORDS = {
    thing
    for door in DOORS
    for name in door.__all__
    if inspect.isclass(thing := getattr(door, name))
}

TIME = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45]
EVENT = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
ARM = ["maintained"] * 11 + ["not"] * 12
SITE = ["north", "south"] * 11 + ["north"]
CAUSE = [one and 1 + row % 2 for row, one in enumerate(EVENT)]
X = np.column_stack([np.arange(23) >= 11, np.arange(23) % 5]).astype(float)
STRATA = [[[10, 20], [4, 26]], [[15, 25], [6, 34]]]
GRAPH = {"weights": [0.5, 0.5], "transitions": [[0, 1], [1, 0]]}


def examples():
    """One result of every kind there is."""
    yield survival.kaplan_meier(TIME, EVENT)
    yield survival.kaplan_meier(TIME, EVENT).quantile([0.25, 0.5])
    yield survival.kaplan_meier(TIME, EVENT).survival_at([12, 24])
    yield survival.kaplan_meier_curves(TIME, EVENT, ARM)
    yield survival.nelson_aalen(TIME, EVENT)
    yield survival.logrank(TIME, EVENT, ARM, strata=SITE)
    yield survival.logrank_trend(TIME, EVENT, ARM)
    yield survival.max_combo(TIME, EVENT, ARM)
    yield survival.cox(TIME, EVENT, X)
    yield survival.firth_cox(TIME, EVENT, X)
    yield survival.profile_interval(TIME, EVENT, X)
    yield survival.cox_residuals(TIME, EVENT, X)
    yield survival.baseline_hazard(TIME, EVENT, X, strata=SITE)
    yield survival.predicted_survival(TIME, EVENT, X, at=X[:2])
    yield survival.proportional_hazards_test(TIME, EVENT, X)
    yield survival.interaction_test(TIME, EVENT, ARM, SITE)
    yield survival.restricted_mean(TIME, EVENT, horizon=40)
    yield survival.restricted_mean_difference(TIME, EVENT, ARM, horizon=40)
    yield survival.landmark(TIME, EVENT, at=12)
    yield survival.median_follow_up(TIME, EVENT)
    yield survival.cumulative_incidence(TIME, CAUSE)
    yield survival.gray_test(TIME, CAUSE, ARM)
    yield survival.fine_gray(TIME, CAUSE, X)
    yield (curve := survival.turnbull(TIME, [one + 5 for one in TIME]))
    yield curve.quantile(0.5)
    yield curve.survival_at([10, 20])
    yield (model := survival.parametric_survival(TIME, EVENT, X))
    yield model.survival_at([10, 20], [0, 1])
    yield survival.piecewise_exponential(TIME, EVENT, cuts=[12, 30])
    yield proportions.wilson([1, 2, 3], 10)
    yield proportions.wald_difference(65, 151, 7, 75)
    yield proportions.odds_ratio(STRATA[0])
    yield proportions.fisher_exact(STRATA[0])
    yield proportions.cochran_mantel_haenszel(STRATA)
    yield proportions.breslow_day(STRATA)
    yield proportions.cohen_kappa([[40, 6, 1], [4, 70, 8], [0, 5, 66]])
    yield proportions.mantel_haenszel_difference(STRATA)
    yield proportions.stratified_newcombe_difference(STRATA)
    yield (design := sequential.boundaries([0.5, 1]))
    yield sequential.futility_boundaries([0.5, 1])
    yield sequential.required_drift(design, power=0.9)
    yield sequential.exit_probabilities([0.5, 1], [3, 2])
    yield sequential.repeated_intervals([0.3], [0.1], design)
    yield sequential.stagewise_result(0.3, 0.1, design, look=1)
    yield multiplicity.graphical([0.01, 0.02], **GRAPH)
    yield multiplicity.graphical_sequential([[1, 3], [2, 2]], [[0.5, 1], [0.6, 1]], **GRAPH)
    who, when = np.repeat(np.arange(8), 2), np.tile([1, 2], 8)
    value = np.sin(7 * who) + np.cos(3 * who * when)
    fitted = longitudinal.repeated_measures(value, who, when, who % 2, covariates=np.sin(who))
    yield from (fitted, fitted.means, fitted.differences, fitted.slopes, fitted.convergence)
    yield fitted.contrast([[-1, 0], [1, 0]])
    treated = [0] * 8 + [5, 10, 100] + TIME[11:]
    potential = [200] * 23
    yield crossover.rank_preserving_model(TIME, EVENT, ARM, treated, potential=potential)
    yield crossover.counterfactual(TIME, EVENT, treated, psi=-0.2, potential=potential)
    yield crossover.crossover_weights(
        ["a", "b", "c", "c", "d", "d", "e", "f"], [10, 10, 10, 30, 10, 20, 25, 40],
        [1, 1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 1, 0, 1],
        entry=[0, 0, 0, 10, 0, 10, 0, 0], eligible=[1, 1, 1, 0, 1, 0, 0, 0],
    )  # fmt: skip


FOUND = list(examples())


class Cells(HTMLParser):
    """Collects the text of cells, and the tags that were opened and not closed."""

    def __init__(self, html):
        """Read a page."""
        super().__init__()
        self.cells, self.open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


def test_every_record_of_every_door_is_tried_here():
    assert {kind for kind in RECORDS if not issubclass(kind, Record)} == set()
    assert {type(found) for found in FOUND} >= RECORDS


@pytest.mark.parametrize("found", FOUND, ids=lambda found: type(found).__name__)
def test_a_frame_holds_every_number_that_is_not_a_matrix(found):
    frame = found.to_frame()

    assert frame.height >= 1
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, (float, int, str, np.floating)):
            assert frame[field.name].n_unique() == 1
            assert frame[field.name][0] == value or math.isnan(value)
    if type(found)._rows is not None:
        along = getattr(found, type(found)._rows)
        assert frame.height == (len(along) if isinstance(along, tuple) else np.size(along))
        if isinstance(along, np.ndarray):
            np.testing.assert_array_equal(frame[type(found)._rows].to_numpy(), along)


@pytest.mark.parametrize("found", FOUND, ids=lambda found: type(found).__name__)
def test_a_notebook_shows_every_column(found):
    html = found._repr_html_()

    told = Cells(html)
    assert told.open == []
    assert type(found).__name__ in told.cells
    assert set(found.to_frame().columns) <= set(told.cells)


@pytest.mark.parametrize("found", FOUND, ids=lambda found: type(found).__name__)
def test_columns_named_in_a_header_are_fields(found):
    kind = type(found)
    named = {*kind._apart, *kind._wide, *filter(None, (kind._rows, kind._labels))}
    assert named <= {field.name for field in fields(found)}


@pytest.mark.by_hand
def test_a_model_is_a_row_for_each_covariate():
    frame = survival.cox(TIME, EVENT, X, names=["not maintained", "age"]).to_frame()

    assert frame["names"].to_list() == ["not maintained", "age"]
    assert frame["log_likelihood_null"].n_unique() == 1
    assert "covariance" not in frame.columns
    assert frame.select("ties", "events", "wald_test_degrees_of_freedom").row(0) == (
        "efron", 18, 2
    )  # fmt: skip


@pytest.mark.by_hand
def test_a_table_has_a_column_for_each_label():
    frame = survival.cumulative_incidence([1, 2, 3], [1, 2, 1]).to_frame()

    assert frame.select("time", "incidence_1", "incidence_2").to_dict(as_series=False) == {
        "time": [1, 2, 3],
        "incidence_1": pytest.approx([1 / 3, 1 / 3, 2 / 3]),
        "incidence_2": pytest.approx([0, 1 / 3, 1 / 3]),
    }


@pytest.mark.by_hand
def test_what_has_the_length_of_the_rows_by_chance_is_no_column():
    """Two strata beside two groups, two covariates beside two log likelihoods."""
    test = survival.logrank(TIME, EVENT, ARM, strata=SITE).to_frame()
    combo = survival.max_combo(TIME, EVENT, ARM, weights=((0, 0), (0, 1))).to_frame()

    assert test["groups"].to_list() == ["maintained", "not"]
    assert test["strata"].to_list() == ["north, south"] * 2
    assert combo["weights"].to_list() == ["0.0, 0.0", "0.0, 1.0"]
    assert combo["groups"].to_list() == ["maintained, not"] * 2


@pytest.mark.by_hand
def test_one_proportion_is_one_row_and_many_are_many():
    assert proportions.wald(5, 10).to_frame().columns == ["estimate", "lower", "upper", "level"]
    assert proportions.wald(5, 10).to_frame().height == 1
    assert proportions.wald([5, 6], 10).to_frame()["estimate"].to_list() == [0.5, 0.6]
    assert proportions.wald([[5, 6], [7, 8]], 10).to_frame()["estimate"].to_list() == [
        0.5, 0.6, 0.7, 0.8
    ]  # fmt: skip


def test_labels_cannot_break_a_page():
    html = survival.logrank(TIME, EVENT, [f"<b>{arm}" for arm in ARM])._repr_html_()

    assert "<b>" not in html
    assert "&lt;b&gt;not" in html


def test_a_long_table_is_cut_in_a_notebook_and_whole_in_a_frame():
    curve = survival.kaplan_meier(TIME, EVENT)

    assert curve.to_frame().height == curve.time.size == 18
    assert "10 of 18 rows" in curve._repr_html_()


def test_few_values_unpack():
    curve = survival.kaplan_meier(TIME, EVENT)

    estimate, *limits = curve.quantile(0.5)

    assert estimate == curve.median == 27
    assert tuple(limits) == curve.median_interval
    assert {type(found) for found in FOUND if isinstance(found, Values)} >= {
        survival.Quantile, survival.SurvivalAt, survival.EventTime, crossover.Counterfactual
    }  # fmt: skip


def test_records_are_frozen():
    for found in FOUND:
        with pytest.raises(AttributeError):
            setattr(found, fields(found)[0].name, 0)


def test_frames_are_polars_own():
    assert all(isinstance(found.to_frame(), pl.DataFrame) for found in FOUND)


def test_statistics_do_not_import_what_they_do_not_need():
    """Neither frames nor the slow parts of scipy, until they are asked for."""
    doors = "; ".join(f"import {door.__name__}" for door in DOORS)
    late = "{'polars', 'pandas', 'scipy.stats', 'scipy.optimize', 'numba', 'statsmodels'}"
    code = f"import sys; {doors}; print(sorted({late} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
