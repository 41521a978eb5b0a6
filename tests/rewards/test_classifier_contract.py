"""The goal classifier keeps to the contract of all sources."""

import pytest
import test_bonus_contract as contract
import torch
from curiosity_worlds import made_up, paid, same, surroundings

from curiosity.catalogue import SOURCES, SourceEntry
from selfplay.rewards.classifier import GoalClassifier
from selfplay.rewards.taught_config import ClassifierConfig

NAME = "classifier"
ENTRY = SourceEntry("examples of success", ClassifierConfig, "told:Told")
SHARED = [
    contract.test_it_pays_finite_numbers_and_leaves_no_trace,
    contract.test_steps_that_were_not_played_mean_nothing,
    contract.test_it_goes_on_from_a_saved_state_bit_for_bit,
    contract.test_a_state_that_does_not_fit_is_refused,
    contract.test_a_state_that_is_refused_changes_nothing,
    contract.test_the_seed_decides_and_the_global_stream_is_left_alone,
    contract.test_a_channel_that_is_not_there_is_refused,
    contract.test_it_pays_for_the_channel_it_reads,
    contract.test_a_batch_in_which_nothing_was_played_pays_and_teaches_nothing,
    contract.test_a_learner_learns_from_it_and_goes_on,
    contract.test_a_source_that_remembers_episodes_takes_one_batch_in_an_update,
]
SMALL = {"first_steps": 3, "refit_steps": 2, "minibatch_size": 8, "width": 8, "memory": 40}


@pytest.fixture(autouse=True)
def listed(monkeypatch):
    """As if it stood in the catalogue, where the contract's tests look for it."""
    monkeypatch.setitem(SOURCES, NAME, ENTRY)
    monkeypatch.setattr(contract, "SMALL", SMALL)


@pytest.mark.parametrize("world", contract.WORLDS)
@pytest.mark.parametrize("check", SHARED, ids=lambda check: check.__name__.removeprefix("test_"))
def test_contract(check, world):
    check(NAME, world)


@pytest.mark.parametrize("settings", [{"adversarial": False}, {"members": 3}, {"balanced": False}, {"every": 2}])
@pytest.mark.parametrize("world", contract.WORLDS)
def test_every_variant_goes_on_from_a_saved_state_bit_for_bit(world, settings):
    config = ClassifierConfig(**SMALL, **settings)
    unbroken = ENTRY.build(config, surroundings(world))
    first, second = contract.two_batches(world)
    before = unbroken.state_dict()
    unbroken.fit(first)
    trained = {key for key, tensor in unbroken.state_dict().items() if not torch.equal(tensor, before[key])}
    still = not config.adversarial or config.every == 2
    assert any(key.startswith("members.head") for key in trained) != still
    resumed = GoalClassifier(config, surroundings(world, seed=9))  # untaught: all of it is in the state
    resumed.load_state_dict(unbroken.state_dict())
    assert torch.equal(paid(unbroken, second), paid(resumed, second))
    assert unbroken.fit(second) == resumed.fit(second)
    assert same(unbroken.state_dict(), resumed.state_dict())


def test_before_it_was_taught_it_says_so():
    source = GoalClassifier(ClassifierConfig(), surroundings("grid"))
    with pytest.raises(ValueError, match="no examples of success, expected teach"):
        source.reward(made_up("grid"))
