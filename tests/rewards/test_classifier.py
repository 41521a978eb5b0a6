"""The goal classifier: its optimum, its batches, its pay, its memory, and how it is fooled."""

import dataclasses
import math

import gymnasium
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from curiosity.source import Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.core.transitions import Transitions
from selfplay.rewards.classifier import GoalClassifier, strictest
from selfplay.rewards.classifier_memory import Examples, Reservoir
from selfplay.rewards.taught_config import ClassifierConfig

STATES = 4  # one token, 1 to 4; 0 means nothing here


def source_of(**settings):
    space = gymnasium.spaces.MultiDiscrete([STATES + 1])
    told = Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), encoder_for, 0)
    return GoalClassifier(ClassifierConfig(**settings), told)


def rows(*states):
    return torch.tensor(states, dtype=torch.uint8)[:, None]


def visits(*states, terminated=(), reward=0.0):
    """One world that steps through `states`; at the places in `terminated` an episode ends with `reward`."""
    after = rows(*states)[:, None]
    ends = torch.tensor([place in terminated for place in range(len(states))])[:, None]
    return Transitions(
        obs=after.roll(1, 0), action=torch.zeros(len(states), 1, dtype=torch.int64),
        log_prob=torch.zeros(len(states), 1),
        value=torch.zeros(len(states), 1, 0), next_obs=after, terminated=ends, truncated=torch.zeros_like(ends),
        task_reward=ends * reward, mask=torch.ones_like(ends),
    )  # fmt: skip


def believed(source, *states):
    """C of each of `states`."""
    return source._logits(rows(*states)).sigmoid().tolist()


@pytest.mark.parametrize(("n", "members"), [(1, 1), (9, 1), (99, 1), (9, 5), (50, 3)])
def test_the_best_fake_of_n_unseen_states(n, members):
    """Each scored uniformly by each of K members, the least counts: n / (n + 1) for one member, below for more."""
    stream = torch.Generator().manual_seed(n)
    scores = torch.rand(members, 4000 * n, generator=stream, dtype=torch.float64)
    best = strictest(scores.logit()).sigmoid().view(4000, n).amax(1)
    expected = 1 - math.exp(math.lgamma(n + 1) + math.lgamma(1 + 1 / members) - math.lgamma(n + 1 + 1 / members))
    if members == 1:
        assert expected == pytest.approx(n / (n + 1))
    assert best.mean().item() == pytest.approx(expected, abs=4.5 * best.std().item() / math.sqrt(4000))


FIT = {"minibatch_size": 512, "first_steps": 1, "refit_steps": 150, "learning_rate": 0.01, "memory": 1000}


@pytest.mark.parametrize(
    ("success", "share", "optimum"),
    [
        ((1,), 0.5, 2 / 3),  # p⁺ = 1, p⁻ = ½: 1 / 1.5
        ((1,), 0.9, 1 / 1.9),  # and never below ½, for no state is visited more often than always
        ((1, 2), 0.9, 0.5 / 1.4),  # s⁺ is half of what was shown and nine tenths of what is visited: below ½
    ],
)
def test_worked_optimum(success, share, optimum):
    """D*(s⁺) = p⁺ / (p⁺ + p⁻), where s⁺ = 1 takes `share` of the visits and state 3 the rest."""
    source = source_of(**FIT)
    visited = [1] * round(share * 20) + [3] * round((1 - share) * 20)
    source.teach(Examples(rows(*success * 500), rows(*visited)))
    source.fit(visits(*visited))
    found = believed(source, 1, 3)
    assert found[0] == pytest.approx(optimum, abs=0.05)
    assert found[1] < 0.03


def test_unbalanced_it_learns_how_many_there_are():
    """15 known successes (5 more are held out) against 60 visits, half of them to s⁺: 15 / (15 + 30)."""
    source = source_of(**FIT, balanced=False)
    visited = [1, 3] * 15
    source.teach(Examples(rows(*[1] * 20), rows(*visited)))
    source.fit(visits(*visited))
    assert believed(source, 1)[0] == pytest.approx(15 / 45, abs=0.03)


def test_batches_are_counted():
    source = source_of(minibatch_size=64, members=3, first_steps=1)
    source.teach(Examples(rows(*[1] * 8), rows(*[2] * 1000)))
    drawn, target = source.minibatch(rows(3, 4))
    assert drawn.shape == (3, 64, 1)
    assert target.sum(1).tolist() == [32, 32, 32]
    assert torch.equal(drawn[..., 0] == 1, target == 1)
    assert (drawn == 2).sum((1, 2)).tolist() == [16, 16, 16]  # half of the failures from memory, half from the present
    assert not torch.equal(drawn[0], drawn[1])
    drawn, target = source.minibatch(rows())
    assert (drawn == 2).sum((1, 2)).tolist() == [32, 32, 32]
    source.config = source.config.model_copy(update={"balanced": False})
    drawn, target = source.minibatch(rows(*[3] * 1000))
    assert target.mean().item() < 0.05  # six of 2,006
    assert torch.equal(drawn[..., 0] == 1, target == 1)


def test_vice_pays_logits_and_lectures_probabilities():
    settings = {"first_steps": 50, "absorbing": False}
    sources = [source_of(pays=pays, **settings) for pays in ("probability", "logit")]
    batch = visits(1, 2, 3)
    for source in sources:
        source.teach(Examples(rows(*[1] * 8), rows(*[2] * 8)))
    chance, logit = (source.reward(batch)[:, 0].numpy() for source in sources)
    np.testing.assert_allclose(np.log(chance / (1 - chance)), logit, atol=1e-4)
    assert logit[0] > 0 > logit[1]


def test_an_end_is_paid_as_if_it_lasted():
    """1 + γ + γ² + … = 1 / (1 - γ) = 4 for γ = ¾; only what terminated lasts."""
    plain, lasting = (source_of(first_steps=20, gamma=0.75, absorbing=absorbing) for absorbing in (False, True))
    batch = visits(2, 1, 3, terminated=(1,))
    for source in (plain, lasting):
        source.teach(Examples(rows(*[1] * 8), rows(*[2] * 8)))
    torch.testing.assert_close(lasting.reward(batch), plain.reward(batch) * torch.tensor([[1.0], [4.0], [1.0]]))
    with pytest.raises(ValidationError, match="expected gamma < 1"):
        ClassifierConfig(gamma=1.0)


def test_an_ensemble_pays_its_strictest_member():
    source = source_of(members=4, first_steps=2, absorbing=False, pays="logit")
    source.teach(Examples(rows(*[1] * 8), rows(*[2] * 8)))
    each = source.members(rows(1, 2, 3, 4)).detach().numpy()
    assert len({tuple(one) for one in each}) == 4
    np.testing.assert_array_equal(source.reward(visits(1, 2, 3, 4))[:, 0].numpy(), each.min(0))


def test_what_is_measured():
    """Successes 1 and 2 are known; the player finds 1 and stays at 3. The held-out ones shall be 2s, unlearnt."""
    source = source_of(first_steps=300, adversarial=False)
    source.teach(Examples(rows(*[1] * 8), rows(*[3] * 8)))
    assert (source.memory.held_out == 1).all()
    assert len(source.memory.held_out) == 2
    source.memory.held_out = rows(2, 2)
    with torch.no_grad():
        source.members.encoders[0].table[2] = source.members.encoders[0].table[3]  # it takes 2 for 3
    found = source.fit(visits(3, 3, 1, 3, terminated=(2,), reward=1.0))
    assert found["missed"] == 1
    assert found["missed_visited"] == 0
    assert found["accuracy"] == pytest.approx((0 + 3 / 4) / 2)
    one, three = believed(source, 1, 3)
    assert found["confidence"] == pytest.approx((3 * three + one) / 4, rel=1e-5)
    assert found["loss"] == pytest.approx(
        (-math.log(three) - (3 * math.log1p(-three) + math.log1p(-one)) / 4) / 2, rel=1e-3
    )
    lost = source.fit(visits(3, 3, terminated=(1,), reward=1.0))
    assert lost["missed_visited"] == 1  # a true success that looks like 3
    assert source.fit(visits(3, 3))["missed_visited"] == 1  # none in this batch: the last that was known


def test_the_memory_is_a_fair_sample_of_all_that_was_visited():
    """Of 400 rows in lots of 50 each is kept with a chance of a tenth, whenever it came."""
    kept = torch.zeros(400)
    for seed in range(300):
        memory = Reservoir(torch.zeros(0, 1, dtype=torch.int64), 40)
        generator = torch.Generator().manual_seed(seed)
        for lot in torch.arange(400)[:, None].split(50):
            memory.add(lot, generator)
        assert len(memory.rows.unique()) == 40
        kept[memory.rows[:, 0]] += 1
    by_lot = kept.view(8, 50).sum(1) / (300 * 50)
    assert (by_lot - 0.1).abs().max() < 4.5 * math.sqrt(0.1 * 0.9 / (300 * 50))


def test_it_refits_every_so_often():
    source = source_of(first_steps=1, every=3)
    source.teach(Examples(rows(*[1] * 8), rows(*[2] * 8)))
    steps = []
    for _ in range(7):
        source.fit(visits(3, 4))
        steps.append(source.trainer.adam.steps)
    assert steps == [1, 1, 17, 17, 17, 33, 33]
    assert source.memory.visited.seen == 8 + 14


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        (Examples(rows(), rows(1)), "examples of success must be torch.uint8"),
        (Examples(rows(1), rows()), "examples of failure"),
        (Examples(rows(1).float(), rows(1)), "got torch.float32"),
        (Examples(rows(1).expand(-1, 2), rows(1)), r"got torch.uint8 \[1, 2\]"),
    ],
)
def test_examples_that_do_not_fit_are_refused(examples, told):
    source = source_of()
    with pytest.raises(ValueError, match=told):
        source.teach(examples)
    assert not source.taught


def test_it_is_taught_once():
    source = source_of(first_steps=1)
    examples = Examples(rows(*[1] * 8), rows(2))
    source.teach(examples)
    with pytest.raises(ValueError, match="taught already"):
        source.teach(examples)


def test_against_the_player_a_fake_does_not_last():
    """State 4 was never seen. Frozen, its score stays what it was, whoever goes there; adversarial, it falls."""
    scores = {}
    for adversarial in (False, True):
        source = source_of(adversarial=adversarial, first_steps=100)
        source.teach(Examples(rows(*[1] * 8), rows(*[2] * 8)))
        first = believed(source, 4)[0]
        for _ in range(20):
            source.fit(visits(4, 4, 4, 4))
        scores[adversarial] = first, believed(source, 4)[0], believed(source, 1)[0]
    assert scores[False][0] == scores[False][1]
    assert scores[True][1] < 0.1 < 0.9 < scores[True][2]
    assert scores[True][0] == scores[False][0]


def test_steps_that_end_in_success_are_as_the_task_says():
    """Where the world does not say that an end with a reward is a success nothing is claimed of one."""
    source = source_of(first_steps=1)
    source.teach(Examples(rows(*[1] * 8), rows(2), succeeds=False))
    batch = visits(3, terminated=(0,), reward=1.0)
    assert "missed_visited" not in source.fit(dataclasses.replace(batch))


def test_nothing_is_said_of_true_successes_before_there_was_one():
    """No success missed is not the same as no success: the share is left out, also after a checkpoint was taken up."""
    source, other = source_of(first_steps=1), source_of(first_steps=1)
    source.teach(Examples(rows(*[1] * 8), rows(2)))
    assert "missed_visited" not in source.fit(visits(3, 3))
    other.load_state_dict(source.state_dict())
    assert "missed_visited" not in other.fit(visits(3, 3))
    assert "missed_visited" in other.fit(visits(3, 3, terminated=(1,), reward=1.0))
