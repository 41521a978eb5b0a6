"""Our mirrors beside Gymnasium's own environments: the same states and actions, whole episodes."""

from __future__ import annotations

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.mujoco import MujocoVectorEnv, from_gymnasium
from envs.mujoco.worlds import MIRRORS


def side_by_side(name: str, episodes: int, envs: int, seed: int) -> tuple[int, float, float]:
    """Both through `episodes` episodes begun by Gymnasium: how many terminated, and the largest differences seen."""
    theirs = [gym.make(name) for _ in range(envs)]
    for n, env in enumerate(theirs):
        env.reset(seed=1000 * seed + n)
    ours = from_gymnasium(theirs)
    rng = np.random.default_rng(seed)
    space = theirs[0].action_space
    scale = rng.uniform(0.05, 1.2, (envs, 1))  # gentle, as trained policies are, to beyond the bounds
    ended = terminations = 0
    seen = worst = 0.0
    while ended < episodes:
        actions = scale * rng.uniform(space.low, space.high, (envs, len(space.low)))
        actions = actions.astype(rng.choice([np.float32, np.float64]))
        observation, reward, terminated, truncated, _ = ours.step(actions)
        done = terminated | truncated
        for n, env in enumerate(theirs):
            expected = env.step(actions[n])
            assert (terminated[n], truncated[n]) == expected[2:4], (name, n)
            seen = max(seen, np.abs(observation[n] - expected[0]).max())
            worst = max(worst, abs(reward[n] - expected[1]))
            if done[n]:
                env.reset()
        ended += int(done.sum())
        terminations += int(terminated.sum())
        if done.any():
            ids = np.flatnonzero(done)
            ours.restore(from_gymnasium([theirs[n] for n in ids]).snapshot(), ids)
            scale[ids] = rng.uniform(0.05, 1.2, (len(ids), 1))
            for n in ids:
                np.testing.assert_array_equal(ours.observe([n])[0], theirs[n].unwrapped._get_obs())
    return terminations, seen, worst


ENDING = {"InvertedPendulum-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5"}
LONG = {"Swimmer-v5", "HalfCheetah-v5"}  # always 1,000 steps


@pytest.mark.parametrize("name", MIRRORS)
def test_observations_rewards_and_ends_are_gymnasiums(name):
    terminations, seen, worst = side_by_side(name, 2 if name in LONG else 5, 2, seed=1)
    assert (terminations > 0) == (name in ENDING)
    assert max(seen, worst) <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", MIRRORS)
def test_they_are_over_many_episodes(name):
    terminations, seen, worst = side_by_side(name, 24, 4, seed=2)
    assert (terminations > 0) == (name in ENDING)
    assert max(seen, worst) <= 1e-9


@pytest.mark.parametrize("name", MIRRORS)
def test_spaces_and_time_limits_are_gymnasiums(name):
    theirs, ours = gym.make(name), MujocoVectorEnv(name, 2)
    assert ours.single_observation_space == theirs.observation_space
    assert ours.single_action_space == theirs.action_space
    assert ours.max_steps == theirs.spec.max_episode_steps
    assert ours.engine.dt == theirs.unwrapped.dt
    short = MujocoVectorEnv(name, 2, dtype=np.float32)
    seen = [worlds.reset(seed=0)[0] for worlds in (ours, short)]
    assert short.single_observation_space.dtype == seen[1].dtype == np.float32
    np.testing.assert_array_equal(seen[0].astype(np.float32), seen[1])


@pytest.mark.parametrize("name", MIRRORS)
def test_episodes_start_as_gymnasiums_do(name):
    """Every number of position and velocity is distributed alike: quantiles and correlations of 4,000 starts each."""
    count = 4000
    ours = MujocoVectorEnv(name, count, autoreset_mode=AutoresetMode.DISABLED)
    ours.reset(seed=0)
    now = ours.engine.moment()
    mine = np.hstack([now.qpos, now.qvel])
    env = gym.make(name).unwrapped
    theirs = np.empty_like(mine)
    for n in range(count):
        env.reset(seed=n)
        theirs[n] = np.concatenate([env.data.qpos, env.data.qvel])
    assert (mine.std(axis=0) > 0).tolist() == (theirs.std(axis=0) > 0).tolist()
    still = mine.std(axis=0) == 0
    np.testing.assert_array_equal(mine[0, still], theirs[0, still])
    # The largest difference of two empirical distributions is above 1.95 √(2/n) with probability .001 (Smirnov, 1939),
    # and a correlation of nothing above 4.5/√n with less than 1e-5.
    for k in np.flatnonzero(~still):
        both = np.sort(np.concatenate([mine[:, k], theirs[:, k]]))
        apart = [np.searchsorted(np.sort(part[:, k]), both, side="right") / count for part in (mine, theirs)]
        assert np.abs(apart[0] - apart[1]).max() < 1.95 * np.sqrt(2 / count) + 0.005, k
        low, high = theirs[:, k].min(), theirs[:, k].max()
        if "Ant" not in name and "Cheetah" not in name:  # bounded noise: as far, no farther
            slack = 0.02 * (high - low)
            assert low - slack <= mine[:, k].min() <= low + slack
            assert high - slack <= mine[:, k].max() <= high + slack
    # Variances, all numbers together: a sample's has a relative deviation of at most √(2/n), that of normal noise.
    spread = mine[:, ~still].var(axis=0) / theirs[:, ~still].var(axis=0)
    assert abs(spread.mean() - 1) < 4.5 * np.sqrt(4 / count / len(spread))
    squares = np.hstack([mine[:, ~still], mine[:, ~still] ** 2]), np.hstack([theirs[:, ~still], theirs[:, ~still] ** 2])
    related = [np.corrcoef(part.T) for part in squares]
    assert np.abs(related[0] - related[1]).max() < 6.4 / np.sqrt(count)


@pytest.mark.parametrize("name", MIRRORS)
def test_from_our_own_starts_gymnasium_goes_the_same_way(name):
    ours = MujocoVectorEnv(name, 3, autoreset_mode=AutoresetMode.DISABLED)
    shown, _ = ours.reset(seed=1)
    now, space = ours.engine.moment(), ours.single_action_space
    rng = np.random.default_rng(0)
    for env, qpos, qvel, first in zip(
        3 * [gym.make(name).unwrapped], now.qpos.copy(), now.qvel.copy(), shown, strict=True
    ):
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos, qvel)
        np.testing.assert_array_equal(env._get_obs(), first)
    for _ in range(5):
        actions = rng.uniform(space.low, space.high, (3, len(space.low))).astype(np.float32)
        found, expected = ours.step(actions), env.step(actions[2])
        np.testing.assert_allclose(found[0][2], expected[0], rtol=0, atol=1e-9)
        assert found[1][2] == pytest.approx(expected[1], abs=1e-9)
        if found[2].any():
            break


def test_middle_of_an_episode():
    theirs = [gym.make("Ant-v5") for _ in range(3)]
    for n, env in enumerate(theirs):
        env.reset(seed=n)
        env.action_space.seed(n)
        for _ in range(5 * n):
            last = env.step(env.action_space.sample())
    ours = from_gymnasium(theirs)
    assert ours.state.steps.tolist() == [0, 5, 10]
    np.testing.assert_array_equal(ours.observe([2])[0], last[0])
    action = theirs[0].action_space.sample()
    found = ours.step(np.tile(action, (3, 1)))
    for n, env in enumerate(theirs):
        expected = env.step(action)
        np.testing.assert_array_equal(found[0][n], expected[0])
        assert found[1][n] == pytest.approx(expected[1], abs=1e-12)


def test_what_cannot_be_carried_over_is_said():
    hopper = gym.make("Hopper-v5")
    with pytest.raises(ValueError, match="environment 0 was not reset"):
        from_gymnasium([hopper])
    with pytest.raises(ValueError, match="list of environments is empty"):
        from_gymnasium([])
    hopper.reset(seed=0)
    other = gym.make("Hopper-v5", max_episode_steps=9)
    other.reset(seed=0)
    with pytest.raises(ValueError, match=r"environment 1 is .*9.*, environment 0 is .*1000"):
        from_gymnasium([hopper, other])
    changed = gym.make("Hopper-v5", ctrl_cost_weight=1.0)
    changed.reset(seed=0)
    with pytest.raises(ValueError, match="environment 1 was made with ctrl_cost_weight"):
        from_gymnasium([hopper, changed])
    foreign = gym.make("CartPole-v1")
    foreign.reset(seed=0)
    with pytest.raises(ValueError, match="environment 0 is CartPole-v1, expected one of InvertedPendulum-v5"):
        from_gymnasium([foreign])
    hopper.reset(seed=0)
    for wrapper in (
        gym.wrappers.RescaleAction(hopper, -1, 1), gym.wrappers.FlattenObservation(hopper), Wrapped(hopper),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"environment 1 is wrapped in {type(wrapper).__name__}, expected nothing"):
            from_gymnasium([hopper, wrapper])
    with pytest.raises(ValueError, match="environment 0 is wrapped in a second TimeLimit"):
        from_gymnasium([gym.wrappers.TimeLimit(hopper, 5)])
    with pytest.raises(ValueError, match=r"^envs is a OrderEnforcing|^envs is a TimeLimit"):
        from_gymnasium(hopper)
    with pytest.raises(ValueError, match=r"^envs is a SyncVectorEnv, expected a list of environments"):
        from_gymnasium(gym.make_vec("Hopper-v5", num_envs=2))
    with pytest.raises(ValueError, match=r"^environment 0 is a str"):
        from_gymnasium(["Hopper-v5"])


class Wrapped(gym.Wrapper):
    """Changes nothing, but who knows?"""
