"""What a person sees: the README's order and brevity, and every seed in the figures."""

import dataclasses
import math
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from selfplay.studies import figure
from selfplay.studies.readme import readme, told
from selfplay.studies.reductions import Last, Value
from selfplay.studies.results import Results
from selfplay.studies.statistics import Interval
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
from selfplay.studies.verdicts import intervals, judge_all

RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)
MEASURE = Measure("score", "eval/return", Last())


def study(arms, claims=(), **changes):
    return Study("s", "?", arms, (MEASURE,), claims, **{"seeds": 5, **changes})


def results(curves=None, **arms):
    values = {
        name: dict(enumerate(v if isinstance(v, Value) else Value(v, v) for v in vs)) for name, vs in arms.items()
    }
    return Results({"score": values}, curves or {}, seconds={"a/s0": 60.0, "a/s1": 120.0})


def text(declared, found, sessions=()):
    verdicts = judge_all(declared, found, declared.seeds)
    order = {"contrary": 0, "as predicted": 1, "provisional": 2, "undecided": 3}
    verdicts.sort(key=lambda verdict: order[verdict.verdict])
    return readme(declared, found, intervals(declared, found), verdicts, [], {"cores": 2}, sessions)


def claims(*expected):
    return tuple(Claim(f"c{k}", "score", "a", "b", "ratio", e) for k, e in enumerate(expected))


def test_claims_come_first_grouped_and_counted():
    declared = study((Arm("a", RUN), Arm("b", RUN)), claims(">= 2", ">= 9", "<= 9"))
    written = text(declared, results(a=[6] * 5, b=[2] * 5))
    assert "1 contrary, 2 as predicted. Of each arm: 5 seeds." in written
    assert re.findall(r"^#+ (.*)", written, re.MULTILINE) == ["s", "Claims", "Contrary", "As predicted", "Arms"]
    contrary, predicted = written.split("### As predicted")
    assert "| c1 | score: a / b | >= 9 | 3 [3, 3] | 1.00 |" in contrary
    assert "| c0 |" in predicted and "| c2 |" in predicted  # noqa: PT018
    assert "| a | 6 [6, 6] |" in written
    assert "n=5" not in written and "seeds |" not in written and "why" not in written  # noqa: PT018


def test_what_differs_is_said_in_every_row():
    declared = study((Arm("a", RUN), Arm("b", RUN)), claims(">= 2"))
    written = text(declared, results(a=[6] * 5, b=[2] * 4))
    assert "| seeds | why |" in written
    assert "| 5 and 4 | 4 of 5 seeds; b: s4 not measured |" in written
    assert "| b | 2 [2, 2], n=4 |" in written


def test_many_arms_are_folded_and_factors_in_their_names_not_repeated():
    arms = tuple(Arm(f"x{k}.y", RUN, {"first": f"x{k}", "size": "7"}) for k in range(21))
    found = results(**{arm.name: [1.0] for arm in arms})
    written = text(study(arms), found)
    assert "<details><summary>All 21 arms</summary>\n\n| arm | size | score ↑ |\n" in written
    assert "| x3.y | 7 | 1 (one seed: no interval) |" in written
    assert "<details>" not in text(study(arms[:20]), found)


def test_what_a_measure_is_not_for_stays_empty():
    one = Measure("only a", "eval/return", Last(), arms=("a",))
    declared = Study("s", "?", (Arm("a", RUN), Arm("b", RUN)), (MEASURE, one))
    found = Results(
        {"score": {"a": {0: Value(1, 1)}, "b": {}}, "only a": {"a": {0: Value(2, 2)}, "b": {}}}, seconds={"": 1}
    )
    written = text(declared, found)
    assert "| a | 1 (one seed: no interval) | 2 (one seed: no interval) |" in written
    assert "| b | n=0 |  |" in written


def test_two_runs_of_one_policy_have_no_interval():
    """Seeds 0 and 1 begin with one policy; of seed 2 the other half is missing, and it counts for nothing."""
    begins = Run("ppo", RUN.env, 500)
    arms = (Arm("a", Run("finetune", RUN.env, 1000, {}, begins)), Arm("b", RUN))
    declared = study(arms, claims(">= 2"), nested=2, seeds=4)
    written = text(declared, results(a=[6, 8, 9], b=[2, 4, 4]))
    assert "| a | 7 (one pretrained policy: no interval) |" in written
    assert "| b | 3 (one draw of 2 runs: no interval) |" in written
    assert "| 2.33 (one pretrained policy: no interval) |" in written
    assert "1 provisional. Of each arm: 1 pretrained policy × 2 runs." in written
    assert "1 pretrained policy × 2 runs each" in written
    whole = text(declared, results(a=[6, 8, 9, 9], b=[2, 4, 4, 4]))
    assert "| a verdict needs 5 pretrained policies an arm |" in whole
    assert "Of each arm: 2 pretrained policies × 2 runs." in whole


def test_times():
    arms = (Arm("a", RUN),)
    assert "\n2 runs, 3.0 minutes of training, 90 s a run (60 to 120).\n" in text(study(arms), results(a=[1, 2]))
    once = text(study(arms), results(a=[1]), [{"seconds": 30.0}])
    assert "; 0.5 minutes of wall-clock in 1 session.\n" in once
    assert "; 2.0 minutes of wall-clock in 2 sessions." in text(study(arms), results(a=[1]), [{"seconds": 60.0}] * 2)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.5, 1.5, 1.234, 1.9), "1.5 [1.23, 1.9]"),
        ((12000, math.inf, 9000, math.inf), "≥ 12,000 [9,000, ∞]"),
        ((-math.inf, 2, -math.inf, 3), "≤ 2 [−∞, 3]"),
        ((0, math.inf, 0, math.inf), "unknown [0, ∞]"),
        ((-math.inf, math.inf, -math.inf, math.inf), "unknown [−∞, ∞]"),
        ((1, 2, 0.5, 4), "1 to 2 [0.5, 4]"),
    ],
)
def test_intervals_in_words(interval, expected):
    assert told(Interval(*interval)) == expected


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    found = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: found.append(self))
    return found


def grid(*pairs):
    return tuple(Arm(f"{row}.{column}", RUN, {"world": row, "bonus": column}) for row, column in pairs)


def test_every_seed_is_a_dot_above_the_bar(drawn, tmp_path):
    """Two kinds of outcome: the average lies where no seed is, the dots where they are. One of them is censored."""
    declared = study(grid(("w", "p"), ("w", "q"), ("v", "q")))
    found = results(**{"w.p": [0, 0, 1, 1], "w.q": [0.5], "v.q": [Value(9, math.inf), 2]})
    figure.draw_measures(tmp_path / "f.png", declared, found, intervals(declared, found))
    (saved,) = drawn
    upper, lower = saved.axes
    dots = upper.collections[0]
    assert sorted(y for _, y in dots.get_offsets()) == [0, 0, 0.5, 1, 1]
    assert len({x for x, _ in dots.get_offsets()}) == 5
    assert all(dots.get_zorder() > line.get_zorder() for line in upper.collections[1:])
    last = lower.collections[0]
    assert [round(x) for x, _ in last.get_offsets()] == [1, 1]  # q's column, in a row without p
    assert [tuple(face[:3]) == to_rgba("white")[:3] for face in last.get_facecolors()] == [True, False]
    assert [label.get_text() for label in lower.get_xticklabels()] == ["p", "q"]


@pytest.mark.parametrize(("far", "scale"), [(20, "linear"), (-21, "symlog")])
def test_a_far_outlier_does_not_hide_the_rest(drawn, tmp_path, far, scale):
    declared = study(grid(("w", "p"), ("v", "q")))
    found = results(**{"w.p": [1, 1, 1, 0.5], "v.q": [1, 1, 1, far]})
    figure.draw_measures(tmp_path / "f.png", declared, found, intervals(declared, found))
    assert [axis.get_yscale() for axis in drawn[0].axes] == [scale] * 2


def test_curves_show_the_seeds_where_lines_are_few(drawn, tmp_path):
    seeds = {0: (np.array([0.0, 10]), np.array([0.0, 0])), 1: (np.array([0.0, 10]), np.array([0.0, 4]))}
    for count, lines in ((2, 2 * 3), (6, 6)):
        arms = tuple(Arm(f"a{k}", RUN) for k in range(count))
        found = Results({}, {"tag": {arm.name: seeds for arm in arms}})
        figure.draw_curves(tmp_path / "c.png", study(arms, curves=("tag",)), found)
        (axis,) = drawn[-1].axes
        assert len(axis.lines) == lines
        assert axis.lines[-1].get_ydata()[-1] == 2  # the mean of 0 and 4
        assert {line.get_ydata()[-1] for line in axis.lines[:2]} == ({0, 4} if count == 2 else {2})


def test_panels_and_lines_are_laid_out_by_factors(drawn, tmp_path):
    arms = grid(*((f"w{k}", bonus) for k in range(5) for bonus in "pq"))
    seeds = {0: (np.array([0.0, 10]), np.array([0.0, 1]))}
    found = Results({}, {"tag": {arm.name: seeds for arm in arms}})
    figure.draw_curves(tmp_path / "c.png", study(arms, curves=("tag",)), found)
    (saved,) = drawn
    assert [axis.get_title() for axis in saved.axes] == [f"w{k}: tag" for k in range(5)]
    (legend,) = saved.legends
    assert [label.get_text() for label in legend.get_texts()] == ["p", "q"]


def test_a_measure_of_some_rows_leaves_the_others_empty(drawn, tmp_path):
    """Its names stand below the lowest row that it is of."""
    declared = study(grid(("w", "p"), ("v", "q"), ("u", "q")))
    one = Measure("score", "eval/return", Last(), arms=lambda factors: factors["world"] != "u")
    declared = dataclasses.replace(declared, measures=(one,))
    found = results(**{"w.p": [1, 2], "v.q": [3, 4], "u.q": []})
    figure.draw_measures(tmp_path / "f.png", declared, found, intervals(declared, found))
    assert [axis.axison for axis in drawn[0].axes] == [True, True, False]
    assert [axis.xaxis.get_visible() for axis in drawn[0].axes[:2]] == [False, True]
    assert [label.get_text() for label in drawn[0].axes[1].get_xticklabels()] == ["p", "q"]


def test_curves_are_drawn_of_the_arms_that_are_said(drawn, tmp_path):
    arms = grid(("w", "p"), ("v", "q"), ("u", "q"))
    seeds = {0: (np.array([0.0, 10]), np.array([0.0, 1]))}
    found = Results({}, {"tag": {arm.name: seeds for arm in arms}})
    declared = study(arms, curves=("tag",), curves_of=lambda factors: factors["world"] != "v")
    figure.draw_curves(tmp_path / "c.png", declared, found)
    assert [axis.get_title() for axis in drawn[0].axes] == ["w: tag", "u: tag"]


def test_ticks_are_told_apart():
    assert [figure._tick(value, 0) for value in (1.9405, 1.942, 0.1 + 0.2, 12000)] == ["1.9405", "1.942", "0.3", "12k"]
