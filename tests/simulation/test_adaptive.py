"""Trials of several arms, and trials that change while they run: against theory and plain code."""

import json
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm

from radioligand.cli import cli
from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.planning import selection_power
from radioligand.protocol import (
    Adaptation,
    ArmAddition,
    ArmDrop,
    ProtocolError,
    Resizing,
    parse_protocol,
)
from radioligand.protocol.inheritance import inherit
from radioligand.simulation import trials as room
from radioligand.simulation.adaptive_design import adaptive_design, virtual_design
from radioligand.simulation.adaptive_kernels import simulate_adaptive, smallest
from radioligand.simulation.adaptive_model import (
    C_BOUND,
    C_DAY,
    C_ENTERED,
    C_EVENTS,
    C_IN_ARM,
    C_STOPPED,
    C_Z,
    COMPARED,
    T_CONDITIONAL_POWER,
    T_DAY,
    T_ENTERED,
    T_EVENTS_PLANNED,
    T_ON,
    WHOLE_TRIAL,
)
from radioligand.simulation.adaptive_replay import replay_adaptive_trial
from radioligand.simulation.decisions import (
    bound_of,
    conditional_power,
    events_for_power,
    largest_above,
    spending_bound,
    spent,
)
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import simulate_trials
from radioligand.simulation.model import RESULTS
from radioligand.simulation.scenarios import (
    LookAssumption,
    PrimaryAssumption,
    Scenario,
    parse_scenarios,
    without_effect,
)
from radioligand.simulation.tallies import primaries_held
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate
from radioligand.statistics.combination import max_combo
from radioligand.statistics.normal_maximum import exceedance
from radioligand.statistics.sequential import boundaries
from radioligand.statistics.survival import cox, kaplan_meier, logrank

MONTH = 30.4375
TRIALS = 10_000


@pytest.fixture(scope="module")
def ddr():
    return read_protocol("prrt-ddr")


@pytest.fixture(scope="module")
def resistant():
    return read_protocol("prrt-resistant")


# --- decisions ------------------------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize(("code", "spending"), [(1, "obrien-fleming"), (2, "pocock")])
@pytest.mark.parametrize(
    ("events", "near"),  # looks an event apart are summed over less exactly
    [((20, 50, 60, 99), 5e-6), ((97, 98, 99), 8e-4), ((40, 99), 1e-6)],
)
def test_boundaries_spent_by_events_are_those_of_statistics(code, spending, events, near):
    seen, found, before = np.array(events), np.zeros(len(events)), 0.0
    for look, one in enumerate(events):
        by_now = spent(one / events[-1], 0.025, code)
        found[look] = spending_bound(seen, found, look, by_now - before)
        before = by_now

    expected = boundaries(seen / seen[-1], alpha=0.025, spending=spending).z
    assert found == pytest.approx(expected, abs=near)


def test_a_look_without_a_new_event_stops_nothing():
    assert spending_bound(np.array([40, 40]), np.array([2.5, 0.0]), 1, 0.01) == np.inf
    assert spending_bound(np.array([40, 60]), np.array([2.5, 0.0]), 1, 0.0) == np.inf


@pytest.mark.law
@pytest.mark.parametrize("times", [3, 10, 99])
@pytest.mark.parametrize("bound", [-0.4, 0.3, 1.5, 2.2, 3.0])
def test_the_largest_of_four_has_the_probability_of_statistics(times, bound):
    s = np.linspace(1, 0.3, times)
    weights = np.stack([np.ones(times), s, 1 - s, s * (1 - s)])
    covariance = weights @ weights.T * 0.22
    root = np.sqrt(np.diag(covariance))
    expected = exceedance(covariance / np.outer(root, root), bound, two_sided=False)

    assert largest_above(bound, covariance) == pytest.approx(expected, abs=1e-10)


@pytest.mark.by_hand
def test_conditional_power_by_hand():
    # z 1.2 at 50 of 100 events: the trend leads to 1.2 / root .5 = 1.697, with spread root .5
    assert conditional_power(1.2, 50, 100, 1.96) == pytest.approx(
        norm.sf((1.96 - 1.2 / 0.5**0.5) / 0.5**0.5), abs=1e-12
    )
    # at the events found, the second stage alone reaches its bound with the power asked for
    final = events_for_power(1.2, 50, 100, 1.96, norm.ppf(0.9))
    need = (1.96 * 10 - 1.2 * 50**0.5) / 50**0.5
    assert 1.2 / 50**0.5 * (final - 50) ** 0.5 - need == pytest.approx(norm.ppf(0.9), abs=1e-9)


@pytest.mark.parametrize("p", [0.4, 0.025, 1e-9])
def test_bound_of_a_level(p):
    assert bound_of(p) == pytest.approx(norm.isf(p), abs=1e-12)


@pytest.mark.law
def test_selection_finds_the_nth_value():
    values = np.random.default_rng(3).integers(0, 30, 101).astype(np.int32)
    for wanted in (1, 2, 50, 100, 101):
        assert smallest(values.copy(), wanted) == np.sort(values)[wanted - 1]


# --- as the kernel of two arms --------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize("which", ["plain", "fuller"])
def test_two_arms_without_change_are_the_same_trials_to_the_last_bit(
    which, protocol, plain, fuller
):
    scenario = plain if which == "plain" else fuller
    pair = simulate_trials(trial_design(protocol, scenario).model, seed=5, first=0, last=500)
    several = adaptive_design(protocol, scenario)

    whole, compared = simulate_adaptive(several.model, seed=5, first=0, last=500)

    for name in set(RESULTS) - {"steps"}:
        own = compared[:, 0, COMPARED.index(name)]
        assert own.tobytes() == pair[:, RESULTS.index(name)].tobytes(), name
    assert (whole[:, T_DAY] == pair[:, RESULTS.index("day")]).all()


# --- as plain code --------------------------------------------------------------------------------


def slow(one, design):
    strata = one.stratum if design.model.trial.stratified else None
    rows = one.time_days, one.event
    if design.model.max_combo:
        test = max_combo(*rows, one.experimental, strata=strata)
        z = norm.isf(test.one_sided(fewer_events_in=True)) * -1
    else:
        z = logrank(*rows, one.experimental, strata=strata).z
    model = cox(*rows, one.experimental.astype(float), strata=strata)
    medians = [
        kaplan_meier(one.time_days[own], one.event[own]).median
        for own in (~one.experimental, one.experimental)
    ]
    return {
        "z": z,
        "log_hazard_ratio": model.log_hazard_ratio[0],
        "standard_error": model.standard_error[0],
        "median_control": medians[0],
        "median_experimental": medians[1],
        "events": one.event.sum(),
        "entered": one.event.size,
    }


CHANGES = {
    "picked": ("prrt-ddr", Scenario()),
    "screened": ("prrt-resistant", Scenario(visits=True, missed_fraction=0.1)),
    "late": ("prrt-resistant", Scenario(delay_months=2, max_combo=True)),
    "added": (
        "prrt-resistant",
        Scenario(
            adaptation=Adaptation(
                additions=(ArmAddition(arm="LUCAP", month=6.0),),
                drops=(ArmDrop(events=20, at_most_hazard_ratio=0.9, keep=2),),
            )
        ),
    ),
    "dated": ("prrt-resistant", Scenario(looks=LookAssumption(months=(18.0, 30.0)))),
}


@pytest.mark.parametrize("which", CHANGES)
def test_statistics_agree_for_hundreds_of_comparisons(which):
    name, scenario = CHANGES[which]
    design = adaptive_design(read_protocol(name), scenario)
    whole, compared = simulate_adaptive(design.model, seed=11, first=0, last=40)
    for trial in range(40):
        virtual = replay_adaptive_trial(design, seed=11, trial=trial)
        told = dict(zip(WHOLE_TRIAL, whole[trial].tolist(), strict=True))
        assert virtual.results == pytest.approx(told, nan_ok=True, rel=0, abs=0)
        for one in virtual.comparisons:
            place = design.arms.index(one.arm) - 1
            kernel = dict(zip(COMPARED, compared[trial, place].tolist(), strict=True))
            expected = slow(one, design)
            near = 1e-7 if design.model.max_combo else 1e-9
            assert {key: kernel[key] for key in expected} == pytest.approx(
                expected, rel=near, abs=near, nan_ok=True
            )


# --- picking the winner ---------------------------------------------------------------------------


@pytest.mark.parametrize("ratios", [(), (("LUPEP", 1.0), ("LUOLA", 1.0))])
def test_picking_the_winner_is_as_by_theory(ddr, ratios):
    design = adaptive_design(ddr, Scenario(hazard_ratios=ratios))
    plan, selection = design.plan, ddr.selection
    theory = selection_power(
        [np.exp(one) for one in design.log_hazard_ratios],
        first_events=selection.events,
        events=plan.events,
        level=plan.comparison.alpha,
        at_most_hazard_ratio=selection.at_most_hazard_ratio,
    )

    found = simulate(design, trials=TRIALS, seed=2)

    # theory is asymptotic: a percent is granted besides Monte Carlo error
    assert found.power == pytest.approx(theory.power, abs=4 * found.power_error + 0.01)
    assert [one.on for one in found.arms] == pytest.approx(theory.chosen, abs=0.03)
    for arm, ratio in zip(found.arms, theory.ratio_at_end, strict=True):
        if arm.on > 0.1:
            error = arm.bias_at_end.error
            assert arm.bias_at_end.mean == pytest.approx(np.log(ratio), abs=4 * error + 0.01)
            assert arm.bias_at_first.mean < arm.bias_at_end.mean < 0  # it flatters, less at the end


def test_the_winners_level_holds_for_the_family(ddr):
    design = adaptive_design(ddr, without_effect(Scenario()))

    found = simulate(design, trials=2 * TRIALS, seed=3)

    # a stop because no arm is good enough is not counted on, so it may be below
    assert 0.015 < found.power < 0.025 + 4 * found.power_error


def test_without_its_first_stage_the_comparison_is_of_later_subjects(ddr):
    later = ddr.selection.model_copy(update={"first_stage_counts": False})
    design = adaptive_design(ddr.model_copy(update={"selection": later}), Scenario(subjects=900))
    for trial in range(20):
        virtual = replay_adaptive_trial(design, seed=4, trial=trial)
        first = virtual.results["first_day"]
        ended = [one for one in virtual.comparisons if one.results["stopped"] != -2]
        for one in ended:
            assert one.entry_day.min() > first
        assert len(ended) <= 1


# --- arms that stop, and arms that open -----------------------------------------------------------


def test_arms_are_dropped_by_their_effect(resistant):
    rules = Adaptation(drops=(ArmDrop(events=15, keep=2), ArmDrop(events=30, keep=1)))
    ratios = tuple(zip(("LUOLA", "LUVOR", "LUCPI", "LUCAP"), (0.5, 0.8, 1.0, 1.2), strict=True))
    design = adaptive_design(resistant, Scenario(adaptation=rules, hazard_ratios=ratios))

    whole, compared = simulate_adaptive(design.model, seed=6, first=0, last=4000)

    assert (whole[:, T_ON] == 1).mean() > 0.95  # an arm may have ended before the second look
    on = (compared[:, :, C_STOPPED] != -2).mean(axis=0)
    assert (np.diff(on) < 0).all()  # the better the likelier to go on
    assert on[0] > 0.75
    in_arm = compared[:, :, C_IN_ARM].mean(axis=0)
    assert (np.diff(in_arm) < 0).all()  # who would have entered a dropped arm enters another
    assert whole[:, T_ENTERED].max() <= design.model.subjects


def test_a_trial_without_an_arm_left_ends(resistant):
    rules = Adaptation(drops=(ArmDrop(events=20, at_most_hazard_ratio=0.2),))
    design = adaptive_design(resistant, Scenario(adaptation=rules, hazard_ratio=1.5))

    found = simulate(design, trials=500, seed=1)

    assert found.none_on > 0.99
    assert found.power == 0.0
    assert found.means["day"].mean < 0.8 * design.plan.analysis_months * MONTH


@pytest.mark.law
def test_an_added_arm_has_its_own_controls(resistant):
    rules = Adaptation(additions=(ArmAddition(arm="LUCAP", month=9.0),))
    design = adaptive_design(resistant, Scenario(adaptation=rules))
    opens = round(9 * MONTH)
    for trial in range(30):
        virtual = replay_adaptive_trial(design, seed=8, trial=trial)
        own = virtual.comparisons[-1]

        assert own.arm == "LUCAP"
        assert own.entry_day.min() > opens
        assert not ((virtual.arm == 4) & (virtual.entry_day <= opens)).any()
        before = virtual.arm[virtual.entry_day <= opens]
        counts = np.bincount(before, minlength=4)
        assert counts.max() - counts.min() <= 2 * 4  # blocks of eight in four strata


@pytest.mark.law
def test_blocks_balance_every_open_arm(resistant):
    design = adaptive_design(resistant)
    for trial in range(30):
        virtual = replay_adaptive_trial(design, seed=9, trial=trial)
        for stratum in range(4):
            arms = virtual.arm[virtual.stratum == stratum]
            for block in arms[: arms.size // 10 * 10].reshape(-1, 10):
                assert (np.bincount(block, minlength=5) == 2).all()


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"drops": [{"events": 30, "keep": 1}]}, "there is a [selection] as well"),
        ({"drops": [{"events": 30}]}, "no rule says which arms stop"),
        (
            {"drops": [{"events": 30, "keep": 2}, {"events": 20, "keep": 1}]},
            "events of [30, 20] do not rise",
        ),
        ({"additions": [{"arm": "LU", "month": 3.0}]}, "adaptation.additions[LU].arm"),
        (
            {"additions": [{"arm": arm, "month": 3.0} for arm in ("LUTRI", "LUPEP", "LUOLA")]},
            "every experimental arm is added later",
        ),
        ({"resizing": {"events": 90, "most_events": 80}}, "most_events is 80, and events is 90"),
    ],
)
def test_rules_of_a_protocol_that_contradict_are_told(rules, says):
    own, base = (
        tomllib.loads((files("radioligand") / "trials" / f"{name}.toml").read_text("utf-8"))
        for name in ("prrt-ddr", "netter-2")
    )
    document = inherit(own, base)
    with pytest.raises(ProtocolError) as refused:
        parse_protocol({**document, "adaptation": rules})

    assert says in str(refused.value)


# --- looks by the calendar ------------------------------------------------------------------------


def test_looks_by_the_calendar_are_held_on_their_day_and_keep_the_level(changed):
    protocol = changed(ratio=1, hazard_ratio=0.6)
    looks = Scenario(looks=LookAssumption(months=(15.0, 24.0, 36.0)))
    nothing = adaptive_design(protocol, without_effect(looks))

    whole, compared = simulate_adaptive(nothing.model, seed=7, first=0, last=TRIALS)

    days = set(np.unique(compared[:, 0, C_DAY]).tolist())
    assert days == {round(month * MONTH) for month in (15.0, 24.0, 36.0)}
    found = (compared[:, 0, C_STOPPED] == 1).mean()
    error = np.sqrt(0.025 * 0.975 / whole.shape[0])
    assert found == pytest.approx(0.025, abs=4 * error + 0.0015)
    assert np.unique(compared[:, 0, C_BOUND]).size > 20  # of what was seen, not of what was planned


# --- more events where it is promising ------------------------------------------------------------


PROMISING = Adaptation(resizing=Resizing(events=60, most_events=200, power=0.9))


def test_events_are_raised_where_the_look_is_promising(changed):
    protocol = changed(ratio=1, hazard_ratio=0.6)
    design = adaptive_design(protocol, Scenario(adaptation=PROMISING, hazard_ratio=0.7))
    planned = int(design.model.look_events[-1])

    whole, compared = simulate_adaptive(design.model, seed=2, first=0, last=4000)
    power, events = whole[:, T_CONDITIONAL_POWER], whole[:, T_EVENTS_PLANNED]

    promising = (power >= 0.3) & (power < 0.9)
    assert (events[~promising] == planned).all()
    assert (events[promising] >= planned).all()
    assert events.max() == 200
    reached = compared[:, 0, C_EVENTS] >= events
    assert reached.mean() > 0.99
    assert (whole[events > planned, T_ENTERED] > design.model.subjects).any()


def test_more_events_give_more_power_at_the_same_level(changed):
    protocol = changed(ratio=1, hazard_ratio=0.6)
    plain, raised = Scenario(hazard_ratio=0.7), Scenario(hazard_ratio=0.7, adaptation=PROMISING)
    power = [
        simulate(adaptive_design(protocol, one), trials=TRIALS, seed=1).power
        for one in (plain, raised)
    ]
    nothing = simulate(adaptive_design(protocol, without_effect(raised)), trials=2 * TRIALS, seed=4)

    assert power[1] > power[0] + 0.02
    assert nothing.power == pytest.approx(0.025, abs=4 * nothing.power_error + 0.001)


# --- the largest of several tests -----------------------------------------------------------------


def test_max_combo_keeps_its_level_and_gains_where_the_effect_is_late(changed):
    late = {"ratio": 1, "hazard_ratio": 0.5, "delay_months": 8.0}
    protocol = changed(**late)
    combo = Scenario(max_combo=True)
    nothing = simulate(adaptive_design(protocol, without_effect(combo)), trials=TRIALS, seed=5)
    power = [
        simulate(virtual_design(protocol, one), trials=4000, seed=6).power
        for one in (Scenario(), combo)
    ]

    # the tests are asymptotic: some tenths of a percent are granted
    assert nothing.power == pytest.approx(0.025, abs=4 * nothing.power_error + 0.003)
    assert power[1] > power[0] + 0.03


# --- several primary endpoints --------------------------------------------------------------------


@pytest.mark.by_hand
def test_levels_of_several_endpoints_by_hand():
    # one-sided p: .010 and .020; then .030 and .004; then .020 and .020, at 2.5 %
    z = norm.isf(np.array([[0.010, 0.020], [0.030, 0.004], [0.020, 0.020]]))
    both = ("primary", "survival")

    def held(rule, shares=(0.5, 0.5)):
        several = PrimaryAssumption(endpoints=both, shares=shares, rule=rule)
        each, success = primaries_held(z, several, alpha=0.025)
        return each.tolist(), success.tolist()

    assert held("bonferroni") == (
        [[True, False], [False, True], [False, False]],
        [True, True, False],
    )
    assert held("holm") == ([[True, True], [False, True], [False, False]], [True, True, False])
    assert held("all") == ([[True, True], [False, True], [True, True]], [True, False, True])
    assert held("bonferroni", (0.8, 0.2)) == (
        [[True, False], [False, True], [True, False]],
        [True, True, True],
    )


@pytest.mark.parametrize("rule", ["bonferroni", "holm"])
def test_several_endpoints_keep_the_level_of_the_family(changed, rule):
    several = PrimaryAssumption(endpoints=("primary", "survival"), shares=(0.5, 0.5), rule=rule)
    scenario = Scenario(
        primaries=several,
        deaths_among_events=0.2,
        progression_to_death_months_control=12.0,
        progression_to_death_months_experimental=12.0,
    )
    protocol = changed(ratio=1)
    nothing = simulate(trial_design(protocol, without_effect(scenario)), trials=2 * TRIALS, seed=5)
    arms = simulate(adaptive_design(protocol, without_effect(scenario)), trials=2 * TRIALS, seed=5)

    assert 0.0125 < nothing.power < 0.025 + 4 * nothing.power_error
    assert max(nothing.primaries) < nothing.power < sum(nothing.primaries)
    assert arms.power == nothing.power
    assert arms.arms[0].primaries == nothing.primaries


# --- kept parts -----------------------------------------------------------------------------------


def test_parts_of_several_arms_are_kept_and_read(ddr, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PART", 50)
    design = adaptive_design(ddr, Scenario())
    first = simulate(design, trials=200, seed=1, folder=tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    again = simulate(design, trials=200, seed=1, folder=tmp_path, threads=1)
    other = simulate(adaptive_design(ddr, Scenario(hazard_ratio=0.8)), trials=200, seed=1)

    assert len(written) == 4
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert again == first == simulate(design, trials=200, seed=1)
    assert other != first
    kept = room.Kept(tmp_path, adaptive_design(ddr, Scenario(hazard_ratio=0.8)), 1)
    assert kept.read((0, 50)) is None


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_shipped_protocol_is_simulated(name):
    words = ["simulate", name, "--trials", "400", "--json"]

    run = CliRunner().invoke(cli, words)

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["trials"] == 400
    assert told["power"] > 0.6 > told["type_one_error"]["rate"]
    assert {"hazard_ratio", "power_error", "duration_months", "seconds"} <= told.keys()


def test_the_command_tells_of_each_arm_and_of_the_bias_of_selection():
    words = ["simulate", "prrt-ddr", "--trials", "2000", "--seed", "3"]

    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    read = CliRunner().invoke(cli, words).stdout

    assert [one["arm"] for one in told["arms"]] == ["LUTRI", "LUPEP", "LUOLA"]
    assert sum(one["went_on"] for one in told["arms"]) <= 1
    assert told["dropping"]["bias_when_kept"]["mean"] < told["dropping"]["bias_at_end"]["mean"] < 0
    assert told["theory"]["power"] == pytest.approx(told["power"], abs=0.04)
    assert "bias of selection     estimated hazard ratio over the true one" in read
    assert "LUPEP                 found in" in read


def test_rules_of_a_scenario_document_are_read(resistant):
    text = {
        "document": 1,
        "hazard_ratios": {"LUOLA": 0.5, "LUCPI": 1},
        "looks": {"months": [18, 30], "spending": "pocock"},
        "adaptation": {
            "drops": [{"events": 20, "keep": 2}],
            "additions": [{"arm": "LUCAP", "month": 6.0}],
        },
    }
    (scenario,) = parse_scenarios(text)
    design = virtual_design(resistant, scenario)

    assert np.exp(design.log_hazard_ratios) == pytest.approx([0.5, 0.55, 1.0, 0.55])
    assert design.model.opens.tolist() == [0, 0, 0, 0, round(6 * MONTH)]
    assert design.model.drop_keep.tolist() == [2]
    assert design.model.look_days.tolist() == [round(18 * MONTH), round(30 * MONTH)]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"adaptation": {"drops": [{"event": 20}]}}, "Did you mean 'events'?"),
        ({"adaptation": {"drops": [{"events": 0, "keep": 1}]}}, "adaptation.drops[0].events"),
        ({"looks": {"months": [12, 6]}}, "Give numbers that rise."),
        ({"looks": {"months": [12], "events": [50]}}, "give either events or months"),
        ({"hazard_ratios": {"LU": 0}}, "hazard_ratios.LU: 0. Give a number, above 0."),
        ({"primaries": {"endpoints": ["primary"]}}, "primaries.endpoints: ['primary']"),
        ({"primaries": {"endpoints": ["primary", "survival"]}}, "survival is one, and none"),
        (
            {"primaries": {"endpoints": ["primary", "survival"], "shares": [1, 1]}},
            "primaries.shares: [1, 1]. Give a share for each",
        ),
        ({"assume": {"max_combo": True, "gamma": 1}}, "Leave one of them out."),
    ],
)
def test_faults_of_rules_are_told(document, says):
    with pytest.raises(SimulationError) as refused:
        parse_scenarios({"document": 1, **document})

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (Scenario(hazard_ratios=(("LUX", 0.5),)), "hazard_ratios.LUX: no such experimental arm"),
        (
            Scenario(adaptation=Adaptation(drops=(ArmDrop(events=10),))),
            "no rule says which arms stop",
        ),
        (
            Scenario(adaptation=Adaptation(additions=(ArmAddition(arm="LUY", month=2.0),))),
            "LUY",
        ),
        (Scenario(adaptation=PROMISING), "no rule joins their stages at the family's level"),
    ],
)
def test_rules_that_do_not_fit_the_arms_are_refused(resistant, scenario, says):
    with pytest.raises(SimulationError, match=says):
        virtual_design(resistant, scenario)


def test_the_chain_of_two_arms_is_that_of_the_plain_kernel(protocol, fuller):
    alone = simulate(trial_design(protocol, fuller), trials=1000, seed=6)
    several = simulate(adaptive_design(protocol, fuller), trials=1000, seed=6)

    assert several.arms[0].chain == alone.chain
    assert alone.chain[0] > alone.chain[1] > alone.chain[2] > 0


def test_each_arm_has_a_chain_at_its_own_level(ddr):
    scenario = Scenario(
        chain=("primary", "response", "survival"),
        response_control=0.3,
        response_experimental=0.45,
        progression_to_death_months_control=20,
        progression_to_death_months_experimental=24,
    )
    design = adaptive_design(ddr, scenario)
    _, compared = simulate_adaptive(design.model, seed=1, first=0, last=300)
    level = norm.isf(design.plan.comparison.alpha)

    primary = compared[:, :, C_STOPPED] == 1
    response = primary & (compared[:, :, COMPARED.index("response_z")] >= level)
    survival = response & (compared[:, :, COMPARED.index("survival_z")] <= -level)
    expected = np.stack([primary, response, survival], axis=2).mean(axis=0)
    found = simulate(design, trials=300, seed=1)
    assert [one.chain for one in found.arms] == [tuple(row) for row in expected.tolist()]
    run = CliRunner().invoke(cli, ["simulate", "prrt-ddr", "--trials", "100", "--json"])
    assert "chain" not in json.loads(run.stdout)["arms"][0]  # no chain is planned


def test_entered_are_those_of_the_arms_compared(resistant):
    design = adaptive_design(resistant)
    whole, compared = simulate_adaptive(design.model, seed=1, first=0, last=200)

    assert (compared[:, :, C_ENTERED] <= compared[:, :, C_IN_ARM] + whole[:, [2]]).all()
    assert np.isfinite(compared[:, :, C_Z]).all()
