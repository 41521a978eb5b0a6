"""A reward designed by hand: its arithmetic, its names, and that it has no state."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from curiosity_worlds import made_up
from pydantic import ValidationError

from curiosity.source import RewardSource, Rows, Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.rewards.features import FeatureReward
from selfplay.rewards.taught_config import FeatureConfig, parse_weights

WALKER = ("forward=2", "upright=1", "contacts=0.5")


def told(**channels):
    spaces = {name: gymnasium.spaces.Box(-np.inf, np.inf, (1,)) for name in channels}
    spaces["obs"] = gymnasium.spaces.Box(-np.inf, np.inf, (5,))
    return Surroundings(spaces, gymnasium.spaces.Discrete(4), encoder_for, 0)


def measured(**channels):
    """One world whose features after its steps are these; before them they are something else."""
    batch = made_up("vectors", steps=len(next(iter(channels.values()))), envs=1, all_played=True)
    columns = {name: torch.tensor(numbers)[:, None, None] for name, numbers in channels.items()}
    return dataclasses.replace(batch, channels={name: Rows(now + 99, now) for name, now in columns.items()})


def test_the_walker_that_falls_forward():
    """2 · v + 1 · upright + ½ · contacts: falling at 5 m/s, standing on two feet, walking at 1.2 m/s on two."""
    channels = {"forward": [5.0, 0.0, 1.2], "upright": [0.0, 1.0, 1.0], "contacts": [0.0, 2.0, 2.0]}
    source = FeatureReward(FeatureConfig(weights=WALKER), told(**channels))
    assert isinstance(source, RewardSource)
    batch = measured(**channels)
    np.testing.assert_allclose(source.reward(batch)[:, 0], [10.0, 2.0, 4.4], rtol=1e-6)
    assert source.fit(batch) == pytest.approx({"forward": 6.2 / 3, "upright": 2 / 3, "contacts": 4 / 3})
    unplayed = dataclasses.replace(batch, mask=torch.tensor([[True], [False], [True]]))
    np.testing.assert_allclose(source.reward(unplayed)[:, 0], [10.0, 0.0, 4.4], rtol=1e-6)
    idle = dataclasses.replace(batch, mask=torch.zeros(3, 1, dtype=torch.bool))
    assert not source.reward(idle).any()
    assert source.fit(idle) == {}
    assert source.state_dict() == {}
    source.load_state_dict({})
    with pytest.raises(ValueError, match="features has no state"):
        source.load_state_dict({"w": torch.zeros(1)})


def test_tokens_are_the_numbers_they_are():
    space = gymnasium.spaces.MultiDiscrete([20])
    surroundings = dataclasses.replace(told(), channels={"obs": space, "goal_distance": space})
    source = FeatureReward(FeatureConfig(weights=("goal_distance=-0.5",)), surroundings)
    batch = measured(goal_distance=[0, 7])
    batch = dataclasses.replace(
        batch, channels={"goal_distance": Rows(*(r.byte() for r in batch.channels["goal_distance"]))}
    )
    assert source.reward(batch)[:, 0].tolist() == [0.0, -3.5]


def test_what_it_looks_at_are_the_features_that_have_weights():
    assert FeatureConfig(weights=WALKER).channels() == {"forward", "upright", "contacts"}
    assert list(parse_weights(("b=1", "a=-2e-1"))) == ["b", "a"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (("forward",), "'forward' is no weight, expected NAME=NUMBER such as forward=2"),
        (("forward=fast",), "'forward=fast' is no weight"),
        (("forward=nan",), "is no weight"),
        (("=2",), "'=2' is no weight"),
        (("forward=1", "forward=2"), "'forward' is given twice, as 1 and as 2"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights, message):
    with pytest.raises(ValidationError, match=message):
        FeatureConfig(weights=weights)


def test_without_weights_or_with_a_feature_that_is_not_there_it_cannot_be():
    with pytest.raises(ValueError, match=r"nothing has a weight, expected taught\.features\.weights=NAME=NUMBER"):
        FeatureReward(FeatureConfig(), told())
    with pytest.raises(ValueError, match=r"features reads 'forwrd', .* did you mean 'forward'"):
        FeatureReward(FeatureConfig(weights=("forwrd=1",)), told(forward=[0.0]))
