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


def half_noise(seed, lawful=True):
    """The first half of the numbers is a TV; the second half stays as it is, or else is turned round."""
    batch = noise(seed)
    now, after = batch.obs[0], batch.next_obs[0].clone()
    after[:, DIMENSIONS // 2 :] = now[:, DIMENSIONS // 2 :] if lawful else 1 - now[:, DIMENSIONS // 2 :]
    return steps_between(now, after)


def test_noise_holds_the_forward_bonus_but_not_ama():
    forward, ama = Forward(ForwardConfig(**FAST), told()), AMA(AMAConfig(**FAST), told())
    for seed in range(50):
        for source in (forward, ama):
            source.fit(half_noise(seed))
    usual, surprise = half_noise(99), half_noise(100, lawful=False)
    # whitened, the best guess leaves a variance of 1 in each number of the TV
    assert mean_pay(forward, usual) > DIMENSIONS / 2
    assert mean_pay(ama, usual) < 0.2 * mean_pay(forward, usual)
    assert mean_pay(ama, surprise) > 0.7 * mean_pay(forward, surprise)


@pytest.mark.parametrize("size", [150, 441])
def test_ama_pays_a_lawful_world_its_error(size):
    """Two known pictures of `size` tokens that stay as they are; then one token changes: a door opens."""
    space = gymnasium.spaces.MultiDiscrete([4] * size)
    ama = AMA(AMAConfig(**FAST), Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), encoder_for, 0))
    still = torch.tensor([[0], [1]], dtype=torch.uint8).repeat(128, size)
    for _ in range(60):
        ama.fit(steps_between(still, still))
    opened = still.clone()
    opened[:, 5] = 2  # tokens look like 0, 1/3, 2/3 and 1
    expected = ((2 / 3) ** 2 + (1 / 3) ** 2) / 2
    assert mean_pay(ama, steps_between(still, still)) < 0.01 * expected
    assert mean_pay(ama, steps_between(still, opened)) == pytest.approx(expected, rel=0.1)


def test_ama_overflows_neither_where_it_is_sure_nor_where_it_knows_nothing():
    ama = AMA(AMAConfig(**FAST), told())
    for sure in (-1e6, 1e6):
        with torch.no_grad():
            ama.predictor[-1].bias[DIMENSIONS:] = sure
        assert paid(ama, noise(0)).isfinite().all()
        assert np.isfinite(ama.fit(noise(0))["loss"])


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
