from dataclasses import replace

import pytest
import torch
from core_worlds import ExtraReward, made_up, token_learner

from curiosity.source import RewardSource
from selfplay.core.streams import ReturnScale, Stream, check_streams
from selfplay.rewards.task import TaskReward


def test_the_task_is_a_source_like_any_other():
    assert isinstance(TaskReward(), RewardSource)
    with pytest.raises(ValueError, match="has no state"):
        TaskReward().load_state_dict({"x": torch.zeros(1)})


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_bad_weights_are_refused(weight):
    with pytest.raises(ValueError, match="weight must be a finite number ≥ 0"):
        Stream(TaskReward(), weight)


def test_bad_sets_of_streams_are_refused():
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\]"):
        Stream(TaskReward(), gamma=1.01)
    with pytest.raises(ValueError, match="at least one reward stream"):
        check_streams([])
    with pytest.raises(ValueError, match="'task' is given 2 times"):
        check_streams([Stream(TaskReward()), Stream(ExtraReward()), Stream(TaskReward())])
    with pytest.raises(ValueError, match="weight 0"):
        check_streams([Stream(TaskReward(), 0)])


def test_the_scale_filters_over_time_not_over_environments():
    # gamma .5. Env 0 is paid 1, 1: sums 1, 1.5. Env 1 is paid 0, 2: sums 0, 2.
    # Four sums 1, 1.5, 0, 2: mean 1.125, variance (.015625 + .140625 + 1.265625 + .765625)/4 = .546875
    scale = ReturnScale(0.5)
    played = torch.ones(2, 2, dtype=torch.bool)
    scale.update(torch.tensor([[1.0, 0.0], [1.0, 2.0]]), played, 0)
    assert scale.deviation == pytest.approx(0.546875**0.5)
    # The sums go on: 1.5/2 + 0 = .75 and 2/2 + 0 = 1; the step env 1 did not play adds nothing.
    other = ReturnScale(0.5)
    other.load_state_dict(scale.state_dict(), torch.device("cpu"))
    for one in (scale, other):
        one.update(torch.zeros(1, 2), torch.tensor([[True, False]]), 0)
        # 1, 1.5, 0, 2, .75: mean 1.05, variance (.0025 + .2025 + 1.1025 + .9025 + .09)/5 = .46
        assert one.deviation == pytest.approx(0.46**0.5)


def test_the_sums_of_an_episodic_return_begin_anew_with_the_episode():
    # gamma .5, pay 1, an end after step 2: sums 1, 1.5, then 1, 1.5; a gap that says "ended" ends nothing
    scale = ReturnScale(0.5)
    ends = torch.tensor([[False], [True], [False], [True]])
    played = torch.tensor([[True], [True], [True], [False]])
    scale.update(torch.ones(4, 1), played, 0, ends)
    scale.update(torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool), 0, ends[:1])
    # sums 1, 1.5, 1, 1.5: mean 1.25, variance .0625
    assert scale.deviation == pytest.approx(0.25)


@pytest.mark.parametrize("episodic", [True, False])
def test_steady_pay_keeps_its_scale_where_episodes_end(episodic):
    class Steady(ExtraReward):
        def reward(self, batch):
            return torch.ones(batch.mask.shape)

    source = Steady()
    source.episodic = episodic
    learner = token_learner([3, 3], [Stream(TaskReward()), Stream(source, rescale=True, gamma=0.5)], learning_rate=0)
    found = []
    for seed in range(40):
        batch = made_up(20, 4, [3, 3], streams=2, seed=seed)
        ended = torch.zeros(20, 4, dtype=torch.bool)
        ended[9] = ended[19] = True
        learner.update(replace(batch, terminated=ended, truncated=torch.zeros_like(ended)))
        found.append(learner.factor("extra"))
    # R climbs to 2 within some steps: ten steps an episode leave its deviation where it is, endless pay lets it fall
    assert (found[-1] / found[1] == pytest.approx(1, abs=0.01)) == episodic
    assert episodic or found[-1] > 3 * found[1]


def test_the_scale_is_one_while_nothing_is_known():
    scale = ReturnScale(0.9)
    assert scale.deviation == 1
    scale.update(torch.zeros(3, 2), torch.ones(3, 2, dtype=torch.bool), 0)
    assert scale.deviation == 1
