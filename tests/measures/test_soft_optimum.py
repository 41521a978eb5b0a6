"""The exact optimum on a leash: by hand, at its ends, and against what the engine itself plays."""

import math

import numpy as np
import pytest

from envs.errors import UnmeasurableError
from envs.grid.engine import GridEngine
from envs.grid.levels import level_spec
from envs.grid.oracle import shortest_to_reward
from envs.grid.tabular import TransitionTable, observations, tabulate
from envs.grid.tokens import TokenLayout
from selfplay.core.config import PPOConfig
from selfplay.measures.leash_gap import leash_gap
from selfplay.measures.soft_optimum import kl_divergence, policy_scores, soft_optimum

CHAIN = TransitionTable(
    next=np.array([[1, 0], [1, 1]]), reward=np.array([[0.0, 0.2], [1.0, 0.0]]),
    terminated=np.array([[False, True], [True, True]]), start=np.array([0]),
)  # fmt: skip
EVEN = np.full((2, 2), 0.5)


def one_level(name, seed=0):
    engine = GridEngine(level_spec(name), 1)
    engine.seed(seed)
    engine.generate()
    return engine.spec, engine.state.take(slice(None))


def lopsided(shape, seed=0):
    weights = np.random.default_rng(seed).random(shape) + 0.1
    return weights / weights.sum(-1, keepdims=True)


def test_a_chain_of_two_states_by_hand():
    """State 0: go on for 0, or end for .2. State 1: end for 1, or for 0. β 1, γ ½, an even reference.

    V(1) = ln(½e¹ + ½e⁰) = ln 1.859141 = .620115; V(0) = ln(½e^.310057 + ½e^.2) = ln 1.292453 = .256542.
    π(·|1) = e¹ / (e¹ + e⁰) = .731059; π(·|0) = ½e^.310057 / 1.292453 = .527487.
    """
    best = soft_optimum(CHAIN, EVEN, beta=1.0, gamma=0.5)
    np.testing.assert_allclose(best.value, [0.256542, 0.620115], atol=1e-6)
    np.testing.assert_allclose(best.policy[:, 0], [0.527487, 0.731059], atol=1e-6)
    assert best.objective == pytest.approx(0.256542, abs=1e-6)


def test_scores_of_a_policy_by_hand():
    """π(·|0) = (.8, .2), π(·|1) = (.9, .1) against an even reference, β 1, γ ½.

    KL(0) = .8 ln 1.6 + .2 ln .4 = .192745; KL(1) = .9 ln 1.8 + .1 ln .2 = .368064.
    Σ γ^t r = .2·.2 + .8·½·.9 = .4; Σ γ^t KL = .192745 + .8·½·.368064 = .339971; J = .060029.
    Σ r = .04 + .8·.9 = .76; Σ KL = .192745 + .8·.368064 = .487196; length 1 + .8 = 1.8.
    """
    scores = policy_scores(CHAIN, np.array([[0.8, 0.2], [0.9, 0.1]]), EVEN, beta=1.0, gamma=0.5)
    found = [scores.objective, scores.discounted_return, scores.episode_return, scores.kl_per_episode, scores.length]
    np.testing.assert_allclose(found, [0.060029, 0.4, 0.76, 0.487196, 1.8], atol=1e-6)


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("name", ["Empty-5x5-v0", "DoorKey-5x5-v0"])
def test_without_a_leash_the_shortest_way_is_taken(name, limited):
    """MiniGrid pays 1 - .9 · steps / limit; without a limit that is 1."""
    spec, level = one_level(name)
    table, _ = tabulate(spec, level, limited=limited)
    reference = lopsided(table.next.shape)
    (shortest,) = shortest_to_reward(level, rule=spec.rule)
    best = soft_optimum(table, reference, 0.0, 0.99)
    scores = policy_scores(table, best.policy, reference, 0.0, 0.99)
    pay = 1 - 0.9 * shortest / spec.max_steps if limited else 1.0
    assert scores.length == pytest.approx(shortest)
    assert best.objective == pytest.approx(0.99 ** (shortest - 1) * pay)
    close = soft_optimum(table, reference, 1e-4, 0.99)  # β → 0 comes to β = 0
    assert close.objective == pytest.approx(best.objective, abs=0.01)


@pytest.mark.parametrize("limited", [True, False])
def test_a_leash_of_no_length_is_the_reference(limited):
    spec, level = one_level("Empty-5x5-v0")
    table, _ = tabulate(spec, level, limited=limited)
    reference = lopsided(table.next.shape)
    kept = soft_optimum(table, reference, math.inf, 0.99)
    np.testing.assert_array_equal(kept.policy, np.broadcast_to(reference, kept.policy.shape))
    scores = policy_scores(table, reference, reference, math.inf, 0.99)
    assert scores.kl_per_episode == 0
    assert kept.objective == pytest.approx(scores.objective)
    tight = soft_optimum(table, reference, 1e3, 0.99)  # β → ∞ comes to β = ∞
    assert np.abs(tight.policy - reference).max() < 1e-3
    assert tight.objective == pytest.approx(kept.objective, abs=1e-3)


@pytest.mark.parametrize("limited", [True, False])
def test_the_optimum_earns_its_value_and_nothing_else_earns_more(limited):
    """The value by backups is the objective by policy evaluation; moving the policy either way costs."""
    spec, level = one_level("DoorKey-5x5-v0", seed=3)
    table, _ = tabulate(spec, level, limited=limited)
    reference, beta = lopsided(table.next.shape), 0.05
    best = soft_optimum(table, reference, beta, 0.98)
    assert policy_scores(table, best.policy, reference, beta, 0.98).objective == pytest.approx(best.objective)
    rng = np.random.default_rng(0)
    for size in (0.3, -0.3):
        moved = best.policy * np.exp(size * rng.normal(size=best.policy.shape))
        moved /= moved.sum(-1, keepdims=True)
        assert policy_scores(table, moved, reference, beta, 0.98).objective < best.objective - 1e-4
    for other in (0.02, 0.1):
        policy = soft_optimum(table, reference, other, 0.98).policy
        assert policy_scores(table, policy, reference, beta, 0.98).objective < best.objective


def test_the_engine_plays_what_the_table_says():
    """4,000 episodes of the optimum in the engine, to its own time limit: J and the KL within 4 standard errors."""
    spec, level = one_level("Empty-5x5-v0")
    table, states = tabulate(spec, level)
    layout = TokenLayout(spec, ("position", "direction"), 7)
    place = {row.tobytes(): s for s, row in enumerate(observations(spec, states, layout))}
    reference, beta, gamma, count = lopsided(table.next.shape), 0.3, 0.97, 4000
    best = soft_optimum(table, reference, beta, gamma)
    kl = kl_divergence(best.policy, reference)

    engine = GridEngine(spec, count, layout)
    engine.state.put(slice(None), level.take(np.zeros(count, int)))
    rng, rows = np.random.default_rng(1), np.empty((count, layout.width), np.uint8)
    total, spent, playing = np.zeros(count), np.zeros(count), np.ones(count, bool)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    for t in range(spec.max_steps):
        engine.write(rows)
        s = np.array([place.get(row.tobytes(), 0) for row in rows])
        spent += playing * kl[t, s]
        total -= playing * gamma**t * beta * kl[t, s]
        below = best.policy[t, s].cumsum(-1)
        engine.step((rng.random((count, 1)) * below[:, -1:] > below).sum(-1), reward, terminated, truncated)
        total += playing * gamma**t * reward
        playing &= ~(terminated | truncated)
    assert not playing.any()
    scores = policy_scores(table, best.policy, reference, beta, gamma)
    for sample, exact in ((total, scores.objective), (spent, scores.kl_per_episode)):
        assert abs(sample.mean() - exact) < 4 * sample.std() / math.sqrt(count)


def test_several_levels_are_one_table():
    """Two levels of DoorKey: their values are those of each by itself."""
    engine = GridEngine(level_spec("DoorKey-5x5-v0"), 2)
    engine.seed(5)
    engine.generate()
    levels = engine.state.take(slice(None))
    both, _ = tabulate(engine.spec, levels, limited=False)
    values = []
    for n in range(2):
        table, _ = tabulate(engine.spec, levels.take([n]), limited=False)
        values.append(soft_optimum(table, np.full(table.next.shape, 1 / 7), 0.1, 0.99).objective)
    best = soft_optimum(both, np.full(both.next.shape, 1 / 7), 0.1, 0.99)
    np.testing.assert_allclose(best.value[both.start], values, rtol=1e-9)


def test_a_world_of_chance_is_refused():
    spec, level = one_level("Dynamic-Obstacles-5x5-v0")
    with pytest.raises(UnmeasurableError, match="draw random numbers"):
        tabulate(spec, level)


def test_a_world_too_large_is_refused():
    spec, level = one_level("DoorKey-5x5-v0")
    with pytest.raises(UnmeasurableError, match="more than max_states = 50"):
        tabulate(spec, level, max_states=50)


def test_an_episode_without_an_end_has_no_length():
    loop = TransitionTable(np.zeros((1, 2), int), np.array([[1.0, 0.0]]), np.zeros((1, 2), bool), np.array([0]))
    even = np.full((1, 2), 0.5)
    best = soft_optimum(loop, even, 0.0, 0.9)
    scores = policy_scores(loop, best.policy, even, 0.0, 0.9)
    assert best.objective == pytest.approx(10)
    assert scores.objective == pytest.approx(10)
    assert math.isinf(scores.length)
    assert math.isnan(scores.kl_per_episode)
    with pytest.raises(ValueError, match="do not settle with gamma 1"):
        soft_optimum(loop, even, 0.0, 1.0)


def test_ppo_on_a_leash_comes_to_the_optimum():
    """Within 2 % of the exact optimum, and of what there was to be gained, in 80,000 steps of one small room.

    The shortest way, which is the best without a leash, falls short of it by more than a fifth.
    """
    spec, level = one_level("Empty-5x5-v0")
    config = PPOConfig(learning_rate=3e-3, lr_schedule="linear", epochs=4, minibatch_size=1024, entropy=0.0)
    gap = leash_gap(spec, 0.1, config, updates=40, num_envs=64, num_steps=32)
    assert gap.of_optimum < 0.02
    assert gap.of_gain < 0.02
    assert 1 < gap.learnt.kl_per_episode < 3
    table, _ = tabulate(spec, level, limited=False)
    free = soft_optimum(table, np.full(table.next.shape, 1 / 7), 0.0, 0.99).policy
    assert policy_scores(table, free, np.full(table.next.shape, 1 / 7), 0.1, 0.99).objective < 0.8 * gap.optimum
