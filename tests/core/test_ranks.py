"""Ranks that learn together take the steps that one process takes on all that they played."""

from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from core_worlds import ACTIONS, ExtraReward, made_up
from thread_group import groups, together

from curiosity.group import ALONE, united
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.rng import rank_seed
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.core.united import normalised_parts
from selfplay.rewards.leash import Beta, Leash
from selfplay.rewards.task import TaskReward

NVEC = [8] * 20 + [5]
TOKENS = gymnasium.spaces.MultiDiscrete(NVEC), gymnasium.spaces.Discrete(ACTIONS)
VECTORS = gymnasium.spaces.Box(-np.inf, np.inf, (5,)), gymnasium.spaces.Box(-1, 1, (2,))


def learner(spaces, group=ALONE, **settings):
    streams = [Stream(TaskReward()), Stream(ExtraReward(), 0.5, 0.9, rescale=True)]
    return Learner(*spaces, PPOConfig(**settings), streams, 1, group=group)


def pushed(steps, envs, seed=0):
    """Made-up transitions of vectors and forces."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    base, obs = made_up(steps, envs, [2], streams=2, seed=seed), normal(steps + 1, envs, 5) * 3 + 1
    return Transitions(
        obs[:-1], normal(steps, envs, 2), -2.8 + 0.1 * normal(steps, envs), base.value, obs[1:], base.terminated,
        base.truncated, base.task_reward, base.mask,
    )  # fmt: skip


def shares(batch, ranks):
    """Each rank's environments of a batch."""
    envs = batch.mask.shape[1] // ranks
    return [batch.each(lambda tensor, r=r: tensor[:, r * envs : (r + 1) * envs].contiguous()) for r in range(ranks)]


@pytest.mark.parametrize("over", ["minibatch", "batch"])
@pytest.mark.parametrize("kind", ["fused", "autograd", "vectors"])
def test_two_ranks_take_the_steps_of_one_process_on_the_joined_batch(kind, over):
    spaces, batch = (VECTORS, pushed(6, 8)) if kind == "vectors" else (TOKENS, made_up(6, 8, NVEC, streams=2))
    settings = {"minibatch_size": 48, "epochs": 3, "normalise_over": over, "fused": kind != "autograd"}
    alone, members = learner(spaces, **settings), groups(2)
    ranks = [learner(spaces, group, **settings) for group in members]
    for _ in range(2):  # the second with moments, and with rows that were live at the other rank only
        expected = alone.update(batch)
        found = together(
            members, *(partial(one.update, share) for one, share in zip(ranks, shares(batch, 2), strict=True))
        )
    for key in ("loss", "gradient_norm", "approx_kl", "entropy"):
        assert [one[key] for one in found] == pytest.approx([expected[key]] * 2, rel=1e-3, abs=1e-5)
    assert torch.equal(ranks[0].adam.parameter, ranks[1].adam.parameter)
    # six of Adam's steps: where a gradient is nearly 0 its sign is rounding's, and a step is 1e-3 either way
    apart = (ranks[0].adam.parameter - alone.adam.parameter).abs()
    assert apart.median() < 1e-6
    assert apart.quantile(0.99) < 2e-4
    assert (ranks[0].adam.live == alone.adam.live).all()
    whole, part = (one.state_dict() for one in (alone, ranks[1]))
    assert part["scale.extra.moments"].tolist() == pytest.approx(whole["scale.extra.moments"].tolist(), rel=1e-6)
    if kind == "vectors":
        for name in ("count", "mean", "square"):
            torch.testing.assert_close(part[f"policy.normaliser.{name}"], whole[f"policy.normaliser.{name}"])


def test_one_step_is_down_the_mean_gradient_exactly():
    # The first step of Adam is the learning rate against each sign; what is clipped is the norm of the joined gradient.
    batch, settings = made_up(4, 6, NVEC, streams=2), {"minibatch_size": 24, "epochs": 1, "fused": False}
    alone, members = learner(TOKENS, **settings), groups(3)
    ranks = [learner(TOKENS, group, **settings) for group in members]
    alone.update(batch)
    together(members, *(partial(one.update, share) for one, share in zip(ranks, shares(batch, 3), strict=True)))
    for one in ranks:
        torch.testing.assert_close(one.adam.exp_avg, alone.adam.exp_avg, rtol=1e-4, atol=1e-7)


def test_moments_of_two_ranks_by_hand():
    # 1, 2, 3 here and 5 there: mean 11/4, squares 3.0625 + .5625 + .0625 + 5.0625 = 8.75
    def own(group, *numbers):
        values = torch.tensor(numbers, dtype=torch.float64)
        return united(group, len(values), values.mean(), ((values - values.mean()) ** 2).sum())

    first, second = members = groups(2)
    for count, mean, square in together(members, partial(own, first, 1, 2, 3), partial(own, second, 5)):
        assert (count, float(mean), float(square)) == pytest.approx((4, 2.75, 8.75))


def test_advantages_are_normalised_over_all_ranks_by_hand():
    # 0, 2 here and 4, 6 there: mean 3, variance 5
    parts = [[torch.tensor([0.0, 2.0])], [torch.tensor([4.0, 6.0])]]
    members = groups(2)
    found = together(members, *(partial(normalised_parts, *pair) for pair in zip(members, parts, strict=True)))
    assert torch.cat([found[0][0], found[1][0]]).tolist() == pytest.approx([x / 5**0.5 for x in (-3, -1, 1, 3)])


def test_target_kl_is_decided_by_all():
    """The second rank's actions are as likely as when they were drawn: by itself it would go on."""
    settings = {"minibatch_size": 32, "epochs": 9, "target_kl": 1e-4, "fused": False}
    members = groups(2)
    ranks = [learner(TOKENS, group, **settings) for group in members]
    left, right = shares(made_up(4, 8, NVEC, streams=2), 2)
    with torch.no_grad():
        parameters, _ = ranks[0].policy(right.obs.flatten(0, 1))
        log_prob = ranks[0].policy.distribution.log_prob(parameters, right.action.flatten())
        right = replace(right, log_prob=log_prob.view_as(right.log_prob))
    assert learner(TOKENS, **settings).update(right)["epochs"] > 1
    found = together(members, partial(ranks[0].update, left), partial(ranks[1].update, right))
    assert found[0]["epochs"] == found[1]["epochs"] == 1


def test_ranks_that_differ_are_refused():
    batch = made_up(4, 8, NVEC, streams=2)
    left, right = shares(batch, 2)
    members = groups(2)
    ranks = [learner(TOKENS, group) for group in members]
    for one, other, words in ((left, batch, "played 16, 32 steps"), (left, right, "weights differ")):
        if words == "weights differ":
            ranks[1].adam.parameter += 1
        with pytest.raises(ValueError, match=words):
            together(members, partial(ranks[0].update, one), partial(ranks[1].update, other))


def test_ranks_begin_alike_and_draw_for_themselves():
    first, second = (learner(TOKENS, group) for group in groups(2))
    assert torch.equal(first.adam.parameter, second.adam.parameter)
    assert not torch.equal(first.generator.get_state(), second.generator.get_state())
    assert torch.equal(first.generator.get_state(), learner(TOKENS).generator.get_state())
    assert len({rank_seed(5, rank) for rank in range(100)}) == 100


def test_a_leash_moves_by_the_episodes_of_all_ranks():
    # 4 nats in one episode here, 1 in each of three there: 7/4 an episode, four episodes of a horizon of 10,
    # 7/4 ÷ 1 - 1 = .75 counts as .2: β = .5 (1 + .2 · .4) = .54
    class Fixed(Leash):
        def __init__(self, group, nats):
            self.group, self.beta, self._spent = group, Beta(0.5, target=1.0, horizon=10), torch.zeros(0)
            self.nats, self._paid = torch.tensor([nats]), None

        def reward(self, batch):
            self._paid = batch, -self.nats, torch.zeros(0)

    def fit(group, nats):
        batch = made_up(1, len(nats), NVEC, streams=2)
        leash = Fixed(group, nats)
        batch.terminated[:], batch.truncated[:] = True, False
        return leash.fit(batch), leash.beta.value

    first, second = members = groups(2)
    for metrics, beta in together(members, partial(fit, first, [4.0]), partial(fit, second, [1.0, 1.0, 1.0])):
        assert (metrics["kl_per_episode"], metrics["episodes"], beta) == pytest.approx((1.75, 4, 0.54))
