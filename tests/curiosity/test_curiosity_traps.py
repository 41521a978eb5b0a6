"""The eight traps seen in well-known code, each a test; trap 1 is also in `test_bonus_contract` for every source."""

import dataclasses
import importlib
import random

import gymnasium
import numpy as np
import pytest
import torch
from curiosity_worlds import made_up, paid, same, surroundings

from curiosity.catalogue import SOURCES, make_source
from curiosity.config import ICMConfig, RNDConfig
from curiosity.icm import ICM
from curiosity.rnd import RND
from selfplay.core.advantages import estimate
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward


def learner_with(source, weight, told, **settings):
    streams = [Stream(TaskReward()), Stream(source, weight, 0.9, **settings)]
    return Learner(told.channels["obs"], told.action_space, PPOConfig(hidden=(16,)), streams, 0)


def test_trap_1_the_bonus_reaches_the_policy_gradient():
    """Weight 0 is as if the bonus were not there; more moves the policy elsewhere, however it was normalised."""
    told, batch, heads = surroundings("grid"), made_up("grid", envs=16, streams=2), []
    for weight in (0.0, 0.5, 2.0):
        learner = learner_with(RND(RNDConfig(), told), weight, told)
        learner.update(batch)
        heads.append(learner.policy.policy_head.weight.detach().clone())
    assert not torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


@pytest.mark.parametrize("name", SOURCES)
def test_trap_2_the_successor_is_not_the_first_state_after_a_reset(name):
    """What follows an end is another episode's: it changes nothing about the step that ended, its successor does."""
    told, batch = surroundings("vectors"), made_up("vectors", all_played=True, ends=0.0)
    ended = torch.zeros_like(batch.truncated)
    ended[3, 1] = True
    batch = dataclasses.replace(batch, truncated=ended)
    source = make_source(name, None, told)
    source.fit(batch)
    after_reset, successor = batch.obs.clone(), batch.next_obs.clone()
    after_reset[4, 1] += 0.3
    successor[3, 1] += 0.3
    moved, other = dataclasses.replace(batch, obs=after_reset), dataclasses.replace(batch, next_obs=successor)
    assert torch.equal(paid(source, moved)[:4], paid(source, batch)[:4])
    if name == "disagreement":  # it pays before it sees the successor, and learns from it
        twin = make_source(name, None, told)
        twin.load_state_dict(source.state_dict())
        twin.fit(batch)
        source.fit(other)
        assert not same(source.state_dict(), twin.state_dict())
    else:
        assert paid(source, other)[3, 1] != paid(source, batch)[3, 1]


@pytest.mark.parametrize("name", ["icm", "ama", "disagreement"])
def test_trap_3_the_forward_loss_does_not_train_the_encoder(name):
    settings = {} if name == "icm" else {"features": "inverse"}
    told, batch = surroundings("grid"), made_up("grid")
    source = make_source(name, SOURCES[name].config(**settings), told)
    source.inverse_weight = 0.0  # what is left is the forward loss
    before = source.state_dict()
    source.fit(batch)
    after = source.state_dict()
    learnt = {key for key in before if key.startswith("net.") and not torch.equal(before[key], after[key])}
    assert learnt == {key for key in before if key.startswith("net.predictor.")}


def test_trap_3_features_do_not_collapse():
    source = ICM(ICMConfig(learning_rate=3e-3, beta=0.9, epochs=4, minibatch_size=64), surroundings("grid"))
    batch = made_up("grid", steps=16, envs=16, all_played=True)
    spread = source.features(batch.obs.flatten(0, 1)).std(0).mean()
    for _ in range(30):
        source.fit(batch)
    assert source.features(batch.obs.flatten(0, 1)).std(0).mean() > spread / 2


def test_trap_4_the_rescaling_filters_over_time_for_each_environment():
    told, batch = surroundings("grid"), made_up("grid", steps=5, envs=2, all_played=True, streams=2)
    source = RND(RNDConfig(), told)
    reward = paid(source, batch).double().numpy()
    learner = learner_with(source, 1.0, told, rescale=True)
    learner.update(batch)
    first = [reward[0, 0]]  # R ← .9 R + r, along time, through episode ends
    second = [reward[0, 1]]
    for t in range(1, 5):
        first.append(0.9 * first[-1] + reward[t, 0])
        second.append(0.9 * second[-1] + reward[t, 1])
    mean_square = learner.state_dict()["scale.rnd.moments"]
    assert (mean_square[2] / mean_square[0]).item() == pytest.approx(np.var(first + second), rel=1e-5)


def test_trap_5_truncation_is_not_termination():
    """A constant reward of 1 and γ = .9: the value 1/(1 − γ) = 10 has advantage 0 where an episode is cut or, for a

    stream that is not episodic, ends; for an episodic one termination makes it 1 − 10 = −9.
    """
    steps, envs = 4, 3
    batch = made_up("grid", steps=steps, envs=envs, all_played=True, ends=0.0)
    ends = torch.zeros(steps, envs, dtype=torch.bool)
    cut, died = ends.clone(), ends.clone()
    cut[1, 0] = died[1, 1] = True
    batch = dataclasses.replace(batch, truncated=cut, terminated=died)
    ones, tens = torch.ones(steps, envs, 2), torch.full((steps, envs, 2), 10.0)
    found = estimate(
        batch, ones, tens, lambda where: tens[where], torch.tensor([0.9, 0.9]), torch.tensor([True, False]), 0.95
    )
    assert found[1, :, 0].tolist() == pytest.approx([0, -9, 0], abs=1e-5)
    assert found[1, :, 1].tolist() == pytest.approx([0, 0, 0], abs=1e-5)


def test_trap_6_two_processes_with_one_seed_agree(run_python):
    code = """
import gymnasium, numpy, torch
from curiosity import Surroundings
from curiosity.catalogue import SOURCES, make_source
space, out = gymnasium.spaces.Box(-1, 1, (3,)), []
told = Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), lambda s, h: torch.nn.Linear(3, h), 7)
class Steps: pass
steps, rng = Steps(), numpy.random.default_rng(0)
rows = torch.from_numpy(rng.normal(size=(6, 4, 3))).float()
steps.obs, steps.next_obs, steps.action = rows[:-1], rows[1:], torch.from_numpy(rng.integers(0, 2, (5, 4)))
steps.channel = lambda name: (type("Rows", (), {"now": rows[:-1], "next": rows[1:]}))
steps.mask = torch.ones(5, 4, dtype=torch.bool)
steps.terminated = steps.truncated = ~steps.mask
for name in SOURCES:
    source = make_source(name, None, told)
    source.fit(steps)
    out.append(source.reward(steps).double().sum().item())
print(out)
"""
    first, second = run_python(code).stdout, run_python(code).stdout
    assert first == second
    assert len(eval(first)) == len(SOURCES)


def test_trap_7_rnd_trains_on_the_state_it_pays_for():
    told, batch = surroundings("vectors"), made_up("vectors", all_played=True, ends=1.0)  # s and s' share nothing
    elsewhere = batch.obs + 0.4
    one, other, third = (RND(RNDConfig(), told) for _ in range(3))
    one.fit(batch)
    other.fit(dataclasses.replace(batch, obs=elsewhere))
    third.fit(dataclasses.replace(batch, next_obs=batch.next_obs + 0.4))
    assert same(one.state_dict(), other.state_dict())
    assert not same(one.state_dict(), third.state_dict())


@pytest.fixture
def unusual():
    """A number of threads and random streams that a constructor cannot leave behind by chance."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(2)  # on one, nobody could tell whether their number was put back
        torch.manual_seed(4711)
        yield
    torch.set_num_threads(threads)


def globally():
    """What belongs to the whole process: settings and random streams."""
    settings = torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()
    return settings, torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


@pytest.mark.usefixtures("unusual")
@pytest.mark.parametrize("world", ["grid", "vectors"])
@pytest.mark.parametrize("name", SOURCES)
def test_trap_8_constructing_draws_no_sample_and_touches_nothing(name, world, monkeypatch):
    def acted(*args, **kwargs):
        raise AssertionError("a constructor acted")

    told = surroundings(world, action_space=gymnasium.spaces.Discrete(3))
    importlib.import_module(SOURCES[name].where.split(":")[0])  # reads a file
    for space in (*told.channels.values(), told.action_space):
        monkeypatch.setattr(space, "sample", acted)
    for where in ("builtins.open", "io.open", "os.open", "os.mkdir"):
        monkeypatch.setattr(where, acted)
    before = globally()
    source = make_source(name, None, told)
    assert globally() == before
    seen = {key: value for key, value in source.state_dict().items() if key.endswith(("steps", ".count", ".counts"))}
    assert seen
    assert not any(value.any() for value in seen.values())  # no step was learnt from, whitened by or counted
