"""The reward from preferences keeps to the contract of all sources, but that it learns nothing from what is played."""

import pytest
import test_bonus_contract as contract
from curiosity_worlds import made_up, paid, same, surroundings

from curiosity.catalogue import SOURCES, SourceEntry
from curiosity.source import RewardSource
from selfplay.rewards.preference_config import PreferenceConfig

NAME = "preferences"
ENTRY = SourceEntry("what is preferred", PreferenceConfig, "opinions:Opinionated")
SHARED = [
    contract.test_steps_that_were_not_played_mean_nothing,
    contract.test_it_goes_on_from_a_saved_state_bit_for_bit,
    contract.test_a_state_that_does_not_fit_is_refused,
    contract.test_the_seed_decides_and_the_global_stream_is_left_alone,
    contract.test_a_channel_that_is_not_there_is_refused,
    contract.test_it_pays_for_the_channel_it_reads,
    contract.test_it_takes_another_number_of_environments,
    contract.test_a_batch_in_which_nothing_was_played_pays_and_teaches_nothing,
    contract.test_a_learner_learns_from_it_and_goes_on,
    contract.test_a_source_that_remembers_episodes_takes_one_batch_in_an_update,
]


@pytest.fixture(autouse=True)
def listed(monkeypatch):
    """As if it stood in the catalogue, where the contract's tests look for it."""
    monkeypatch.setitem(SOURCES, NAME, ENTRY)
    monkeypatch.setitem(contract.SMALL, "next_obs", True)


@pytest.mark.parametrize("world", contract.WORLDS)
@pytest.mark.parametrize("check", SHARED, ids=lambda check: check.__name__.removeprefix("test_"))
def test_contract(check, world):
    check(NAME, world)


@pytest.mark.parametrize("world", contract.WORLDS)
def test_it_pays_finite_numbers_and_playing_teaches_it_nothing(world):
    source, batch = ENTRY.build(PreferenceConfig(width=8, members=3), surroundings(world)), made_up(world)
    assert isinstance(source, RewardSource)
    before, reward = source.state_dict(), paid(source, batch)
    assert reward[batch.mask].isfinite().all()
    assert reward.shape == batch.mask.shape
    assert not reward.requires_grad
    assert source.fit(batch) == {}
    assert same(before, source.state_dict())
