"""What is declared: ranges, measures, studies; and how a claim is judged."""

import math

import pytest

from selfplay.studies.claim import Expected
from selfplay.studies.reductions import Above, AreaUnderCurve, At, Drop, FirstStep, Last, LateMean, Peak, Value
from selfplay.studies.results import Results, spans
from selfplay.studies.statistics import mean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
from selfplay.studies.verdicts import judge, judge_all

RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)
MEASURE = Measure("score", "eval/return", Last())


@pytest.mark.parametrize(
    ("text", "interval", "holds", "excludes"),
    [
        (">= 5", (5, 9), True, False),
        (">= 5", (4.9, 9), False, False),
        (">= 5", (1, 4.9), False, True),
        (">= 5", (1, 5), False, False),
        (">= 5", (6, math.inf), True, False),
        ("> 0", (0, 0), False, True),
        ("> 0", (1e-12, 1), True, False),
        ("<= 1.2", (0, 1.2), True, False),
        ("<= 1.2", (1.3, math.inf), False, True),
        ("< 1", (1, 1), False, True),
        ("< 1", (-math.inf, 0.5), True, False),
        ("0.8 to 1.25", (0.8, 1.25), True, False),
        ("0.8 to 1.25", (0.7, 1), False, False),
        ("0.8 to 1.25", (0.7, 1.3), False, False),
        ("0.8 to 1.25", (1.3, 2), False, True),
        ("-0.05 to .05", (-0.2, -0.1), False, True),
        (">= 1", (0, math.inf), False, False),
    ],
)
def test_ranges(text, interval, holds, excludes):
    expected = Expected.parse(text)
    assert (expected.holds(*interval), expected.excludes(*interval)) == (holds, excludes)


@pytest.mark.parametrize("text", ["", "5", "above 1", "> ", ">= nan", "2 to 1", "=> 5", "1 - 2"])
def test_no_ranges(text):
    with pytest.raises(ValueError, match=r"is not a range \(expected >= 5"):
        Expected.parse(text)


def test_reductions_by_hand():
    steps, values = [0.0, 100, 300, 400], [0.0, 0.5, 1.0, 0.8]
    assert Last()(steps, values, 400) == Value(0.8, 0.8)
    assert Peak()(steps, values, 400).low == 1.0
    assert LateMean(0.25)(steps, values, 400).low == pytest.approx(0.9)  # from step 300 on
    assert Drop(0.25)(steps, values, 400).low == pytest.approx(0.1)
    assert Drop(0.1)(steps, values, 400) == Value(*[pytest.approx(0.2)] * 2)
    assert LateMean(0.25)(steps[:2], values[:2], 400).low == 0.5  # nothing was logged that late
    assert [At(share)(steps, values, 400).low for share in (0, 0.125, 0.5)] == [0, 0.25, 0.75]
    # 100·(0 + .5)/2 + 200·(.5 + 1)/2 + 100·(1 + .8)/2 = 25 + 150 + 90, over 400 steps
    assert AreaUnderCurve()(steps, values, 400).low == pytest.approx(265 / 400)
    assert AreaUnderCurve()([7.0], [3.0], 400).low == 3.0
    assert FirstStep(0.5)(steps, values, 400) == Value(100, 100)
    assert FirstStep(1.1)(steps, values, 350) == Value(400, math.inf)  # the run went past its budget
    assert FirstStep(1.1)(steps, values, 500).censored
    assert Above(0.9, 0.25)(steps, values, 400) == Value(1, 1)  # (1 + .8) / 2 = .9
    assert Above(0.91, 0.25)(steps, values, 400) == Value(0, 0)


def results(**arms):
    values = {
        name: {k: v if isinstance(v, Value) else Value(v, v) for k, v in enumerate(vs)} for name, vs in arms.items()
    }
    return Results({"score": values})


def claim(kind="ratio", expected=">= 2"):
    return Claim("a beats b", "score", "a", "b", kind, expected)


@pytest.mark.parametrize(
    ("kind", "expected", "left", "right", "verdict"),
    [
        ("ratio", ">= 2", [9, 10, 11, 10, 10], [2, 2, 2, 2, 2], "as predicted"),
        ("ratio", ">= 6", [9, 10, 11, 10, 10], [2, 2, 2, 2, 2], "contrary"),
        ("ratio", ">= 5", [9, 10, 11, 10, 10], [2, 2, 2, 2, 2], "undecided"),
        ("difference", "-3 to -1", [0, 0, 0, 0, 0], [2, 2, 2, 2, 2.5], "as predicted"),
        ("difference", "> 0", [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], "contrary"),
        ("ratio", ">= 2", [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], "as predicted"),
        ("ratio", "<= 2", [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], "undecided"),
    ],
)
def test_verdicts(kind, expected, left, right, verdict):
    assert judge(claim(kind, expected), results(a=left, b=right), seeds=5).verdict == verdict


def test_undecided_says_why():
    few = judge(claim(), results(a=[9, 9, 9, 9], b=[1, 1, 1, 1]), seeds=4)
    assert (few.verdict, few.note, few.seeds) == ("undecided", "a verdict needs 5 seeds an arm", (4, 4))
    assert few.interval.low == 9
    negative = judge(claim(), results(a=[9] * 5, b=[-1] * 5), seeds=5)
    assert (negative.verdict, negative.interval) == ("undecided", None)
    assert "register a difference" in negative.note


def test_never_reaching_a_threshold_counts():
    never = Value(1000, math.inf)
    slow = judge(claim(expected=">= 5"), results(a=[never] * 6, b=[100.0] * 6), seeds=6)
    assert (slow.verdict, slow.interval.low) == ("as predicted", 10)
    both = judge(claim(expected="0.5 to 2"), results(a=[never] * 6, b=[never] * 6), seeds=6)
    assert both.verdict == "undecided"


def test_no_verdict_before_all_registered_seeds_are_there():
    """Nine seeds would hold the claim; the tenth failed."""
    values = {"score": {"a": {k: Value(9, 9) for k in range(10) if k != 7}, "b": {k: Value(1, 1) for k in range(8)}}}
    found = Results(values, missing=["a/s7", "b/s8", "b/s9"], failures={"a/s7": "training diverged"})
    waiting = judge(claim(), found, seeds=10)
    assert (waiting.verdict, waiting.seeds) == ("provisional", (9, 8))
    assert waiting.note == "8 of 10 seeds; a: s7 failed; b: s8–s9 not finished"
    assert waiting.interval.low == 9
    found.values["score"]["a"][7] = Value(9, 9)
    assert judge(claim(), found, seeds=8).verdict == "as predicted"
    unmeasured = judge(claim(), Results({"score": {"a": {}, "b": {}}}), seeds=3)
    assert (unmeasured.verdict, unmeasured.interval) == ("provisional", None)
    assert unmeasured.note == "0 of 3 seeds; a: s0–s2 not measured; b: s0–s2 not measured"


def test_seeds_beyond_the_registered_ones_do_not_count():
    found = results(a=[9] * 5 + [0] * 45, b=[1] * 50)
    assert judge(claim(), found, seeds=5).verdict == "as predicted"
    assert judge(claim(), found, seeds=50).verdict == "contrary"


def test_a_quick_study_decides_nothing():
    assert judge(claim(), results(a=[9] * 5, b=[1] * 5), seeds=5, quick=True).verdict == "quick: decides nothing"


def test_shares_are_averaged_by_the_mean():
    """3 of 10 trapped against none: .3; an interquartile mean, which cuts 2 at either end, would say 1/6."""
    found = results(a=[1, 0, 0, 1, 0, 0, 1, 0, 0, 0], b=[0] * 10)
    shares = judge(claim("difference", "> 0"), found, seeds=10, average=mean)
    assert shares.interval.found_low == pytest.approx(0.3)
    assert (shares.interval.low, shares.interval.high) == pytest.approx((0, 0.6))  # of 10: binomial quantiles 0 and 6
    assert judge(claim("difference", "> 0"), found, seeds=10).interval.found_low == pytest.approx(1 / 6)
    assert Measure("trapped", "x", Above(0.5)).average == "mean"
    assert MEASURE.average == "iqm"


def four(kind, expected):
    return Claim("more than its sham", "score", "a", "c", kind, expected, left_control="b", right_control="d")


def test_interactions_by_hand():
    found = results(a=[8] * 5, b=[2] * 5, c=[6] * 5, d=[3] * 5)
    ratio = judge(four("ratio of ratios", ">= 2"), found, seeds=5)
    assert (ratio.verdict, ratio.interval.found_low, ratio.probability) == ("as predicted", 2, None)  # (8/2) / (6/3)
    difference = judge(four("difference of differences", "2 to 4"), found, seeds=5)
    assert (difference.verdict, difference.interval.low, difference.interval.high) == ("as predicted", 3, 3)
    assert ratio.seeds == (5, 5, 5, 5)
    assert ratio.claim.registered == "score: (a / b) / (c / d) >= 2"
    assert difference.claim.registered == "score: (a − b) − (c − d) 2 to 4"
    few = results(a=[8] * 5, b=[2] * 5, c=[6] * 5, d=[3] * 4)
    assert judge(four("ratio of ratios", ">= 2"), few, seeds=5).note == "4 of 5 seeds; d: s4 not measured"


@pytest.mark.parametrize(
    ("controls", "kind", "message"),
    [
        ({"left_control": "b"}, "ratio", "a ratio has no controls"),
        ({"left_control": "b"}, "ratio of ratios", "needs left_control and right_control"),
        ({}, "difference of differences", "needs left_control and right_control"),
    ],
)
def test_controls_go_with_interactions(controls, kind, message):
    with pytest.raises(ValueError, match=message):
        Claim("c", "score", "a", "b", kind, "> 1", **controls)


def test_a_precondition_that_does_not_hold():
    first = Claim("explores at all", "score", "a", "b", "difference", "> 0")
    then = Claim("is trapped", "score", "c", "a", "ratio", ">= 2", precondition="explores at all")
    arms = tuple(Arm(name, RUN) for name in "abc")
    declared = study(arms=arms, claims=(then, first), seeds=5)
    holds = judge_all(declared, results(a=[3] * 5, b=[1] * 5, c=[9] * 5), 5)
    assert [verdict.verdict for verdict in holds] == ["as predicted", "as predicted"]
    fails, _ = judge_all(declared, results(a=[1] * 5, b=[1] * 5, c=[9] * 5), 5)
    assert (fails.verdict, fails.note) == ("undecided", "precondition 'explores at all' is contrary")
    waits, _ = judge_all(declared, results(a=[3] * 5, b=[1] * 4, c=[9] * 5), 5)
    assert (waits.verdict, waits.note) == ("provisional", "precondition 'explores at all' is provisional")
    assert then.registered == "score: c / a >= 2, if 'explores at all' holds"


def test_spans():
    assert spans([0, 1, 2, 5, 7, 8]) == "s0–s2, s5, s7–s8"
    assert spans([]) == ""


def test_a_measure_says_which_arms_it_is_for():
    few, off = Arm("icm.few", RUN, {"tv": "few"}), Arm("icm.off", RUN, {"tv": "off"})
    for arms in (("*.few", "rnd.*"), lambda factors: factors["tv"] != "off"):
        measure = Measure("time", "tv/in_view", Last(), arms=arms)
        assert (measure.fits(few), measure.fits(off)) == (True, False)
        with pytest.raises(ValueError, match=r"measure 'time' is not for arm 'icm\.off'"):
            study(
                arms=(few, off), measures=(measure,), claims=(Claim("c", "time", "icm.few", "icm.off", "ratio", "> 1"),)
            )
    with pytest.raises(ValueError, match="expected a tuple of patterns"):
        Measure("time", "tv/in_view", Last(), arms="*.few")


def study(**changes):
    given = {"name": "s", "question": "?", "arms": (Arm("a", RUN), Arm("b", RUN)), "measures": (MEASURE,)}
    return Study(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../up"}, "is no folder's name"),
        ({"arms": (Arm("a b", RUN),)}, "'a b' is no folder's name"),
        ({"arms": (Arm("a", RUN), Arm("A", RUN))}, "arm 'a' is there twice"),
        ({"arms": ()}, "arms are missing"),
        ({"measures": ()}, "measures are missing"),
        ({"claims": (Claim("c", "scor", "a", "b", "ratio", "> 1"),)}, "unknown measure 'scor'; did you mean 'score'"),
        ({"claims": (Claim("c", "score", "a", "c", "ratio", "> 1"),)}, "unknown arm 'c'"),
        (
            {"claims": (Claim("c", "score", "a", "b", "ratio", "> 1", precondition="d"),)},
            "claim 'c': precondition: unknown claim 'd'",
        ),
        (
            {
                "claims": (
                    Claim("c", "score", "a", "b", "ratio", "> 1", precondition="d"),
                    Claim("d", "score", "a", "b", "ratio", "> 1", precondition="c"),
                )
            },
            r"preconditions go in a circle \(c -> d -> c\)",
        ),
        ({"seeds": 0}, "seeds = 0 is not in range"),
    ],
)
def test_a_study_that_does_not_hold_together(changes, message):
    with pytest.raises(ValueError, match=message):
        study(**changes)


def test_a_claim_of_another_kind():
    with pytest.raises(ValueError, match="unknown kind 'ration'; did you mean 'ratio'"):
        Claim("c", "score", "a", "b", "ration", "> 1")
