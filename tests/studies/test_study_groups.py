"""Claims about several arms taken as one, seeds that are nested, scores with a scale."""

import dataclasses
import math

import numpy as np
import pytest

from selfplay.studies.plan import quick
from selfplay.studies.records import registration
from selfplay.studies.reductions import FirstStep, Last, Value
from selfplay.studies.results import Results
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
from selfplay.studies.verdicts import intervals, judge_all

RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)
GROUPS = {"old": ("old.x", "old.y"), "new": ("new.x", "new.y")}


def study(expected=">= 0", nested=1, seeds=6):
    return Study(
        "s", "?", tuple(Arm(arm, RUN) for arms in GROUPS.values() for arm in arms),
        (Measure("score", "eval/return", Last()),), (Claim("better", "score", "new", "old", "difference", expected),),
        seeds=seeds, nested=nested, groups=GROUPS,
    )  # fmt: skip


def results(**arms):
    return Results({"score": {arm: {s: Value(v, v) for s, v in enumerate(values)} for arm, values in arms.items()}})


def test_a_group_is_averaged_over_seeds_and_arms():
    old = {"old.x": [0.0] * 6, "old.y": [4.0] * 6}
    found = results(**old, **{"new.x": [1.0] * 6, "new.y": [5.0] * 6})
    (verdict,) = judge_all(study(), found, 6)
    assert verdict.verdict == "as predicted"
    assert (verdict.interval.low, verdict.interval.found_low, verdict.interval.high) == (1, 1, 1)
    assert verdict.probability == 1.0  # on each task; over tasks mixed it would be .75
    (partial,) = judge_all(study(), results(**old, **{"new.x": [1.0] * 6, "new.y": [5.0] * 5}), 6)
    assert partial.verdict == "provisional"
    assert "new.y: s5 not measured" in partial.note
    assert partial.interval.found_low == 1


def test_nested_seeds_count_as_one():
    """Pairs that are alike: three pretrained policies are too few for a verdict, and six copies are no better."""
    luck = np.repeat([0.0, 1.0, 5.0], 2)
    arms = {"old.x": [0.0] * 6, "old.y": [0.0] * 6, "new.x": list(luck), "new.y": list(luck)}
    apart, nested = (judge_all(study(nested=k), results(**arms), 6)[0] for k in (1, 2))
    assert nested.verdict == "undecided"
    assert nested.note == "a verdict needs 5 pretrained policies an arm"
    assert (nested.interval.low, nested.interval.high) == (0, 5)  # all three drawn the same
    assert nested.interval.found_low == apart.interval.found_low
    assert apart.interval.high < 5
    alone = intervals(study(nested=2), results(**arms))["score", "new.x"]
    assert (alone.low, alone.high) == (0, 5)
    half = results(**{arm: values[:5] for arm, values in arms.items()})  # seed 5 is missing, and its pair with it
    assert judge_all(study(nested=2), half, 6)[0].interval.high == 1


def test_scores_by_what_counts_as_0_and_as_1():
    measure = Measure("score", "eval/success", FirstStep(0.5), scale={RUN.env: (0.2, 1.0)})
    values = measure.scaled(np.array([0.2, 0.5, 0.6]), RUN.env)
    assert values == pytest.approx([0, 0.375, 0.5])
    assert measure.how([0, 10, 20], list(np.round(values, 9)), 30) == Value(20, 20)
    with pytest.raises(ValueError, match="expected two numbers"):
        dataclasses.replace(measure, scale={RUN.env: (1.0, 1.0)})
    with pytest.raises(ValueError, match="expected two numbers"):
        dataclasses.replace(measure, scale={RUN.env: (0.0, math.nan)})
    with pytest.raises(ValueError, match=r"measure 'score' has no scale for grid/Empty-5x5-v0"):
        Study("s", "?", (Arm("a", RUN),), (dataclasses.replace(measure, scale={"grid/Empty-6x6-v0": (0, 1)}),))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nested": 4}, "nested = 4 does not divide 6 seeds"),
        ({"groups": GROUPS | {"old.x": ("old.y",)}}, "group 'old.x' is an arm"),
        ({"groups": GROUPS | {"old": ()}}, "group 'old' is empty"),
        ({"groups": GROUPS | {"old": ("old.z",)}}, "group 'old': unknown arm 'old.z'; did you mean"),
        ({"groups": {"new": GROUPS["new"]}}, "claim 'better': unknown arm 'old'"),
    ],
)
def test_what_cannot_be_declared(change, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(study(), **change)


def test_only_who_has_groups_registers_them():
    """What was registered before there were any is not reported as changed."""
    assert {"nested", "groups"} <= registration(study(nested=2)).keys()
    plain = dataclasses.replace(study(), groups={}, claims=())
    assert not {"nested", "groups"} & registration(plain).keys()
    small = quick(dataclasses.replace(study(nested=3), quick_seeds=2))
    assert (small.seeds, small.nested) == (2, 2)
