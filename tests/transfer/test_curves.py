"""What a curve says of transfer: worked arithmetic, and the reductions of studies as a second opinion."""

import numpy as np
import pytest

from selfplay.studies.reductions import AreaUnderCurve, LateMean
from selfplay.transfer.curves import (
    area,
    asymptote,
    few_shot,
    forgetting,
    forward_transfer,
    jumpstart,
    normalised,
    transfer_ratio,
    zero_shot,
)

STEPS = [0, 10, 20, 40]
A = [[0.4, 0.6, 0.8, 0.8], [0.0, 0.2, 0.2, 1.0]]  # two seeds
B = [0.0, 0.0, 0.4, 0.8]


def test_normalised_scores():
    # two tasks: (15 − 10) / (20 − 10) = .5, (−3 − −5) / (−1 − −5) = .5; below chance is negative, above 1 stays
    assert normalised([15, -3], random=[10, -5], reference=[20, -1]).tolist() == [0.5, 0.5]
    assert normalised([[8, 0]], [10, -5], [20, -1]).tolist() == [[-0.2, 1.25]]
    assert normalised(4, random=10, reference=2) == 0.75  # a cost: less is better
    with pytest.raises(ValueError, match="reference equals random"):
        normalised([1, 2], [0, 3], [1, 3])


def test_zero_shot_few_shot_and_jumpstart():
    assert zero_shot(STEPS, A).tolist() == [0.4, 0.0]
    assert jumpstart(zero_shot(STEPS, A), zero_shot(STEPS, B)).tolist() == [0.4, 0.0]
    assert jumpstart(0.1, 0.3) == pytest.approx(-0.2)  # harm keeps its sign
    assert few_shot(STEPS, A, 10).tolist() == [0.6, 0.2]
    np.testing.assert_allclose(few_shot(STEPS, A, 25), [0.8, 0.4])  # a quarter of the way from 20 to 40
    assert few_shot(STEPS, B, 0) == 0
    assert few_shot(STEPS, B, 40) == 0.8
    with pytest.raises(ValueError, match=r"begins at step 5 \(expected 0"):
        zero_shot([5, 6], [1, 2])
    with pytest.raises(ValueError, match="k = 41 is not on the curve"):
        few_shot(STEPS, A, 41)


def test_asymptote_is_the_mean_of_the_last_tenth():
    steps, values = np.arange(101), np.arange(101.0)
    assert asymptote(steps, values) == 95  # 90 … 100
    assert asymptote(STEPS, A).tolist() == [0.8, 1.0]
    np.testing.assert_allclose(asymptote(STEPS, A, share=0.5), [0.8, 0.6])  # steps 20 and 40
    assert asymptote(steps, values**2) == LateMean(0.1)(steps.tolist(), (values**2).tolist(), 100).low


def test_area_transfer_ratio_and_forward_transfer():
    # B: (0·10 + .2·10 + .6·20) / 40 = .35. A: (.5·10 + .7·10 + .8·20) / 40 = .7, (.1·10 + .2·10 + .6·20) / 40 = .375
    np.testing.assert_allclose(area(STEPS, A), [0.7, 0.375])
    assert area(STEPS, B) == pytest.approx(0.35)
    assert area(STEPS, B) == pytest.approx(AreaUnderCurve()(STEPS, B, 40).low)
    assert area([7], [0.3]) == 0.3
    np.testing.assert_allclose(transfer_ratio([0.7, 0.175], 0.35), [1.0, -0.5])
    np.testing.assert_allclose(forward_transfer([0.7, 0.35, 0.2], [0.4, 0.35, 0.5]), [0.5, 0, -0.6])
    with pytest.raises(ValueError, match="no ratio to it"):
        transfer_ratio([0.5, 0.5], [0.2, 0.0])
    with pytest.raises(ValueError, match="nothing is left to gain"):
        forward_transfer(0.5, 1.0)


def test_forgetting():
    assert forgetting([0.9, 0.5], [0.2, 0.75]).tolist() == pytest.approx([0.7, -0.25])


@pytest.mark.parametrize(
    ("steps", "values", "what"),
    [
        ([0, 1], [1, 2, 3], r"steps \(2,\) and values \(3,\)"),
        ([], [], "no curve"),
        ([0, 0], [1, 2], "do not rise"),
        ([0, 1], [1, np.nan], "not a finite number"),
    ],
)
def test_what_is_no_curve(steps, values, what):
    with pytest.raises(ValueError, match=what):
        area(steps, values)
