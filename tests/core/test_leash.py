"""The leash: what it pays, what it remembers, how β moves, and that the learner takes it in."""

import copy
import math

import gymnasium
import numpy as np
import pytest
import torch
from core_worlds import CueWorld, RecallWorld, token_learner

from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.policy import policy_for
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.leash import Beta, Leash, acting, adapted, set_acting
from selfplay.rewards.task import TaskReward


class DriftWorld:
    """Vectors that wander, continuous actions with bounds ±1; episodes are cut every third step."""

    succeeds = False

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.columns = {"obs": slice(0, 3)}

    def reset(self, seed):
        self.rng, self.clock = np.random.default_rng(seed), 0
        return self.rng.normal(size=(self.num_envs, 3)).astype(np.float32)

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        self.clock += 1
        next_obs_out[:] = obs_out[:] = self.rng.normal(5, 2, size=next_obs_out.shape)
        reward_out[:] = action.sum(-1)
        terminated_out[:], truncated_out[:] = False, self.clock % 3 == 0


WORLDS = {
    "tokens": (CueWorld, {}),
    "memory": (RecallWorld, {"memory": "gru", "sequence": 4}),
    "vectors": (DriftWorld, {"activation": "tanh", "critic": "own", "log_std": 0.5}),
}
KINDS = pytest.mark.parametrize("kind", WORLDS)


def leashed(kind, beta=0.3, target=None, fused=True, envs=32, steps=8):
    """A world, a learner on a leash to what it is now, the leash, and a rollout."""
    make, settings = WORLDS[kind]
    world = make(envs)
    config = PPOConfig(fused=fused, entropy=0, minibatch_size=64, learning_rate=3e-3, **settings)
    spaces = world.observation_space, world.action_space
    leash = Leash(policy_for(*spaces, config, 1), Beta(beta, target, horizon=100))
    learner = Learner(*spaces, config, [Stream(TaskReward(), 1.0), Stream(leash, beta)], seed=0)
    assert learner.fused == fused
    with torch.no_grad():
        learner.policy.policy_head.weight *= 100
    set_acting(leash.reference, acting(learner.policy))
    rollout = Rollout(world, steps, 2, learner.memory)
    rollout.start(world, 0)
    return world, learner, leash, rollout


def test_beta_moves_by_the_error_of_the_kl_of_an_episode():
    """Target 6 nats, horizon 10,000 episodes, batches of 500: 5 % of the error counts, and of the error ±.2 at most.

    12 nats: .1 · (1 + .2 · .05) = .101. 6.6 nats: .101 · (1 + .1 · .05) = .101505. 6 nats: the same.
    3 nats: .101505 · (1 - .2 · .05) = .10048995. A million episodes count as one horizon: · 1.2.
    """
    beta = Beta(0.1, target=6, horizon=10_000)
    trace = []
    for kl, episodes in ((12, 500), (6.6, 500), (6, 500), (3, 500), (math.nan, 0), (100, 1_000_000)):
        beta.update(kl, episodes)
        trace.append(beta.value)
    np.testing.assert_allclose(trace, [0.101, 0.101505, 0.101505, 0.10048995, 0.10048995, 0.12058794], rtol=1e-9)
    assert adapted(2.0, -1.0, 10_000, 6, 10_000) == pytest.approx(1.6)
    fixed = Beta(0.1)
    fixed.update(100, 500)
    assert fixed.value == 0.1


@pytest.mark.parametrize(
    "wrong", [{"beta": -1}, {"beta": math.nan}, {"beta": 0, "target": 6}, {"beta": 1, "target": 0}]
)
def test_what_beta_cannot_be(wrong):
    with pytest.raises(ValueError, match="leash: "):
        Beta(**wrong)


def hand_made(action, log_prob, done, obs=None):
    """Transitions [T, N] whose other fields mean nothing."""
    action, log_prob, done = torch.tensor(action), torch.tensor(log_prob), torch.tensor(done)
    obs = torch.ones(*log_prob.shape, 1, dtype=torch.uint8) if obs is None else obs
    return Transitions(
        obs, action, log_prob, torch.zeros(*log_prob.shape, 1), obs, done, torch.zeros_like(done),
        torch.zeros(log_prob.shape), torch.ones_like(done),
    )  # fmt: skip


def test_nats_by_hand():
    """π_ref = (¼, ¾) everywhere. Two worlds, two batches; the first one's episode goes from the one into the other.

    Pays ln ¼ - ln ½ = -.693147 and ln ¾ - ln ½ = .405465. World 0 spends .693147 + .693147 - .405465 = .980829 in its
    episode, world 1 .693147 and then -.405465; on average in the second batch (.980829 - .405465) / 2 = .287682.
    """
    config = PPOConfig(hidden=(4,))
    reference = policy_for(gymnasium.spaces.MultiDiscrete([2]), gymnasium.spaces.Discrete(2), config, 1)
    with torch.no_grad():
        reference.policy_head.weight.zero_()
        reference.policy_head.bias[:] = torch.tensor([0.25, 0.75]).log()
    leash, half = Leash(reference, Beta(0.5)), math.log(0.5)
    first = hand_made([[0, 0], [0, 1]], [[half] * 2] * 2, [[False, True], [False, True]])
    assert leash.reward(first).tolist() == [pytest.approx([-0.693147] * 2), pytest.approx([-0.693147, 0.405465])]
    assert leash.fit(first) == pytest.approx(
        {"kl_per_step": 0.418494, "beta": 0.5, "kl_per_episode": 0.143841, "episodes": 2}, abs=1e-5
    )
    second = hand_made([[1, 1]], [[half] * 2], [[True, True]])
    leash.reward(second)
    assert leash.fit(second)["kl_per_episode"] == pytest.approx((0.980829 - 0.405465) / 2, abs=1e-5)
    third = hand_made([[0, 0]], [[half] * 2], [[False, False]])
    assert "kl_per_episode" not in leash.fit(third)


def test_the_drawn_action_counts_not_the_bounded_one():
    """π = N(0, 1) drew 3, the world was given 1. log N(3; 1, 2) - log N(3; 0, 1) = -½ - ln 2 + 4½ = 3.306853."""
    space, config = gymnasium.spaces.Box(-1, 1, (1,), np.float32), PPOConfig(hidden=(4,), log_std=math.log(2))
    seen = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    leash = Leash(policy_for(seen, space, config, 1), Beta(1.0))
    with torch.no_grad():
        leash.reference.policy_head.weight.zero_()
        leash.reference.policy_head.bias[:] = 1
    learner = Learner(seen, space, config, [Stream(TaskReward()), Stream(leash)], seed=0)
    log_prob = -4.5 - 0.5 * math.log(2 * math.pi)
    batch = hand_made([[[3.0]]], [[log_prob]], [[True]], torch.zeros(1, 1, 1))
    batch = Transitions(**{**vars(batch), "value": torch.zeros(1, 1, 2)})
    assert learner.update(batch)["reward/leash"] == pytest.approx(3.306853, abs=1e-5)


@KINDS
def test_who_has_not_moved_pays_nothing(kind):
    """The reference is a copy, memory and normaliser included: nothing to pay over batches and ends of episodes."""
    world, learner, leash, rollout = leashed(kind)
    for _ in range(3):
        batch, _ = collect(world, learner, rollout)
        assert leash.reward(batch).abs().max() < 1e-5
        assert leash.fit(batch)["kl_per_episode"] == pytest.approx(0, abs=1e-5)


@KINDS
def test_it_is_paid_for_what_was_learnt_since(kind):
    """On average log π - log π_ref is a KL and so above 0; the reference, its normaliser too, is as it was."""
    world, learner, leash, rollout = leashed(kind, beta=0.0, steps=64)
    before = copy.deepcopy(acting(leash.reference))
    for _ in range(6):
        batch, _ = collect(world, learner, rollout)
        metrics = learner.update(batch)
    assert metrics["leash/kl_per_step"] > 0.005
    assert metrics["leash/kl_per_step"] == pytest.approx(-metrics["reward/leash"], rel=1e-4)
    for name, tensor in acting(leash.reference).items():
        assert torch.equal(tensor, before[name]), name
    if kind == "vectors":
        assert learner.policy.normaliser.count > 0
        assert leash.reference.normaliser.count == 0


@KINDS
def test_the_hand_written_gradient_and_autograd_agree(kind):
    ends = []
    for fused in (True, False):
        world, learner, _, rollout = leashed(kind, fused=fused)
        with torch.no_grad():
            learner.policy.policy_head.bias[0] += 0.5
        batch, _ = collect(world, learner, rollout)
        ends.append(
            (learner.update(batch), {name: p.detach().clone() for name, p in learner.policy.named_parameters()})
        )
    (one, first), (other, second) = ends
    assert one["reward/leash"] == pytest.approx(other["reward/leash"], rel=1e-4)
    assert abs(one["reward/leash"]) > 1e-3
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


@KINDS
def test_a_stronger_leash_gives_another_update_and_keeps_closer(kind):
    spent = []
    for beta in (0.0, 1.0):
        world, learner, _, rollout = leashed(kind, beta=beta, steps=64)
        for _ in range(8):
            batch, _ = collect(world, learner, rollout)
            metrics = learner.update(batch)
        spent.append(metrics["leash/kl_per_step"])
    assert spent[1] < 0.7 * spent[0]


@KINDS
def test_it_goes_on_from_its_state(kind):
    """β on the move, the reference's memory, and the nats of the episodes under way: all the same bits."""
    world, learner, leash, rollout = leashed(kind, target=0.05, steps=7)
    for _ in range(3):
        learner.update(collect(world, learner, rollout)[0])
        learner.set_weight("leash", leash.beta.value)
    assert leash.beta.value != 0.3
    _, resumed, other, _ = leashed(kind, target=0.05, steps=7)
    with torch.no_grad():
        other.reference.policy_head.bias += 1  # what is loaded is meant to overwrite it
    resumed.load_state_dict(learner.state_dict())
    resumed.set_weight("leash", other.beta.value)
    for _ in range(2):
        batch, _ = collect(world, learner, rollout)
        resumed.generator.set_state(learner.generator.get_state())
        one, two = learner.update(batch), resumed.update(batch)
        assert one == two
        for each, its in ((learner, leash), (resumed, other)):
            each.set_weight("leash", its.beta.value)
    assert all(torch.equal(tensor, resumed.state_dict()[key]) for key, tensor in learner.state_dict().items())


def test_a_state_of_another_shape_is_refused():
    _, learner, _, _ = leashed("tokens")
    state = learner.state_dict()
    state["source.leash.reference.policy_head.bias"] = torch.zeros(9)
    with pytest.raises(ValueError, match=r"reference policy: 'policy_head.bias' must be \[4\], got \[9\]"):
        learner.load_state_dict(state)


def test_weights_of_streams_can_be_moved():
    learner = token_learner([3], [Stream(TaskReward(), 1.0)])
    learner.set_weight("task", 0.5)
    assert learner.factor("task") == 0.5
    with pytest.raises(ValueError, match="no stream 'leash'"):
        learner.set_weight("leash", 1.0)
    with pytest.raises(ValueError, match="weight must be a finite number"):
        learner.set_weight("task", -1.0)


def test_beta_settles_where_the_kl_is_the_target():
    """One step of four actions, the right one pays 1, π_ref even: the best policy has p = e^(1/β) / (e^(1/β) + 3).

    Episodes have three steps, so a target of 1.5 nats is ½ a step: p ln 4p + (1 - p) ln(4 (1 - p) / 3) = ½ where
    p = .7269, and so β = 1 / ln(3p / (1 - p)) = .4813.
    """
    p = 0.7269
    assert p * math.log(4 * p) + (1 - p) * math.log(4 * (1 - p) / 3) == pytest.approx(0.5, abs=1e-3)
    world = CueWorld(64)
    config = PPOConfig(entropy=0, minibatch_size=256, learning_rate=0.01, lr_schedule="linear", gamma=0.5)
    spaces = world.observation_space, world.action_space
    leash = Leash(policy_for(*spaces, config, 1), Beta(0.1, target=1.5, horizon=1000))
    learner = Learner(*spaces, config, [Stream(TaskReward(), 1.0, 0.5), Stream(leash, 0.1, 0.5)], seed=0)
    with torch.no_grad():
        leash.reference.policy_head.weight.zero_()
    rollout = Rollout(world, 12, 2)
    rollout.start(world, 0)
    spent, price = [], []
    for update in range(200):
        learner.progress = update / 200
        spent.append(learner.update(collect(world, learner, rollout)[0]).get("leash/kl_per_episode"))
        price.append(leash.beta.value)
        learner.set_weight("leash", price[-1])
    assert np.mean(spent[-40:]) == pytest.approx(1.5, rel=0.1)
    assert price[-1] == pytest.approx(1 / math.log(3 * p / (1 - p)), rel=0.15)
