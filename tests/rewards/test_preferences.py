"""A reward from preferences: its likelihood, its ensemble, and whether it finds the reward behind the answers."""

import dataclasses
import math

import gymnasium
import numpy as np
import pytest
import torch
from opinions import Opinionated

from curiosity.source import Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.core.transitions import Transitions
from selfplay.label.pairs import Pairs
from selfplay.label.teachers import ScriptedTeacher, TeacherConfig
from selfplay.rewards.preference_config import PreferenceConfig
from selfplay.rewards.preference_model import bootstrap, bradley_terry
from selfplay.rewards.preferences import PreferenceReward, aggregate

WEIGHTS = torch.tensor([1.0, -0.5, 0.25, 0.0])
SMALL = {"width": 16, "members": 3}


def steps(count, horizon=5, seed=0, scale=1.0):
    """Segments [H, M] of random vectors; the task's reward is linear in them, and the second action pays .5."""
    stream = torch.Generator().manual_seed(seed)
    obs = torch.randn(horizon, count, 4, generator=stream)
    action = torch.randint(2, (horizon, count), generator=stream)
    none = torch.zeros(horizon, count, dtype=torch.bool)
    return Transitions(
        obs=obs * scale,
        action=action,
        log_prob=torch.zeros(horizon, count),
        value=torch.zeros(horizon, count, 0),
        next_obs=obs.roll(-1, 0) * scale,
        terminated=none,
        truncated=none | (torch.arange(horizon) == horizon - 1)[:, None],
        task_reward=obs @ WEIGHTS + 0.5 * action,
        mask=~none,
    )


def compared(count=400, segments=200, held_out=0.25, seed=0, scale=1.0, **teacher):
    """Pairs that a scripted teacher has answered, and the teacher."""
    batch = steps(segments, seed=seed, scale=scale)
    sets = torch.stack([torch.randperm(segments, generator=torch.Generator().manual_seed(n))[:2] for n in range(count)])
    script = ScriptedTeacher("script", TeacherConfig(**teacher), seed)
    value = {"left": 1.0, "right": 0.0, "equal": 0.5}
    target = torch.tensor([value[answer] for answer in script.answer(batch, sets)])
    unseen = torch.arange(count) < held_out * count
    return Pairs(batch, sets[:, 0], sets[:, 1], target, torch.arange(count), unseen), script


def source_of(seed=0, kind=PreferenceReward, **settings):
    space = gymnasium.spaces.Box(-np.inf, np.inf, (4,))
    told = Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), encoder_for, seed)
    return kind(PreferenceConfig(**{**SMALL, **settings}), told)


def correlation(one, other):
    return torch.corrcoef(torch.stack([one.flatten().double(), other.flatten().double()]))[0, 1].item()


@pytest.fixture(scope="module")
def fitted():
    """A source fitted to noisy answers, what it was fitted to, its teacher, and the metrics."""
    pairs, script = compared(count=800, beta=2.0, mistake=0.05)
    source = source_of()
    sets = torch.stack([pairs.left, pairs.right], -1)[pairs.held_out]
    metrics = source.fit_pairs(pairs, script.ceiling(pairs.steps, sets).best)
    return source, pairs, script, metrics


def test_it_has_no_opinion_before_it_is_told_one():
    batch = steps(6)
    source = source_of()
    assert not source.reward(batch).any()
    assert not source.returns(batch).any()


def test_worked_likelihood():
    """Per step .1 .3 .5 .7 .9 (2.5) against .2 .2 .3 .3 .4 (1.4): P = .75026, -ln P = .28734."""
    left, right = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]), torch.tensor([0.2, 0.2, 0.3, 0.3, 0.4])

    def loss(target, shift=0.0):
        return bradley_terry((left + shift).sum(), (right + shift).sum(), torch.tensor(target)).item()

    assert math.exp(-loss(1.0)) == pytest.approx(0.75026, abs=1e-5)
    assert loss(1.0) == pytest.approx(0.28734, abs=1e-5)
    assert loss(0.0) == pytest.approx(1.38734, abs=1e-5)  # 1.1 more
    assert loss(0.5) == pytest.approx((0.28734 + 1.38734) / 2, abs=1e-5)
    assert loss(1.0, shift=7.0) == pytest.approx(loss(1.0), abs=1e-5)


def test_worked_aggregates():
    """Models say 1, 2, 6 of one step and 4, 4, 4 of another; σ² = (4 + 1 + 9) / 3."""
    rewards = torch.tensor([[1.0, 4.0], [2.0, 4.0], [6.0, 4.0]])
    assert aggregate(rewards, "mean", 1.0).tolist() == [3, 4]
    assert aggregate(rewards, "min", 1.0).tolist() == [1, 4]
    assert aggregate(rewards, "lower", 0.5).tolist() == pytest.approx([3 - 0.5 * math.sqrt(14 / 3), 4])


def test_a_bootstrap_never_parts_a_group():
    """Groups of 1, 2 and 3 comparisons, in many members: all of a group alike, as many draws as groups, mean 1 each."""
    group = torch.tensor([5, 9, 9, 7, 7, 7])
    counts = bootstrap(group, 3000, torch.Generator().manual_seed(0))
    firsts = counts[:, [0, 1, 3]]
    assert torch.equal(counts, firsts[:, [0, 1, 1, 2, 2, 2]])
    assert torch.equal(firsts.sum(-1), torch.full((3000,), 3.0))
    assert (firsts.mean(0) - 1).abs().max() < 4.5 * math.sqrt(2 / 3 / 3000)  # variance of one of three: 3 · ⅓ · ⅔
    missed = (firsts == 0).float().mean()  # (2/3)³
    assert abs(missed.item() - 8 / 27) < 0.02


def test_it_finds_a_linear_reward_behind_noisy_answers(fitted):
    """Up to a shift and a scale, on steps of segments that nobody was asked about."""
    source, _, _, metrics = fitted
    fresh = steps(300, seed=7)
    assert correlation(source.reward(fresh), fresh.task_reward) > 0.95
    assert metrics["heldout_accuracy"] <= metrics["heldout_ceiling"] + 0.06
    assert metrics["heldout_of_ceiling"] > 0.9
    assert metrics["heldout_pairs"] == 200
    assert metrics["train_pairs"] == 600
    assert metrics["heldout_loss"] < 0.6 < math.log(2)


def test_held_out_answers_change_nothing_but_what_is_said_of_them(fitted):
    source, pairs, _, metrics = fitted
    turned = torch.where(pairs.held_out, 1 - pairs.target, pairs.target)
    other = source_of()
    found = other.fit_pairs(dataclasses.replace(pairs, target=turned))
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in source.state_dict().items())
    assert found["heldout_accuracy"] == pytest.approx(1 - metrics["heldout_accuracy"])
    assert found["train_accuracy"] == metrics["train_accuracy"]


def test_what_it_says_of_pairs_is_what_its_returns_say(fitted):
    """Accuracy and loss once more, in NumPy, from each model's own sums over steps."""
    source, pairs, _, metrics = fitted
    sums = source.returns(pairs.steps).double().numpy()
    left, right, target = (tensor[pairs.held_out].numpy() for tensor in (pairs.left, pairs.right, pairs.target))
    chance = (1 / (1 + np.exp(sums[:, right] - sums[:, left]))).mean(0)
    assert metrics["heldout_accuracy"] == pytest.approx(np.mean((chance > 0.5) == (target > 0.5)))
    loss = -np.mean(target * np.log(chance) + (1 - target) * np.log(1 - chance))
    assert metrics["heldout_loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["heldout_of_ceiling"] == metrics["heldout_accuracy"] / metrics["heldout_ceiling"]


def test_a_fit_depends_on_comparisons_settings_and_seed_alone():
    pairs, _ = compared(count=60, segments=40)
    source, other = source_of(epochs=3), source_of(epochs=3)
    other.fit_pairs(compared(count=30, segments=20, seed=5)[0])  # an earlier fit leaves no trace
    before = torch.get_rng_state()
    assert source.fit_pairs(pairs) == other.fit_pairs(pairs)
    assert torch.equal(before, torch.get_rng_state())
    states = [one.state_dict() for one in (source, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    unlike = source_of(seed=1, epochs=3)
    unlike.fit_pairs(pairs)
    assert not torch.equal(unlike.reward(pairs.steps), source.reward(pairs.steps))
    resumed = source_of(seed=2, epochs=3)
    resumed.load_state_dict(source.state_dict())
    assert torch.equal(resumed.reward(pairs.steps), source.reward(pairs.steps))


@pytest.mark.parametrize("how", ["mean", "min", "lower"])
def test_it_is_normalised_on_reference_states(fitted, how):
    source = source_of(aggregate=how)
    source.load_state_dict(fitted[0].state_dict())
    reference = steps(50, seed=3, scale=2.0)
    source.normalise(reference)
    paid = source.reward(reference).double()
    assert paid.mean().item() == pytest.approx(0, abs=1e-5)
    assert paid.var(unbiased=False).item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="nothing was played"):
        source.normalise(dataclasses.replace(reference, mask=torch.zeros_like(reference.mask)))


def test_no_models_constant_decides_what_is_paid(fitted):
    """A constant of its own is added to every model's reward, which no comparison can see."""
    source, pairs = source_of(aggregate="min"), fitted[1]
    source.load_state_dict(fitted[0].state_dict())
    source.normalise(pairs.steps)
    before, chances = source.reward(pairs.steps), source.evaluate(pairs)
    state = source.state_dict()
    state["models.head.bias_2"] += torch.tensor([[3.0], [-1.0], [0.5]])
    source.load_state_dict(state)
    source.normalise(pairs.steps)
    torch.testing.assert_close(source.reward(pairs.steps), before, atol=1e-4, rtol=0)
    assert source.evaluate(pairs)["loss"] == pytest.approx(chances["loss"], abs=1e-4)


def test_steps_outside_the_mask_count_nothing():
    """Rubbish in them too: they are as if the segment were shorter."""
    source = source_of(kind=Opinionated)
    whole, cut = steps(6), steps(6)
    gone = torch.arange(5)[:, None].expand(5, 6) >= 3
    hidden = dataclasses.replace(
        cut,
        mask=~gone,
        obs=cut.obs.masked_fill(gone[..., None], math.nan),
        next_obs=cut.next_obs.masked_fill(gone[..., None], math.nan),
        action=cut.action.masked_fill(gone, 99),
    )
    shorter = whole.each(lambda tensor: tensor[:3])
    torch.testing.assert_close(source.returns(hidden), source.returns(shorter))
    sums = source._raw(shorter).view(3, 3, 6).sum(1)
    torch.testing.assert_close(source.returns(shorter), sums)


def test_equal_answers_say_that_there_is_nothing_to_choose():
    pairs, _ = compared(count=100, segments=50, equal=1e9, held_out=0.0)
    assert set(pairs.target.tolist()) == {0.5}
    source = source_of(epochs=30)
    metrics = source.fit_pairs(pairs)
    assert "train_accuracy" not in metrics
    assert metrics["train_loss"] == pytest.approx(math.log(2), abs=0.02)


def test_it_stops_at_what_the_models_have_not_seen():
    """Coin tosses for answers: what is learnt of them is worth nothing. Without unseen ones it goes on to the end."""
    tossed, _ = compared(count=80, segments=160, beta=0.0)
    fast = {"epochs": 60, "patience": 2, "learning_rate": 0.01}
    early = source_of(**fast).fit_pairs(tossed)
    assert early["epochs"] < 20
    alone = dataclasses.replace(tossed, held_out=torch.zeros(80, dtype=torch.bool))
    late = source_of(**fast, bootstrap=False).fit_pairs(alone)
    assert late["epochs"] == 60
    assert "unseen_loss" not in late
    assert late["train_loss"] < early["train_loss"]
    stopped = source_of(**fast, bootstrap=False).fit_pairs(tossed)
    assert stopped["epochs"] < 60
    assert stopped["unseen_loss"] >= stopped["heldout_loss"] - 1e-6  # mean of losses ≥ loss of the mean chance


def test_weight_decay_keeps_weights_small():
    pairs, _ = compared(count=60, segments=40)
    sizes = []
    for decay in (0.0, 0.1):
        source = source_of(epochs=20, weight_decay=decay, learning_rate=0.01, bootstrap=False)
        source.fit_pairs(pairs)
        sizes.append(sum(parameter.square().sum().item() for parameter in source.models.parameters()))
    assert sizes[1] < 0.8 * sizes[0]


def test_what_it_looks_at_is_what_the_settings_say():
    batch = steps(8)
    acted = dataclasses.replace(batch, action=1 - batch.action)
    led = dataclasses.replace(batch, next_obs=batch.next_obs + 1)
    for settings, seen in (({}, acted), ({"action": False, "next_obs": True}, led)):
        source = source_of(kind=Opinionated, **settings)
        for other in (acted, led):
            assert torch.equal(source.returns(batch), source.returns(other)) == (other is not seen)


def test_the_units_of_vectors_do_not_matter():
    rewards = []
    for scale in (1.0, 300.0):
        pairs, _ = compared(count=60, segments=40, scale=scale)
        source = source_of(epochs=5)
        source.fit_pairs(pairs)
        rewards.append(source.reward(pairs.steps))
    torch.testing.assert_close(rewards[0], rewards[1], atol=1e-3, rtol=1e-3)


def test_a_fit_that_cannot_be_changes_nothing():
    pairs, _ = compared(count=40, segments=20)
    source = source_of(epochs=2)
    before = source.state_dict()
    with pytest.raises(ValueError, match="all of 40 comparisons are held out"):
        source.fit_pairs(dataclasses.replace(pairs, held_out=torch.ones(40, dtype=torch.bool)))
    broken = dataclasses.replace(pairs.steps, obs=torch.full_like(pairs.steps.obs, math.nan))
    with pytest.raises(FloatingPointError, match="loss nan in epoch 1"):
        source.fit_pairs(dataclasses.replace(pairs, steps=broken))
    with pytest.raises(ValueError, match="a ceiling is an accuracy"):
        source.fit_pairs(pairs, ceiling=0.0)
    after = source.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
