"""What every reward source of the catalogue must keep to. A new one is tested as soon as it is listed there."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from curiosity_worlds import made_up, paid, same, surroundings

from curiosity.catalogue import SOURCES, make_source
from curiosity.source import RewardSource
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward

WORLDS = ("grid", "vectors")
everywhere = pytest.mark.parametrize(("name", "world"), [(name, world) for name in SOURCES for world in WORLDS])
SMALL = {"minibatch_size": 8, "epochs": 2, "width": 16, "feature_width": 8, "proportion": 0.5}


def small_config(name, **settings):
    config = SOURCES[name].config
    small = {key: value for key, value in SMALL.items() if key in config.model_fields}
    return config(**{**small, **settings})


def source_of(name, world, seed=0, **settings):
    return make_source(name, small_config(name, **settings), surroundings(world, seed))


def two_batches(world, seed=0, **settings):
    first = made_up(world, seed=seed, **settings)
    return first, made_up(world, seed=seed + 1, after=first, **settings)


@everywhere
def test_it_pays_finite_numbers_and_leaves_no_trace(name, world):
    source = source_of(name, world)
    assert isinstance(source, RewardSource)
    assert source.name == name
    for batch in two_batches(world):
        before = source.state_dict()
        reward = paid(source, batch)
        assert reward.dtype == torch.float32
        assert reward.shape == batch.mask.shape
        assert reward[batch.mask].isfinite().all()
        assert not reward.requires_grad
        assert torch.equal(reward, paid(source, batch))
        assert same(before, source.state_dict())
        metrics = source.fit(batch)
        assert all(torch.tensor(float(value)).isfinite() for value in metrics.values())
        assert not same(before, source.state_dict())


@everywhere
def test_steps_that_were_not_played_mean_nothing(name, world):
    """`made_up` fills them with NaN and with tokens and actions that do not exist; here they are filled with others."""
    one, other = source_of(name, world), source_of(name, world)
    for batch in two_batches(world):
        gap = ~batch.mask
        assert gap.any()
        fields = {key: getattr(batch, key).clone() for key in ("obs", "next_obs", "action", "terminated", "truncated")}
        for key, tensor in fields.items():
            tensor[gap] = True if key in ("terminated", "truncated") else 1
        filled = dataclasses.replace(batch, **fields)
        assert torch.equal(paid(one, batch)[batch.mask], paid(other, filled)[batch.mask])
        one.fit(batch)
        other.fit(filled)
        assert same(one.state_dict(), other.state_dict())


@everywhere
def test_it_goes_on_from_a_saved_state_bit_for_bit(name, world):
    unbroken, resumed = source_of(name, world), source_of(name, world, seed=5)
    first, second = two_batches(world)
    unbroken.fit(first)
    saved = {key: torch.from_numpy(tensor.numpy().copy()) for key, tensor in unbroken.state_dict().items()}
    resumed.load_state_dict(saved)
    assert same(unbroken.state_dict(), resumed.state_dict())
    assert torch.equal(paid(unbroken, second), paid(resumed, second))
    assert unbroken.fit(second) == resumed.fit(second)
    assert same(unbroken.state_dict(), resumed.state_dict())


@everywhere
def test_a_state_that_does_not_fit_is_refused(name, world):
    source = source_of(name, world)
    state = source.state_dict()
    key = next(iter(state))
    with pytest.raises(ValueError, match="missing"):
        source.load_state_dict({other: state[other] for other in state if other != key})
    with pytest.raises(ValueError, match="'more' is unknown"):
        source.load_state_dict(state | {"more": torch.zeros(1)})
    with pytest.raises(ValueError, match=f"{name} state"):
        source.load_state_dict(state | {key: torch.zeros(3, 7, dtype=torch.float16)})
    assert same(state, source.state_dict())


SPOILT = {
    "trainer.generator": torch.zeros_like,
    "trainer.steps": lambda steps: steps - 99,
    "memory.open": lambda open: open[:-1],
    "memory.env": lambda env: env + 4,
    "memory.keys": lambda keys: keys.flip(0),
    "memory.counts": torch.zeros_like,
    "memory.total": lambda total: total[..., :-1],
}


@everywhere
def test_a_state_that_is_refused_changes_nothing(name, world):
    """Right kinds of tensors with wrong content, of another source that has learnt: not a part of it is taken up."""
    source, other = source_of(name, world), source_of(name, world, seed=5)
    first, second = two_batches(world, ends=0.05)
    source.fit(first)
    other.fit(first)
    other.fit(second)
    before, good = source.state_dict(), other.state_dict()
    spoilt = [key for key in good if key in SPOILT]
    assert spoilt
    for key in spoilt:
        with pytest.raises(ValueError, match=f"{name} state: {key.split('.')[0]}"):
            source.load_state_dict(good | {key: SPOILT[key](good[key])})
        assert same(before, source.state_dict())
    with pytest.raises(ValueError, match="must be a tensor, got list"):
        source.load_state_dict(good | {key: [1.0]})
    source.load_state_dict(good)
    assert same(good, source.state_dict())


@everywhere
def test_the_seed_decides_and_the_global_stream_is_left_alone(name, world):
    batch = made_up(world)
    states = []
    for seed, noise in ((0, 1), (0, 2), (3, 1)):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        source = source_of(name, world, seed)
        paid(source, batch)
        source.fit(batch)
        assert torch.equal(before, torch.get_rng_state())
        states.append(source.state_dict())
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "counts"])
def test_the_units_of_vectors_do_not_matter(name):
    """Whitened, numbers 300 times as large are the same to all that learns; counts have bins of their own."""
    small, large = (source_of(name, "vectors", learning_rate=0.01) for _ in range(2))
    batch = None
    for seed in range(4):
        batch = made_up("vectors", steps=16, seed=seed, after=batch)
        batch.truncated[-1] = True
        if seed:  # before anything was seen, nothing is whitened
            np.testing.assert_allclose(paid(small, batch), paid(large, scaled(batch, 300)), rtol=0.02, atol=1e-4)
        small.fit(batch)
        large.fit(scaled(batch, 300))


def scaled(batch, factor):
    return dataclasses.replace(batch, obs=batch.obs * factor, next_obs=batch.next_obs * factor)


@everywhere
def test_a_channel_that_is_not_there_is_refused(name, world):
    settings = [key for key in ("reads", "keys") if key in SOURCES[name].config.model_fields]
    for key in settings:
        with pytest.raises(ValueError, match=f"{name} reads 'stat', .* did you mean 'state'"):
            source_of(name, world, **{key: "stat"})


@everywhere
def test_it_pays_for_the_channel_it_reads(name, world):
    batch = made_up(world, all_played=True)
    other = made_up(world, all_played=True, seed=7)
    source = source_of(name, world, reads="state")
    swapped = dataclasses.replace(batch, channels={**batch.channels, "state": other.channel("state")})
    source.fit(batch)
    assert not torch.equal(paid(source, batch), paid(source, swapped))
    if "keys" not in SOURCES[name].config.model_fields:
        assert torch.equal(
            paid(source, batch), paid(source, dataclasses.replace(batch, obs=other.obs, next_obs=other.next_obs))
        )


@everywhere
def test_it_takes_another_number_of_environments(name, world):
    """Memories of episodes begin anew, as a source that never saw the old ones."""
    source, fresh = source_of(name, world), source_of(name, world)
    before = source.state_dict()
    source.fit(made_up(world))
    memory = {key: tensor for key, tensor in source.state_dict().items() if key.startswith("memory.")}
    source.load_state_dict({**before, **memory})
    if name != "counts":  # its memory is of a whole life
        batch = made_up(world, envs=7, seed=3)
        assert torch.equal(paid(source, batch), paid(fresh, batch))
        source.fit(batch)
        fresh.fit(batch)
        assert same(source.state_dict(), fresh.state_dict())


@everywhere
def test_a_batch_in_which_nothing_was_played_pays_and_teaches_nothing(name, world):
    """Counts of a life and all that was learnt stay; what goes on over batches is an episode, and those have ended."""
    settings = {"keys": "position"} if "keys" in SOURCES[name].config.model_fields else {}
    source, anew = (source_of(name, world, **settings) for _ in range(2))
    batch = made_up(world, ends=0.05)
    later = made_up(world, seed=1, after=batch)
    source.fit(batch)
    before, goes_on = source.state_dict(), paid(source, later)
    idle = dataclasses.replace(batch, mask=torch.zeros_like(batch.mask))
    assert not paid(source, idle).any()
    assert all(torch.tensor(float(value)).isfinite() for value in source.fit(idle).values())
    after = source.state_dict()
    moves = {"trainer.generator"} if name == "re3" else set()  # it draws other neighbours after every batch
    moves |= {key for key in before if source.remembers and key.startswith("memory.")}
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - moves)
    if source.remembers:
        empty = {key: tensor for key, tensor in anew.state_dict().items() if key in moves}
        anew.load_state_dict({**before, **empty})
        assert torch.equal(paid(source, later), paid(anew, later))
        assert not torch.equal(paid(source, later), goes_on)


@everywhere
def test_a_learner_learns_from_it_and_goes_on(name, world):
    """With weight 0 and .5: other updates (trap 1 of the notes), of which a saved one goes on bit for bit."""
    actions = gymnasium.spaces.Discrete(4)

    def learner_of(weight):
        told = surroundings(world, action_space=actions)
        stream = Stream(make_source(name, small_config(name), told), weight, 0.9, rescale=True)
        return Learner(told.channels["obs"], actions, PPOConfig(hidden=(16,)), [Stream(TaskReward()), stream], 0)

    first, second = two_batches(world, envs=8, streams=2, discrete=True)
    learners = {weight: learner_of(weight) for weight in (0.0, 0.5)}
    for learner in learners.values():
        metrics = learner.update(first)
        assert f"reward/{name}" in metrics
        learner.update(second)
    heads = [learner.state_dict()["policy.policy_head.weight"] for learner in learners.values()]
    assert not torch.equal(*heads)

    resumed = learner_of(0.5)
    begun = learner_of(0.5)
    begun.update(first)
    resumed.load_state_dict(begun.state_dict())
    resumed.update(second)
    assert same(resumed.state_dict(), learners[0.5].state_dict())


@everywhere
def test_a_source_that_remembers_episodes_takes_one_batch_in_an_update(name, world):
    """One that says it does not is the same whether or not the second batch goes on from the first."""
    actions = gymnasium.spaces.Discrete(4)
    told = surroundings(world, action_space=actions)
    first, second = two_batches(world, discrete=True, envs=8, steps=20, ends=0.02)
    apart = dataclasses.replace(first, truncated=first.truncated | (torch.arange(20) == 19)[:, None])
    settings = {"keys": "position"} if "keys" in SOURCES[name].config.model_fields else {}
    cut, whole = (make_source(name, small_config(name, **settings), told) for _ in range(2))
    whole.fit(first)
    cut.fit(apart)
    goes_on = not torch.equal(paid(whole, second)[second.mask], paid(cut, second)[second.mask])
    assert goes_on == whole.remembers

    learner = Learner(told.channels["obs"], actions, PPOConfig(hidden=(16,)), [Stream(whole)], 0)
    if not whole.remembers:
        assert learner.update(first, second)["played_steps"] == first.played_steps + second.played_steps
        return
    before = learner.state_dict()
    with pytest.raises(ValueError, match=f"'{name}' remembers episodes and takes one batch in an update, got 2"):
        learner.update(first, second)
    assert same(before, learner.state_dict())
    idle = dataclasses.replace(second, mask=torch.zeros_like(second.mask))
    assert learner.update(first, idle)["played_steps"] == first.played_steps


def test_names_are_unique():
    names = [make_source(name, None, surroundings("grid")).name for name in SOURCES]
    assert len(set(names)) == len(names)
