"""What the bonuses are for: novelty that fades, noise that is or is not seen through, counts that are exact."""

import gymnasium
import numpy as np
import pytest
import torch
from curiosity_worlds import paid, surroundings

from curiosity.ama import AMA
from curiosity.config import AMAConfig, CountsConfig, DisagreementConfig, ForwardConfig, RNDConfig
from curiosity.counts import Counts
from curiosity.disagreement import Disagreement
from curiosity.forward import Forward
from curiosity.rnd import RND
from curiosity.source import Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.core.transitions import Transitions

FAST = {"learning_rate": 3e-3, "minibatch_size": 64, "epochs": 4, "proportion": 1.0}
DIMENSIONS = 24


def steps_between(now, after, action=None):
    """Transitions of one step an episode, between states [B, D]."""
    count = len(now)
    yes = torch.ones(1, count, dtype=torch.bool)
    zeros = torch.zeros(1, count)
    action = torch.zeros(1, count, dtype=torch.int64) if action is None else action
    return Transitions(now[None], action, zeros, zeros[..., None], after[None], yes, ~yes, zeros, yes)


def told(seed=0):
    space = gymnasium.spaces.Box(-np.inf, np.inf, (DIMENSIONS,))
    return Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), encoder_for, seed)


def noise(seed, count=256):
    """A TV: what comes next has nothing to do with what was."""
    rng = np.random.default_rng(seed)
    now, after = rng.uniform(0, 1, (2, count, DIMENSIONS)).astype(np.float32)
    return steps_between(torch.from_numpy(now), torch.from_numpy(after))


def law(seed, count=256):
    """A part of the world that nobody has been to, where what comes next follows from what was."""
    rng = np.random.default_rng(seed)
    now = torch.from_numpy(rng.uniform(2, 3, (count, DIMENSIONS)).astype(np.float32))
    return steps_between(now, 5 - now)


def mean_pay(source, batch):
    return paid(source, batch).mean().item()


@pytest.mark.parametrize("kind", ["rnd", "forward"])
def test_novelty_fades_where_one_has_been(kind):
    states = noise(0, 64).obs[0]
    known = steps_between(states, states)  # states that follow themselves
    if kind == "rnd":
        source, unknown = RND(RNDConfig(**FAST), told()), law(1)
    else:
        source, unknown = Forward(ForwardConfig(**FAST), told()), steps_between(states, 1 - states)
    before, elsewhere = mean_pay(source, known), mean_pay(source, unknown)
    for _ in range(60):
        source.fit(known)
    assert mean_pay(source, known) < 0.2 * before
    assert mean_pay(source, unknown) > 0.3 * elsewhere


def trained_on_noise(source):
    for seed in range(40):
        source.fit(noise(seed))
    return source


def test_noise_holds_the_forward_bonus_but_not_ama():
    forward, ama = (
        make(config, told()) for make, config in ((Forward, ForwardConfig(**FAST)), (AMA, AMAConfig(**FAST)))
    )
    for source in (forward, ama):
        trained_on_noise(source)
    fresh = noise(99)
    # the best guess leaves the variance of a uniform number, 1/12, in each dimension
    assert mean_pay(forward, fresh) > DIMENSIONS / 12
    assert mean_pay(ama, fresh) < 0.2 * mean_pay(forward, fresh)
    assert mean_pay(ama, law(100)) > 10 * mean_pay(ama, fresh)


@pytest.mark.parametrize("features", ["random", "pixels"])
def test_disagreement_vanishes_on_noise(features):
    source = Disagreement(DisagreementConfig(features=features, **FAST), told())
    before = mean_pay(source, noise(99))
    trained_on_noise(source)
    assert mean_pay(source, noise(99)) < 0.2 * before


def test_counts_by_hand():
    # Two environments, three steps; the states after them are a b, a a, b a: visits 1 1, 2 3, 2 4.
    a, b = [1, 2, 1], [1, 0, 1]
    after = torch.tensor([[a, b], [a, a], [b, a]], dtype=torch.uint8)
    yes, zeros = torch.ones(3, 2, dtype=torch.bool), torch.zeros(3, 2)
    batch = Transitions(after, zeros.long(), zeros, zeros[..., None], after, ~yes, ~yes, zeros, yes)
    source = Counts(CountsConfig(), surroundings("grid"))
    expected = [1, 1, 2**-0.5, 3**-0.5, 2**-0.5, 4**-0.5]
    assert paid(source, batch).flatten().tolist() == pytest.approx(expected)
    assert source.fit(batch) == {"distinct": 2.0, "new_share": pytest.approx(2 / 6)}
    # then a has been met four times and b twice: a goes on with 5, 6, 7, 8 and b with 3, 4
    expected = [5**-0.5, 3**-0.5, 6**-0.5, 7**-0.5, 4**-0.5, 8**-0.5]
    assert paid(source, batch).flatten().tolist() == pytest.approx(expected)
    assert source.fit(batch)["new_share"] == 0
