"""Vectors and continuous actions by hand, in kernels and in plain torch, against autograd."""

import gymnasium
import numba as nb
import numpy as np
import pytest
import torch

from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.dense import DenseNetwork
from selfplay.core.distributions import OrStop
from selfplay.core.fused_dense import FusedDense
from selfplay.core.gradients import Gradients
from selfplay.core.learner import Learner
from selfplay.core.policy import policy_for
from selfplay.core.ppo import Minibatch
from selfplay.core.products import add_product, add_product_of_transposed
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward

SEEN = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
BOX = gymnasium.spaces.Box(np.float32([-3, 0, -1]), np.float32([3, 2, 1]))
SPACES = pytest.mark.parametrize("space", [BOX, OrStop(BOX, 0.2)], ids=["moves", "moves or STOP"])
SETTINGS = pytest.mark.parametrize("settings", [
    {}, {"critic": "own", "entropy": 0.03, "activation": "tanh"}, {"activation": "relu", "hidden": (8,)},
    {"normalise_advantage": False, "hidden": (4, 20)},
    {"normalise_obs": False, "hidden": (8, 12, 16), "critic": "own", "clip": 0.02},
])  # fmt: skip


def policy_of(space, seed=0, **settings):
    config = PPOConfig(**{"hidden": (16, 8), "log_std": -0.3} | settings)
    torch.manual_seed(seed)
    policy = policy_for(SEEN, space, config, 2)
    with torch.no_grad():  # heads begin near 0, where much is alike
        policy.policy_head.weight.normal_(0, 0.3)
        policy.policy_head.bias.normal_(0, 0.3)
    if policy.normaliser is not None:
        policy.normaliser.update(3 + 2 * torch.randn(50, 5))
    return policy, config


def steps_for(policy, count=230):
    generator = torch.Generator().manual_seed(5)
    obs = 3 + 2 * torch.randn(count, 5, generator=generator)
    with torch.no_grad():
        parameters, value = policy(obs)
        action = policy.distribution.sample(parameters, generator)
        log_prob = policy.distribution.log_prob(parameters, action)
    log_prob += 0.3 * torch.randn(count, generator=generator)  # some ratios beyond the clip on either side
    returns, advantage = torch.randn(count, 2, generator=generator), torch.randn(count, generator=generator)
    return Minibatch(obs, action, log_prob, advantage, returns, value + 0.2 * torch.randn(value.shape))


def gradient_of(kind, space, index, **settings):
    """(metrics, gradient by parameter): by "kernels", by hand in "torch" or by "autograd"."""
    policy, config = policy_of(space, **settings)
    adam = Adam(policy)
    gradients = Gradients(policy, adam, config.model_copy(update={"fused": kind != "autograd"}))
    assert isinstance(gradients.fused, FusedDense) == (kind != "autograd")
    if kind == "torch":
        gradients.fused, gradients.dense = None, DenseNetwork(policy, adam)
    metrics = gradients.of(steps_for(policy), None)(index)
    return metrics, {name: adam.view(adam.gradient, name).clone() for name in adam.slices}


def check_same(found, expected):
    (metrics, gradient), (true_metrics, true_gradient) = found, expected
    assert metrics.keys() == true_metrics.keys()
    for name in metrics:
        assert metrics[name] == pytest.approx(true_metrics[name], rel=1e-4, abs=1e-6), name
    for name in true_gradient:
        torch.testing.assert_close(gradient[name], true_gradient[name], atol=1e-6, rtol=1e-4)
        assert gradient[name].abs().sum() > 0, name
    assert 0.1 < metrics["clip_fraction"] < 1


@SPACES
@SETTINGS
@pytest.mark.parametrize("count", [1, 30, 131])
def test_the_gradient_in_kernels_is_autograds(space, settings, count):
    index = torch.randperm(230, generator=torch.Generator().manual_seed(1))[:count]
    found, expected = (gradient_of(kind, space, index, **settings) for kind in ("kernels", "autograd"))
    if count > 1:  # one advantage alone is 0 once it is normalised
        check_same(found, expected)
    else:
        for name, gradient in expected[1].items():
            torch.testing.assert_close(found[1][name], gradient, atol=1e-6, rtol=1e-4)


@SPACES
def test_a_value_that_moves_little_in_kernels(space):
    settings = {"clip_value": 0.1, "normalise_over": "batch", "entropy": 0.1}
    check_same(*(gradient_of(kind, space, torch.arange(150), **settings) for kind in ("kernels", "autograd")))


@SETTINGS
def test_the_gradient_by_hand_in_torch_is_autograds(settings):
    check_same(*(gradient_of(kind, BOX, torch.arange(48), **settings) for kind in ("torch", "autograd")))


@pytest.mark.parametrize(("settings", "kind"), [
    ({"hidden": (16, 8)}, FusedDense), ({"hidden": (16, 6)}, DenseNetwork), ({"fused": False}, type(None)),
    ({"hidden": (6,), "clip_value": 0.1}, type(None)), ({"hidden": (8,), "clip_value": 0.1}, FusedDense),
])  # fmt: skip
def test_what_is_taken_for_which_policy(settings, kind):
    policy, config = policy_of(BOX, **settings)
    gradients = Gradients(policy, Adam(policy), config)
    assert isinstance(gradients.fused or gradients.dense, kind)


@SPACES
@SETTINGS
@pytest.mark.parametrize("count", [1, 33])
def test_acting_in_kernels_is_what_the_policy_says(space, settings, count):
    learners = [
        Learner(SEEN, space, PPOConfig(**{"hidden": (16, 8)} | settings, fused=fused), [Stream(TaskReward())], seed=3)
        for fused in (True, False)
    ]
    obs = 30 * torch.randn(count, 5, generator=torch.Generator().manual_seed(2))  # some are beyond ±10 deviations
    for learner in learners:
        with torch.no_grad():
            learner.policy.policy_head.bias += 0.5
        if learner.policy.normaliser is not None:
            learner.policy.normaliser.update(
                obs[:1] / 3 + torch.randn(20, 5, generator=torch.Generator().manual_seed(4))
            )
    for deterministic in (False, True):
        for _ in range(3):  # the random stream goes on alike
            one, other = (learner.act(obs, deterministic=deterministic) for learner in learners)
            for found, expected in zip(one[:3], other[:3], strict=True):
                assert found.dtype == expected.dtype
                torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_observations_of_another_shape_are_refused():
    learner = Learner(SEEN, BOX, PPOConfig(), [Stream(TaskReward())], seed=0)
    for obs in (torch.zeros(2, 4), torch.zeros(5), torch.zeros(2, 5, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"obs must be float32 \[B, 5\], got"):
            learner.act(obs)


def test_what_is_not_a_number_stays_so():
    learner = Learner(SEEN, BOX, PPOConfig(), [Stream(TaskReward())], seed=0)
    assert learner.act(torch.full((3, 5), torch.nan)).value.isnan().all()


@pytest.mark.parametrize(("rows", "inner", "columns"), [(4, 1, 4), (8, 3, 20), (32, 64, 28), (12, 5, 16), (4, 7, 72)])
def test_products_are_numpys(rows, inner, columns):
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=size).astype(np.float32) for size in ((rows, inner), (inner, columns), (rows, columns)))
    plain, across = _products(a, b, c)
    np.testing.assert_allclose(plain, c + a @ b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(across, c + a @ b, rtol=1e-5, atol=1e-5)


def test_products_of_a_part_of_the_columns():
    rng = np.random.default_rng(1)
    a, b, c = (rng.normal(size=size).astype(np.float32) for size in ((8, 12), (4, 8), (8, 20)))
    found = _product_within(a, b, c)
    expected = c.copy()
    expected[:, 12:20] += a[:, 8:12] @ b
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@nb.njit
def _products(a, b, c):
    plain, across = c.copy(), c.copy()
    add_product(plain, a, b)
    add_product_of_transposed(across, a.T.copy(), b)
    return plain, across


@nb.njit
def _product_within(a, b, c):
    c = c.copy()
    add_product(c, a, b, 12, 8)
    return c


def test_threads_change_no_bit():
    usual = nb.get_num_threads()
    found = []
    for threads in (1, min(2, nb.config.NUMBA_NUM_THREADS)):
        nb.set_num_threads(threads)
        found.append(gradient_of("kernels", BOX, torch.arange(200), critic="own"))
    nb.set_num_threads(usual)
    (metrics, gradient), (other_metrics, other) = found
    assert metrics == other_metrics
    assert all(torch.equal(gradient[name], other[name]) for name in gradient)
