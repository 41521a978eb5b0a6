"""What is declared: ranges, measures, studies; and how a claim is judged."""

import math

import pytest

from selfplay.studies.reductions import AreaUnderCurve, FirstStep, Last, LateMean, Peak, Value
from selfplay.studies.results import Results, judge
from selfplay.studies.study import Arm, Claim, Expected, Measure, Run, Study

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
    assert LateMean(0.25)(steps[:2], values[:2], 400).low == 0.5  # nothing was logged that late
    # 100·(0 + .5)/2 + 200·(.5 + 1)/2 + 100·(1 + .8)/2 = 25 + 150 + 90, over 400 steps
    assert AreaUnderCurve()(steps, values, 400).low == pytest.approx(265 / 400)
    assert AreaUnderCurve()([7.0], [3.0], 400).low == 3.0
    assert FirstStep(0.5)(steps, values, 400) == Value(100, 100)
    assert FirstStep(1.1)(steps, values, 350) == Value(400, math.inf)  # the run went past its budget
    assert FirstStep(1.1)(steps, values, 500).censored


def results(**arms):
    values = {
        name: {k: v if isinstance(v, Value) else Value(v, v) for k, v in enumerate(vs)} for name, vs in arms.items()
    }
    return Results({"score": values}, {}, {}, [], [])


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
    assert judge(claim(kind, expected), results(a=left, b=right)).verdict == verdict


def test_undecided_says_why():
    few = judge(claim(), results(a=[9, 9, 9, 9], b=[1, 1, 1, 1, 1]))
    assert (few.verdict, few.note, few.seeds) == ("undecided", "a verdict needs 5 seeds an arm", (4, 5))
    assert few.interval.low == 9
    negative = judge(claim(), results(a=[9] * 5, b=[-1] * 5))
    assert (negative.verdict, negative.interval) == ("undecided", None)
    assert "register a difference" in negative.note
    assert judge(claim(), results(a=[9] * 5, b=[])).note == "no values of arm b"


def test_never_reaching_a_threshold_counts():
    never = Value(1000, math.inf)
    slow = judge(claim(expected=">= 5"), results(a=[never] * 6, b=[100.0] * 6))
    assert (slow.verdict, slow.interval.low) == ("as predicted", 10)
    assert judge(claim(expected="0.5 to 2"), results(a=[never] * 6, b=[never] * 6)).verdict == "undecided"


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
        ({"seeds": 0}, "seeds = 0 is not in range"),
    ],
)
def test_a_study_that_does_not_hold_together(changes, message):
    with pytest.raises(ValueError, match=message):
        study(**changes)


def test_a_claim_of_another_kind():
    with pytest.raises(ValueError, match="unknown kind 'ration'; did you mean 'ratio'"):
        Claim("c", "score", "a", "b", "ration", "> 1")
