"""A policy with a memory: its cell, its resets, its stored states, its gradient, and what it can learn."""

import dataclasses

import numba
import pydantic
import pytest
import torch
from core_worlds import ExtraReward, RecallWorld, made_up, token_learner

from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.ppo import Minibatch, loss_of
from selfplay.core.sequences import cut
from selfplay.core.streams import Stream
from selfplay.core.transitions import Demonstration
from selfplay.rewards.task import TaskReward

NVEC = [8] * 20 + [5]
BOTH = pytest.mark.parametrize("fused", [True, False], ids=["fused", "autograd"])


def remembering(fused=True, streams=None, loud=False, **settings):
    """A learner with a memory; `loud`: its heads are large enough to send a real gradient back through time."""
    learner = token_learner(NVEC, streams, fused=fused, memory="gru", **settings)
    assert learner.fused == fused
    if loud:
        with torch.no_grad():
            learner.policy.policy_head.weight *= 100
            learner.policy.value_head.weight *= 100
    return learner


def played(steps, envs, memory=64, streams=1, seed=0):
    """Made-up steps whose states are zero where an episode began, and random elsewhere."""
    batch = made_up(steps, envs, NVEC, streams, seed)
    state = torch.randn(steps, envs, memory, generator=torch.Generator().manual_seed(seed)) / 2
    state[1:][batch.done[:-1]] = 0
    return dataclasses.replace(batch, state=state)


def gradients(learner):
    return {name: learner.adam.view(learner.adam.gradient, name).clone() for name in learner.adam.slices}


def same(one, other, rtol=1e-5, atol=1e-6):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}")


@BOTH
def test_the_cell_is_torchs(fused):
    learner = remembering(fused, loud=True)
    obs, state = made_up(1, 100, NVEC).obs[0], torch.randn(100, 64)
    with torch.no_grad():
        for bias in (learner.policy.gru.bias_ih, learner.policy.gru.bias_hh):
            bias.normal_()
        expected = torch.nn.GRUCell(64, 64)
        expected.load_state_dict(learner.policy.gru.state_dict())
        after = expected(torch.relu(learner.policy.encoder(obs)), state)
        logits = learner.policy.policy_head(after)
    act = learner.act(obs, state, deterministic=True)
    torch.testing.assert_close(act.state, after, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(act.value, learner.policy.value_head(after).detach(), rtol=1e-5, atol=1e-5)
    assert torch.equal(act.action, logits.argmax(-1))
    torch.testing.assert_close(act.log_prob, torch.log_softmax(logits, -1).max(-1).values, rtol=1e-4, atol=1e-5)
    assert torch.equal(learner.act(obs, deterministic=True).state, learner.act(obs, state * 0, True).state)


@BOTH
def test_states_go_on_through_a_rollout_and_begin_at_zero_with_an_episode(fused):
    world = RecallWorld(6, length=5)
    learner = Learner(
        world.observation_space, world.action_space, PPOConfig(memory="gru", fused=fused), [Stream(TaskReward())], 0
    )
    rollout = Rollout(world, 7, 1, learner.memory)
    rollout.start(world, seed=0)
    before = learner.initial_state(6)
    assert before.tolist() == [[0.0] * 64] * 6
    for _ in range(3):
        batch, _ = collect(world, learner, rollout)
        for t in range(7):
            assert torch.equal(batch.state[t], before)
            before = learner.act(batch.obs[t], before, deterministic=True).state
            assert before.abs().sum() > 0
            before[batch.done[t]] = 0


def test_a_rollout_goes_on_from_its_state():
    def make():
        world = RecallWorld(6, length=5)
        learner = Learner(
            world.observation_space, world.action_space, PPOConfig(memory="gru"), [Stream(TaskReward())], 0
        )
        rollout = Rollout(world, 7, 1, learner.memory)
        rollout.start(world, seed=0)
        return world, learner, rollout

    world, learner, rollout = make()
    collect(world, learner, rollout)
    saved = {key: tensor.clone() for key, tensor in rollout.state_dict().items()}
    assert saved["state"].abs().sum() > 0
    resumed = Rollout(world, 7, 1, learner.memory)
    resumed.load_state_dict(saved)
    assert torch.equal(collect(world, learner, resumed)[0].state[0], saved["state"])
    plain = Rollout(world, 7, 1)
    assert "state" not in plain.state_dict()
    with pytest.raises(ValueError, match="rollout state: expected"):
        plain.load_state_dict(saved)


@BOTH
def test_values_after_a_step_are_met_with_what_is_remembered_after_it(fused):
    learner, batch = remembering(fused, loud=True), played(4, 10)
    where = torch.zeros(4, 10, dtype=torch.bool)
    where[1, 3] = where[3, 7] = True
    with torch.no_grad():
        expected = []
        for t, n in ((1, 3), (3, 7)):
            *_, after = learner.policy.step(batch.obs[t, n][None], batch.state[t, n][None])
            expected.append(learner.policy.step(batch.next_obs[t, n][None], after)[1][0])
            forgotten = learner.policy.step(batch.next_obs[t, n][None], after * 0)[1][0]
            assert (forgotten - expected[-1]).abs() > 1e-3
    torch.testing.assert_close(learner.value_after(batch, where), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_sequences_by_hand():
    # Seven steps of two environments, cut every three. Environment 1 is played but for steps 2 and 6.
    batch = made_up(7, 2, NVEC)
    mask, done = torch.ones(7, 2, dtype=torch.bool), torch.zeros(7, 2, dtype=torch.bool)
    mask[2, 1] = mask[6, 1] = False
    done[1, 0] = True
    batch = dataclasses.replace(batch, mask=mask, terminated=done, truncated=done & False)
    found = cut([batch, batch], 3)
    rows = [(0, 3), (1, 2), (6, 3), (7, 3), (12, 1)]  # of row t · 2 + n, as many steps
    assert list(zip(found.first.tolist(), found.length.tolist(), strict=True)) == [
        *rows, *((14 + first, length) for first, length in rows)
    ]  # fmt: skip
    assert found.stride.tolist() == [2] * 10
    # What begins anew: the first steps, the one after the episode's end (t = 2) and those after gaps.
    restart = found.restart[:14].view(7, 2)
    assert restart[mask].tolist() == [True, True, False, False, True, False, True, False, False, False, False, False]
    numbers, meant = found.rows(torch.tensor([4, 1]))
    assert numbers.tolist() == [[12, 1], [12, 3]]
    assert meant.tolist() == [[True, True], [False, True]]


def whole_loss(learner, batch):
    """The loss over whole columns, one long unroll with torch's own cell, begun with the first step's state."""
    policy, config = learner.policy, learner.config
    encoded = torch.relu(policy.encoder(batch.obs.flatten(0, 1))).unflatten(0, batch.mask.shape)
    h, outputs = batch.state[0], []
    for t in range(len(batch.obs)):
        h = policy.gru(encoded[t], h)
        outputs.append(h)
        h = h * ~batch.done[t, :, None]
    x = torch.stack(outputs).flatten(0, 1)
    fields = (batch.obs, batch.action, batch.log_prob, batch.task_reward, batch.value + 1, batch.value)
    minibatch = Minibatch(*(field.flatten(0, 1) for field in fields))
    return loss_of(policy, policy.policy_head(x), policy.value_head(x), minibatch, config)[0]


@BOTH
def test_one_long_sequence_has_the_gradient_of_a_whole_unroll_that_resets(fused):
    settings = {"normalise_advantage": False, "sequence": 12, "epochs": 1, "minibatch_size": 10_000}
    learner, batch = remembering(fused, loud=True, **settings), played(12, 20)
    # What is advantage and return does not matter here, so both are put in by hand.
    fields = (batch.obs, batch.action, batch.log_prob, batch.task_reward, batch.value + 1, batch.value)
    steps, sequences = Minibatch(*(field.flatten(0, 1) for field in fields)), cut([batch], 12)
    learner.gradients.of(steps, sequences)(torch.randperm(20))
    found = gradients(learner)
    assert batch.done[:-1].any()
    names, parameters = zip(*learner.policy.named_parameters(), strict=True)
    expected = torch.autograd.grad(whole_loss(learner, batch), parameters)
    same(found, dict(zip(names, expected, strict=True)))
    # The recurrent weights see a different gradient if nothing is reset: the test can fail.
    never = dataclasses.replace(batch, terminated=batch.terminated & False, truncated=batch.truncated & False)
    wrong = dict(zip(names, torch.autograd.grad(whole_loss(learner, never), parameters), strict=True))
    assert (wrong["gru.weight_hh"] - found["gru.weight_hh"]).abs().max() > 1e-4


@BOTH
def test_every_chunk_begins_with_the_state_that_was_there(fused):
    settings = {"normalise_advantage": False, "sequence": 4, "epochs": 1, "minibatch_size": 10_000}
    learner, batch = remembering(fused, loud=True, **settings), played(12, 20)
    fields = (batch.obs, batch.action, batch.log_prob, batch.task_reward, batch.value + 1, batch.value)
    steps, sequences = Minibatch(*(field.flatten(0, 1) for field in fields)), cut([batch], 4)
    learner.gradients.of(steps, sequences)(torch.randperm(60))
    names, parameters = zip(*learner.policy.named_parameters(), strict=True)
    chunks = [batch.each(lambda tensor, t=t: tensor[t : t + 4]) for t in (0, 4, 8)]
    losses = [whole_loss(learner, chunk) for chunk in chunks]
    expected = torch.autograd.grad(sum(losses) / 3, parameters)
    same(gradients(learner), dict(zip(names, expected, strict=True)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip_value": 0.2, "normalise_over": "batch", "entropy": 0.1, "sequence": 5},
        {"hidden": (24, 40), "max_grad_norm": 100.0, "epochs": 3, "sequence": 64},
    ],
    ids=["default", "short sequences", "other widths"],
)
@pytest.mark.parametrize("streams", [1, 2])
def test_the_fused_gradient_takes_the_steps_of_autograd(settings, streams):
    batch = played(18, 70, settings.get("hidden", (64, 64))[-1], streams)
    batch = dataclasses.replace(batch, mask=torch.arange(18)[:, None] < torch.arange(70) % 17 + 2)
    one, other = (
        remembering(
            fused,
            [Stream(TaskReward()), Stream(ExtraReward(), 0.5, 0.9)][:streams],
            True,
            minibatch_size=300,
            **settings,
        )
        for fused in (True, False)
    )
    found, expected = one.update(batch), other.update(batch)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    for p, q in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=2e-5)


@BOTH
def test_masked_batches_equal_the_played_steps_alone(fused):
    # Column n is played for n + 1 steps; what lies behind is rubbish, and the columns alone give the same.
    steps = envs = 6
    whole, played_ = played(steps, envs), torch.arange(6)[:, None] <= torch.arange(6)
    last = torch.arange(steps)[:, None] == torch.arange(envs)
    ends = {"terminated": whole.terminated | last, "truncated": whole.truncated & ~last, "mask": played_}
    rubbish = {name: torch.where(played_, getattr(whole, name), torch.nan) for name in ("task_reward", "log_prob")}
    rubbish |= {name: torch.where(played_[..., None], getattr(whole, name), torch.nan) for name in ("value", "state")}
    masked = dataclasses.replace(whole, **ends, **rubbish)
    columns = [masked.each(lambda tensor, n=n: tensor[: n + 1, n : n + 1]) for n in range(envs)]
    one, other = (remembering(fused, sequence=4) for _ in range(2))
    metrics = one.update(masked)
    assert metrics["played_steps"] == 21
    assert other.update(*columns) == pytest.approx(metrics, rel=1e-4, abs=1e-6)
    for p, q in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)


def test_the_number_of_threads_changes_nothing():
    before, states = numba.get_num_threads(), []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        learner = remembering(minibatch_size=300)
        learner.update(played(9, 100))
        states.append(learner.state_dict())
    numba.set_num_threads(before)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@BOTH
def test_a_resumed_learner_goes_on_bit_identically(fused):
    unbroken = remembering(fused, minibatch_size=100)
    unbroken.update(played(8, 50))
    resumed = remembering(fused, minibatch_size=100)
    resumed.load_state_dict(unbroken.state_dict())
    for learner in (unbroken, resumed):
        learner.update(played(8, 50, seed=1))
    one, other = unbroken.state_dict(), resumed.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


@BOTH
def test_odd_numbers_are_noticed_before_they_do_harm(fused):
    learner, batch = remembering(fused), played(4, 30)
    before = [parameter.clone() for parameter in learner.policy.parameters()]
    with pytest.raises(FloatingPointError, match="learner: loss nan"):
        learner.update(dataclasses.replace(batch, state=batch.state * torch.nan))
    assert all(torch.equal(p, q) for p, q in zip(before, learner.policy.parameters(), strict=True))


def paid(memory, rounds):
    """Mean pay of the last step of RecallWorld's episodes after `rounds` updates."""
    world = RecallWorld(64, length=6)
    config = PPOConfig(memory=memory, learning_rate=3e-3, minibatch_size=512, gamma=0.9)
    learner = Learner(world.observation_space, world.action_space, config, [Stream(TaskReward())], 0)
    rollout = Rollout(world, 24, 1, learner.memory)
    rollout.start(world, seed=0)
    for _ in range(rounds):
        batch, _ = collect(world, learner, rollout)
        learner.update(batch)
    _, episodes = collect(world, learner, rollout)
    return episodes.returns.mean()


def test_what_was_seen_is_recalled_with_a_memory_and_not_without():
    assert paid("gru", 20) > 0.95
    assert 0.35 < paid("none", 20) < 0.65


def test_what_does_not_fit_is_refused():
    learner = remembering()
    with pytest.raises(ValueError, match=r"state must be \[T, N, 64\] as the policy remembers, got \[4, 30, 0\]"):
        learner.update(made_up(4, 30, NVEC))
    with pytest.raises(ValueError, match=r"state must be float32 \[30, 64\], got torch.float32 \[30, 63\]"):
        learner.act(made_up(4, 30, NVEC).obs[0], torch.zeros(30, 63))
    with pytest.raises(ValueError, match="out of range"):
        learner.act(torch.full((3, 21), 9, dtype=torch.uint8))
    with pytest.raises(ValueError, match="out of range"):
        learner.update(dataclasses.replace(played(4, 30), obs=torch.full((4, 30, 21), 9, dtype=torch.uint8)))
    with pytest.raises(pydantic.ValidationError, match="needs at least two widths"):
        PPOConfig(memory="gru", hidden=(64,))
    shown = Demonstration(torch.ones(1, 21, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), 1.0)
    with pytest.raises(ValueError, match="a policy with a memory cannot clone"):
        remembering(normalise_over="batch").update(played(4, 30), demonstrations=[shown])
