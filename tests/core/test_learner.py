import dataclasses

import gymnasium
import numba
import pytest
import torch
from core_worlds import Corridor, CueWorld, ExtraReward, made_up, token_learner

from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.task import TaskReward

NVEC = [8] * 20 + [5]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def learner_for(world, streams=None, seed=0, **settings):
    return Learner(
        world.observation_space, world.action_space, PPOConfig(**settings), streams or [Stream(TaskReward())], seed
    )


def two_streams(weight=0.5):
    return [Stream(TaskReward()), Stream(ExtraReward(), weight, 0.9, rescale=True)]


@pytest.mark.parametrize("fused", [True, False])
def test_the_identity_task_is_learnt(fused):
    # A random policy is paid .25 a step.
    world = CueWorld(32)
    learner = learner_for(world, fused=fused, learning_rate=3e-3, minibatch_size=256, gamma=0.5)
    rollout = Rollout(world, 16, 1)
    rollout.start(world, seed=0)
    batch, _ = collect(world, learner, rollout)
    assert batch.task_reward.mean() < 0.4
    for _ in range(30):
        learner.update(batch)
        batch, _ = collect(world, learner, rollout)
    assert batch.task_reward.mean() > 0.9
    best = learner.act(torch.arange(1, 5, dtype=torch.uint8)[:, None], deterministic=True)
    assert best.action.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("cut_as", ["truncated", "terminated"])
def test_value_of_a_constant_reward(cut_as):
    # 1/(1 - .9) = 10 where episodes are only cut every 3 steps; had they ended, at most 1 + .9 + .81 = 2.71.
    world = CueWorld(16, pays_always=True, terminates=cut_as == "terminated")
    learner = learner_for(
        world, [Stream(TaskReward(), gamma=0.9)], learning_rate=0.01, lr_schedule="linear", minibatch_size=64
    )
    rollout = Rollout(world, 16, 1)
    rollout.start(world, seed=0)
    for round in range(150):
        learner.progress = round / 150
        batch, _ = collect(world, learner, rollout)
        learner.update(batch)
    value = learner.value(torch.arange(1, 5, dtype=torch.uint8)[:, None])
    if cut_as == "truncated":
        assert value.flatten().tolist() == pytest.approx([10] * 4, rel=0.03)
    else:
        assert value.max() < 2.8


def test_a_stream_that_is_not_episodic_bootstraps_through_termination():
    class Endless(TaskReward):
        name, episodic = "endless", False

    world = CueWorld(16, pays_always=True, terminates=True)
    streams = [Stream(TaskReward(), gamma=0.9), Stream(Endless(), gamma=0.9)]
    learner = learner_for(world, streams, learning_rate=0.01, lr_schedule="linear", minibatch_size=64)
    rollout = Rollout(world, 16, 2)
    rollout.start(world, seed=0)
    for round in range(150):
        learner.progress = round / 150
        batch, _ = collect(world, learner, rollout)
        learner.update(batch)
    task, endless = learner.value(torch.arange(1, 5, dtype=torch.uint8)[:, None]).T
    assert task.max() < 2.8
    assert endless.tolist() == pytest.approx([10] * 4, rel=0.03)


def test_an_endless_stream_is_worth_as_much_where_episodes_end_in_a_state_that_is_never_acted_in():
    class Endless(TaskReward):
        name, episodic = "endless", False

    world = Corridor(16)
    settings = {"learning_rate": 0.01, "lr_schedule": "linear", "minibatch_size": 64}
    learner = learner_for(world, [Stream(Endless(), gamma=0.9)], **settings)
    rollout = Rollout(world, 16, 1)
    rollout.start(world, seed=0)
    for round in range(200):
        learner.progress = round / 200
        batch, _ = collect(world, learner, rollout)
        learner.update(batch)
    value = learner.value(torch.arange(1, 4, dtype=torch.uint8)[:, None])
    assert value.flatten().tolist() == pytest.approx([10] * 3, rel=0.03)


@pytest.mark.parametrize("fused", [True, False])
def test_equal_seeds_are_equal_bit_for_bit(fused):
    batch = made_up(8, 50, NVEC, 2)
    states = []
    for seed in (1, 1, 2):
        learner = token_learner(NVEC, two_streams(), seed=seed, fused=fused, minibatch_size=100)
        learner.act(batch.obs[0])
        learner.update(batch)
        states.append(learner.state_dict())
    assert equal(states[0], states[1])
    assert not torch.equal(states[0]["policy.encoder.table"], states[2]["policy.encoder.table"])


def test_the_number_of_threads_changes_nothing():
    batch = made_up(8, 50, NVEC)
    before, states = numba.get_num_threads(), []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        learner = token_learner(NVEC, minibatch_size=100)
        learner.act(batch.obs[0])
        learner.update(batch)
        states.append(learner.state_dict())
    numba.set_num_threads(before)
    assert equal(*states)


def test_the_weight_of_a_stream_reaches_the_policy_gradient():
    batch = made_up(8, 50, NVEC, 2)
    heads = []
    for weight in (0.0, 0.5):
        learner = token_learner(NVEC, two_streams(weight))
        learner.update(batch)
        heads.append(learner.state_dict()["policy.policy_head.weight"])
    assert not torch.equal(*heads)


@pytest.mark.parametrize("fused", [True, False])
def test_a_resumed_learner_goes_on_bit_identically(fused):
    def make():
        return token_learner(NVEC, two_streams(), fused=fused, minibatch_size=100, lr_schedule="linear")

    def play(learner, rounds):
        for seed in rounds:
            batch = made_up(8, 50, NVEC, 2, seed)
            act = learner.act(batch.obs[0])
            learner.progress = seed / 10
            learner.update(batch)
        return act

    unbroken, first, second = make(), make(), make()
    play(unbroken, range(3))
    play(first, range(3))
    saved = {key: torch.from_numpy(tensor.numpy().copy()) for key, tensor in first.state_dict().items()}
    second.load_state_dict(saved)
    assert equal(second.state_dict(), unbroken.state_dict())
    one, other = play(unbroken, range(3, 6)), play(second, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert equal(second.state_dict(), unbroken.state_dict())
    assert second.updates == 6
    assert second.streams[1].source.fits.item() == 6


def test_a_state_that_does_not_fit_is_refused():
    learner = token_learner(NVEC)
    state = learner.state_dict()
    with pytest.raises(ValueError, match=r"'policy.value_head.weight' must be .* \[1, 64\], got .* \[2, 64\]"):
        learner.load_state_dict(token_learner(NVEC, two_streams()).state_dict())
    with pytest.raises(ValueError, match="'updates' is missing"):
        learner.load_state_dict({key: tensor for key, tensor in state.items() if key != "updates"})
    with pytest.raises(ValueError, match=r"'source.rnd.x' belongs to nothing here \(streams: task\)"):
        learner.load_state_dict(state | {"source.rnd.x": torch.zeros(1)})
    assert equal(state, learner.state_dict())


@pytest.mark.parametrize("fused", [True, False])
def test_masked_batches_equal_the_played_steps_alone(fused):
    # Column n of the first batch is played for n + 1 steps; the same columns one by one, without the rest.
    steps, envs = 5, 5
    whole = made_up(steps, envs, NVEC)
    played = torch.arange(steps)[:, None] <= torch.arange(envs)
    last = torch.arange(steps)[:, None] == torch.arange(envs)
    ends = {"terminated": whole.terminated | (last & (torch.arange(envs) % 2 == 0)), "mask": played}
    ends["truncated"] = (whole.truncated | last) & ~ends["terminated"]
    rubbish = {name: torch.where(played, getattr(whole, name), torch.nan) for name in ("task_reward", "log_prob")} | {
        "value": torch.where(played[..., None], whole.value, torch.nan)
    }
    masked = dataclasses.replace(whole, **ends, **rubbish)
    columns = [masked.each(lambda tensor, n=n: tensor[: n + 1, n : n + 1]) for n in range(envs)]
    one, other = token_learner(NVEC, fused=fused), token_learner(NVEC, fused=fused)
    metrics = one.update(masked)
    assert metrics["played_steps"] == 15
    assert other.update(*columns) == pytest.approx(metrics, rel=1e-4, abs=1e-6)
    for p, q in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)


def test_nothing_played_changes_nothing():
    learner = token_learner(NVEC)
    before = learner.state_dict()
    batch = made_up(3, 4, NVEC)
    empty = dataclasses.replace(batch, mask=torch.zeros_like(batch.mask))
    none = batch.each(lambda tensor: tensor[:0])
    assert learner.update(empty, none) == {"played_steps": 0}
    assert equal(before, learner.state_dict())


@pytest.mark.parametrize("fused", [True, False])
def test_odd_numbers_are_noticed_before_they_do_harm(fused):
    batch = made_up(4, 30, NVEC)
    learner = token_learner(NVEC, fused=fused)
    before = [parameter.clone() for parameter in learner.policy.parameters()]
    with pytest.raises(FloatingPointError, match="reward source 'task' paid nan"):
        learner.update(dataclasses.replace(batch, task_reward=batch.task_reward * torch.nan))
    with pytest.raises(FloatingPointError, match="learner: loss nan"):
        learner.update(dataclasses.replace(batch, log_prob=batch.log_prob * torch.nan))
    assert all(torch.equal(p, q) for p, q in zip(before, learner.policy.parameters(), strict=True))


def test_wrong_batches_are_refused():
    learner, batch = token_learner(NVEC), made_up(4, 30, NVEC)
    with pytest.raises(ValueError, match=r"obs must be torch.uint8 \[T, N, 21\], got torch.uint8 \[4, 30, 2\]"):
        learner.update(made_up(4, 30, [3, 3]))
    with pytest.raises(ValueError, match="2 values a step, expected one for each of 1 streams"):
        learner.update(made_up(4, 30, NVEC, 2))
    with pytest.raises(ValueError, match="actions must be in 0 … 6, got 7"):
        learner.update(dataclasses.replace(batch, action=torch.full_like(batch.action, 7)))
    with pytest.raises(ValueError, match="out of range"):
        learner.act(torch.full((3, 21), 9, dtype=torch.uint8))
    with pytest.raises(ValueError, match="progress must be in"):
        learner.progress = float("nan")


def test_the_learning_rate_follows_the_progress():
    learner = token_learner(NVEC, learning_rate=0.01, lr_schedule="linear")
    learner.progress = 0.75
    assert learner.learning_rate == pytest.approx(0.0025)


def test_a_policy_that_has_moved_far_enough_stops():
    batch = made_up(8, 50, NVEC)
    metrics = token_learner(NVEC, epochs=10, learning_rate=0.05, target_kl=0.05).update(batch)
    assert metrics["epochs"] < 10


@pytest.mark.parametrize("fused", [True, False])
def test_acting_gives_the_log_probability_of_its_action(fused):
    learner = token_learner(NVEC, fused=fused)
    with torch.no_grad():
        learner.policy.policy_head.weight *= 100  # away from uniform
    obs = made_up(2, 4000, NVEC).obs[0]
    act = learner.act(obs)
    with torch.no_grad():
        logits, value = learner.policy(obs)
    torch.testing.assert_close(act.log_prob, learner.policy.distribution.log_prob(logits, act.action))
    torch.testing.assert_close(act.value, value)
    torch.testing.assert_close(learner.value(obs), value)
    shares = torch.bincount(act.action, minlength=7) / 4000
    torch.testing.assert_close(shares, torch.softmax(logits, -1).mean(0), atol=0.03, rtol=0)
    assert torch.equal(learner.act(obs, deterministic=True).action, logits.argmax(-1))


def test_float_observations_are_learnt_from():
    space = gymnasium.spaces.Box(-1, 1, (3,))
    learner = Learner(space, gymnasium.spaces.Discrete(2), PPOConfig(hidden=(16,)), [Stream(TaskReward())], 0)
    obs = torch.randn(6, 10, 3)
    act = learner.act(obs[0].double().numpy())
    zeros = torch.zeros(5, 10)
    batch = Transitions(
        obs[:-1], act.action.expand(5, 10), act.log_prob.expand(5, 10), zeros[..., None], obs[1:],
        zeros.bool(), zeros.bool(), zeros + 1, ~zeros.bool(),
    )  # fmt: skip
    assert learner.update(batch)["played_steps"] == 50


def test_a_batch_keeps_its_place_beside_an_empty_one():
    """The discounted sums of the second batch go on from the second batch, also where the first is empty."""
    learner = token_learner(NVEC, two_streams(), seed=0)
    first, second = made_up(4, 10, NVEC, 2), made_up(4, 10, NVEC, 2, seed=1)
    idle = dataclasses.replace(first, mask=torch.zeros_like(first.mask))
    learner.update(first, second)
    before = learner.state_dict()
    metrics = learner.update(idle, second)
    after = learner.state_dict()
    assert torch.equal(before["scale.extra.sums.0"], after["scale.extra.sums.0"])
    sums = before["scale.extra.sums.1"].tolist()
    reward = learner.streams[1].source.reward(second).double()
    for n in range(reward.shape[1]):
        for t in range(len(reward)):
            if second.mask[t, n]:
                sums[n] = 0.9 * sums[n] + reward[t, n].item()
    assert after["scale.extra.sums.1"].tolist() == pytest.approx(sums, rel=1e-5)
    assert metrics["raw_reward/extra"] == pytest.approx(reward[second.mask].mean().item(), rel=1e-5)


def test_a_policy_can_be_taken_without_its_sources():
    class Sized(ExtraReward):
        def load_state_dict(self, state):
            raise ValueError("of another size")

    learner, batch = token_learner(NVEC, two_streams(), seed=0), made_up(4, 10, NVEC, 2)
    learner.update(batch)
    state = learner.state_dict()
    other = token_learner(NVEC, [Stream(TaskReward()), Stream(Sized(), 0.5, 0.9, rescale=True)], seed=1)
    scale = {key: tensor for key, tensor in other.state_dict().items() if key.startswith("scale.")}
    other.load_policy(state)
    taken = other.state_dict()
    assert all(torch.equal(taken[key], state[key]) for key in state if not key.startswith(("scale.", "source.")))
    assert all(torch.equal(taken[key], scale[key]) for key in scale)
    with pytest.raises(ValueError, match="of another size"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="'updates' is missing"):
        other.load_policy({key: state[key] for key in state if key != "updates"})
