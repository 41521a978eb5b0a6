"""Continuous actions and vector observations: the normal policy, its bounds, what it sees, what it learns."""

import math

import gymnasium
import numpy as np
import pytest
import torch

from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Gaussian, distribution_for
from selfplay.core.episodes import first_episodes
from selfplay.core.learner import Learner
from selfplay.core.normaliser import Normaliser
from selfplay.core.policy import ActorCritic
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.task import TaskReward

LOW, HIGH = (-2.0, 0.0, -1.0), (2.0, 1.0, 3.0)


class TargetWorld:
    """Shown a point of a box [2 units wide, far from 0], asked to act on it; pays -|action - point|². One step each."""

    succeeds = False

    def __init__(self, num_envs, offset=0.0, scale=1.0):
        self.num_envs, self.offset, self.scale = num_envs, offset, scale
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(np.float32([-3, 0]), np.float32([3, 2]))
        self.columns = {"obs": slice(0, 2)}
        self.given = []

    def _draw(self):
        self.point = self.rng.uniform(-1, 1, (self.num_envs, 2))
        return (self.offset + self.scale * self.point).astype(np.float32)

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        return self._draw()

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        self.given.append(action.copy())
        middle, half = np.array([0, 1]), np.array([3, 1])
        reward_out[:] = -(((action - middle) / half - self.point) ** 2).sum(-1)
        next_obs_out[:] = self.offset + self.scale * self.point
        obs_out[:] = self._draw()
        terminated_out[:], truncated_out[:] = True, False


class Witness:
    """Keeps the actions that it is shown."""

    name, episodic = "witness", True

    def __init__(self):
        self.shown = []

    def reward(self, batch):
        self.shown.append(batch.action.clone())
        return torch.zeros(batch.mask.shape)

    def fit(self, batch):
        self.shown.append(batch.action.clone())
        return {}

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def learner_for(world, streams=None, seed=1, **settings):
    settings = {"minibatch_size": 256, "activation": "tanh", "learning_rate": 3e-3} | settings
    return Learner(
        world.observation_space, world.action_space, PPOConfig(**settings), streams or [Stream(TaskReward())], seed
    )


def parameters(rows=5, actions=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2 * actions, generator=generator)


def test_the_normal_density_is_torchs():
    given = parameters()
    action = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    theirs = torch.distributions.Normal(given[:, :3], given[:, 3:].exp())
    ours = Gaussian(LOW, HIGH)
    torch.testing.assert_close(ours.log_prob(given, action), theirs.log_prob(action).sum(-1))
    torch.testing.assert_close(ours.entropy(given), theirs.entropy().sum(-1))


def test_one_density_by_hand():
    # μ = 1, σ = 2, a = 4: z = 1.5; log p = -1.125 - log 2 - ½ log 2π = -2.7370857
    found = Gaussian((-1.0,), (1.0,)).log_prob(torch.tensor([[1.0, math.log(2)]]), torch.tensor([[4.0]]))
    assert found.item() == pytest.approx(-2.7370857, abs=1e-6)


def test_samples_have_the_mean_and_deviation_asked_for():
    given = torch.tensor([0.5, -2.0, math.log(0.1), math.log(3.0)]).expand(100_000, -1)
    drawn = Gaussian((-1.0,) * 2, (1.0,) * 2).sample(given, torch.Generator().manual_seed(3))
    np.testing.assert_allclose(drawn.mean(0), [0.5, -2.0], atol=0.04)  # 4 standard errors
    np.testing.assert_allclose(drawn.std(0), [0.1, 3.0], rtol=0.01)
    assert np.corrcoef(drawn.T.numpy())[0, 1] == pytest.approx(0, abs=0.015)


def test_what_is_played_is_inside_the_bounds_and_in_the_worlds_units():
    action = torch.tensor([[-1.0, -1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [-9.0, 9.0, 0.5]])
    expected = [[-2.0, 0.0, -1.0], [0.0, 0.5, 1.0], [2.0, 1.0, 3.0], [-2.0, 1.0, 2.0]]
    assert Gaussian(LOW, HIGH).played(action).tolist() == expected
    free = Gaussian((-math.inf,), (math.inf,))
    assert free.played(torch.tensor([[7.5], [-3.0]])).tolist() == [[7.5], [-3.0]]


def test_bounds_that_make_no_sense_are_refused():
    for low, high in ((-np.inf, 1.0), (1.0, 1.0)):
        space = gymnasium.spaces.Box(np.float32([low]), np.float32([high]))
        with pytest.raises(ValueError, match="an action needs both bounds, low < high, or none"):
            distribution_for(space)
    with pytest.raises(ValueError, match=r"a Box of whole numbers has no distribution, expected one of floats"):
        distribution_for(gymnasium.spaces.Box(-1, 1, (2,), np.int64))
    with pytest.raises(ValueError, match="expected Discrete or a flat Box"):
        distribution_for(gymnasium.spaces.Box(-1, 1, (2, 2)))


def test_the_world_and_the_sources_get_what_is_allowed_and_the_learner_what_it_drew():
    world, witness = TargetWorld(16), Witness()
    learner = learner_for(world, [Stream(TaskReward()), Stream(witness, 0.0)], log_std=1.0)
    rollout = Rollout(world, 8, 2)
    rollout.start(world, 0)
    batch, _ = collect(world, learner, rollout)
    given = torch.from_numpy(np.stack(world.given))
    assert batch.action.abs().max() > 3  # σ is e: many are out of bounds
    low, high = torch.tensor([-3.0, 0.0]), torch.tensor([3.0, 2.0])
    inside = batch.action.clamp(-1, 1)
    torch.testing.assert_close(given, torch.stack([3 * inside[..., 0], 1 + inside[..., 1]], -1))
    assert ((given >= low) & (given <= high)).all()
    acted = learner.policy.distribution.log_prob(learner.policy(batch.obs.flatten(0, 1))[0], batch.action.flatten(0, 1))
    torch.testing.assert_close(acted, batch.log_prob.flatten())
    learner.update(batch)
    assert len(witness.shown) == 2
    for shown in witness.shown:
        assert torch.equal(shown, given)


@pytest.mark.parametrize("critic", ["shared", "own"])
def test_acting_on_a_point_is_learnt_however_it_is_scaled(critic):
    for offset, scale in ((0.0, 1.0), (50.0, 0.01)):
        world = TargetWorld(64, offset, scale)
        learner = learner_for(world, critic=critic, log_std=-0.5, entropy=0.0)
        before = first_episodes(TargetWorld(256, offset, scale), learner, 9, deterministic=True).returns.mean()
        rollout = Rollout(world, 16, 1)
        rollout.start(world, 0)
        for _ in range(60):
            learner.update(collect(world, learner, rollout)[0])
        after = first_episodes(TargetWorld(256, offset, scale), learner, 9, deterministic=True).returns.mean()
        assert before < -0.5 < -0.05 < after, (offset, scale, before, after)


def test_without_normalising_a_far_and_narrow_point_is_not_told_apart():
    world = TargetWorld(64, 50.0, 0.01)
    learner = learner_for(world, log_std=-0.5, entropy=0.0, normalise_obs=False)
    rollout = Rollout(world, 16, 1)
    rollout.start(world, 0)
    for _ in range(60):
        learner.update(collect(world, learner, rollout)[0])
    assert first_episodes(TargetWorld(256, 50.0, 0.01), learner, 9, deterministic=True).returns.mean() < -0.3


def test_an_own_critic_moves_no_layer_of_the_policy():
    box = gymnasium.spaces.Box(-1, 1, (3,))
    for own, moved in ((True, False), (False, True)):
        policy = ActorCritic(box, gymnasium.spaces.Box(-1, 1, (2,)), (8, 8), 2, own_critic=own)
        policy(torch.ones(4, 3))[1].sum().backward()
        reached = [weight.grad is not None for weight in (policy.encoder.weight, policy.layers[0].weight)]
        assert reached == [moved, moved]
        if own:
            assert all(weight.grad is not None for weight in policy.critic.parameters())


def test_moments_are_those_of_all_rows_together():
    normaliser, rng = Normaliser(3), np.random.default_rng(0)
    parts = [rng.normal(5, 2, (n, 3)).astype(np.float32) for n in (1, 40, 7)]
    assert normaliser(torch.tensor([[0.5, 30.0, -30.0]])).tolist() == [[0.5, 10.0, -10.0]]  # nothing known: bounded
    for part in parts:
        normaliser.update(torch.from_numpy(part))
    rows = np.concatenate(parts).astype(np.float64)
    expected = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(normaliser(torch.from_numpy(rows).float()), expected, atol=1e-5)
    again = Normaliser(3)
    again.load_state_dict(normaliser.state_dict())
    assert torch.equal(again(torch.ones(1, 3)), normaliser(torch.ones(1, 3)))
    normaliser.update(torch.zeros(0, 3))
    assert normaliser.count == 48
    with pytest.raises(FloatingPointError, match="number 1 of an observation"):
        normaliser.update(torch.tensor([[0.0, math.nan, 0.0]]))
    assert torch.equal(again.mean, normaliser.mean)


def test_moments_stay_where_there_is_float64():
    """As on Apple's devices: what is moved is float32, and moving it changes nothing that is seen."""

    def there(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("no float64 there")
        return tensor.clone()

    normaliser, rows = Normaliser(2), torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    normaliser.update(rows)
    seen = normaliser(rows)
    torch.nn.Sequential(normaliser)._apply(there)
    normaliser.load_state_dict(normaliser.state_dict())
    assert torch.equal(normaliser(rows), seen)
    normaliser.update(rows)
    assert normaliser.mean.tolist() == [2, 4]


def test_a_policy_is_saved_with_what_it_normalises_by_and_goes_on_bit_identically():
    def played(learner, world, rollout, updates):
        for _ in range(updates):
            learner.update(collect(world, learner, rollout)[0])

    world = TargetWorld(16, 50.0, 0.01)
    learner, rollout = learner_for(world), Rollout(world, 8, 1)
    rollout.start(world, 0)
    played(learner, world, rollout, 2)
    state = learner.state_dict()
    assert state["policy.normaliser.count"] == 2 * 16 * 8
    twin = learner_for(world, seed=5)
    twin.load_state_dict(state)
    obs = world.reset(3)
    torch.testing.assert_close(twin.act(obs).action, learner.act(obs).action, rtol=0, atol=0)
    for one in (learner, twin):
        rollout.start(world, 4)
        played(one, world, rollout, 2)
    for key, tensor in learner.state_dict().items():
        assert torch.equal(tensor, twin.state_dict()[key]), key


def test_what_was_acted_on_is_learnt_from_as_it_was_seen():
    world = TargetWorld(32, 50.0, 3.0)
    learner, rollout = learner_for(world, epochs=1, minibatch_size=10_000), Rollout(world, 8, 1)
    rollout.start(world, 0)
    for _ in range(3):  # one gradient step an update: the ratio is 1 if nothing else moved
        metrics = learner.update(collect(world, learner, rollout)[0])
        assert metrics["approx_kl"] == pytest.approx(0, abs=1e-6)
        assert metrics["clip_fraction"] == 0


def test_actions_of_another_shape_are_refused():
    world = TargetWorld(2)
    learner = learner_for(world)
    T, N = 3, 2
    zeros = torch.zeros(T, N)
    batch = Transitions(
        torch.zeros(T, N, 2), torch.zeros(T, N, 3), zeros, zeros[..., None], torch.zeros(T, N, 2), zeros.bool(),
        zeros.bool(), zeros, ~zeros.bool(),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"action must be float32 \[T, N, 2\], got torch.float32 \[3, 2, 3\]"):
        learner.update(batch)


def test_settings_that_no_memory_has_are_refused():
    with pytest.raises(ValueError, match='goes with critic "shared" and activation "relu"'):
        PPOConfig(memory="gru", critic="own")
