"""What every vectorised environment must do, whatever its family: `check_vector_env`, in Gymnasium's own terms."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate

Make = Callable[[int, AutoresetMode], VectorEnv]


def check_vector_env(make: Make, mode: AutoresetMode, steps: int, num_envs: int = 5) -> int:
    """Drive environments through `steps` steps and check the contract. Returns how many episodes ended.

    make(num_envs, mode) gives a fresh environment; its episodes should be short. AssertionError at the first breach.
    """
    worlds, twin, other = (make(num_envs, mode) for _ in range(3))
    _spaces(worlds, num_envs, mode)
    seeds = [7, *range(100, 100 + num_envs - 1)]
    first, info = worlds.reset(seed=7)
    same, _ = twin.reset(seed=7)
    assert isinstance(info, dict)
    assert worlds.observation_space.contains(first)
    assert_same(first, same)
    assert not equal(first, other.reset(seed=8)[0]) or _fixed(worlds)

    worlds.action_space.seed(3)
    ends = 0
    over = np.zeros(num_envs, bool)
    plain = make(num_envs, AutoresetMode.DISABLED)  # its observations at an end are the true last ones
    if mode is AutoresetMode.SAME_STEP:
        plain.reset(seed=7)
    for _ in range(steps):
        actions = worlds.action_space.sample()
        found, again = worlds.step(actions), twin.step(actions)
        for left, right in zip(found[:4], again[:4], strict=True):
            assert_same(left, right)
        observation, reward, terminated, truncated, info = found
        assert worlds.observation_space.contains(observation)
        assert (reward.shape, terminated.shape, truncated.shape) == ((num_envs,),) * 3
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (np.float64, np.bool_, np.bool_)
        done = terminated | truncated
        ends += int(done.sum())
        if mode is AutoresetMode.NEXT_STEP:
            assert not (done | (reward != 0))[over].any(), "the step after an end only resets"
        if mode is AutoresetMode.SAME_STEP:
            _final_observations(worlds, done, info, plain.step(actions)[0])
            if done.any():
                plain.reset(options={"reset_mask": done})
        else:
            assert "final_obs" not in info
        over = done
        if mode is AutoresetMode.DISABLED and done.any():
            for one in (worlds, twin):
                before = observation
                after, _ = one.reset(options={"reset_mask": done})
                kept = [n for n in range(num_envs) if not done[n]]
                rows = list(iterate(worlds.observation_space, before)), list(iterate(worlds.observation_space, after))
                assert all(equal(rows[0][n], rows[1][n]) for n in kept), "reset_mask leaves the others alone"
    alone = make(1, mode)
    assert_same(
        next(iter(iterate(alone.observation_space, alone.reset(seed=[seeds[1]])[0]))),
        list(iterate(worlds.observation_space, worlds.reset(seed=seeds)[0]))[1],
    )
    _snapshots(worlds, twin)
    _misuse(make, mode, worlds)
    for one in (twin, other, alone, plain):
        one.close()
    return ends


def _spaces(worlds: VectorEnv, num_envs: int, mode: AutoresetMode) -> None:
    assert worlds.num_envs == num_envs
    assert worlds.metadata["autoreset_mode"] is mode
    assert worlds.observation_space == batch_space(worlds.single_observation_space, num_envs)
    assert worlds.action_space == batch_space(worlds.single_action_space, num_envs)


def _final_observations(worlds: VectorEnv, done: np.ndarray, info: dict, last: object) -> None:
    if not done.any():
        assert "final_obs" not in info
        return
    np.testing.assert_array_equal(info["_final_obs"], done)
    np.testing.assert_array_equal(info["_final_info"], done)
    true = list(iterate(worlds.observation_space, last))
    for n, observation in enumerate(info["final_obs"]):
        assert (observation is not None) == done[n]
        if done[n]:
            assert_same(observation, true[n])
            assert worlds.single_observation_space.contains(observation)


def _snapshots(worlds: VectorEnv, twin: VectorEnv) -> None:
    """A snapshot goes on bit for bit, in the environments it was taken of and in others, random streams included."""
    worlds.reset(seed=5)
    kept = worlds.snapshot()
    shown = worlds.observe()
    script = [worlds.action_space.sample() for _ in range(3)]
    first = _until_an_end(worlds, script)
    again = worlds.reset()[0]
    for one in (worlds, twin):
        one.restore(kept)
        assert_same(one.observe(), shown)
        for left, right in zip(_until_an_end(one, script), first, strict=True):
            for mine, theirs in zip(left[:4], right[:4], strict=True):
                assert_same(mine, theirs)
        assert_same(one.reset()[0], again)


def _until_an_end(worlds: VectorEnv, script: list) -> list:
    found = []
    for actions in script:
        found.append(worlds.step(actions))
        if (found[-1][2] | found[-1][3]).any():
            break
    return found


def _misuse(make: Make, mode: AutoresetMode, used: VectorEnv) -> None:
    fresh = make(2, mode)
    refuses(gym.error.ResetNeeded, lambda: fresh.step(fresh.action_space.sample()))
    fresh.reset(seed=0)
    refuses(ValueError, lambda: fresh.step(np.concatenate([fresh.action_space.sample()] * 2)))
    refuses(ValueError, lambda: fresh.reset(options={"reset_mask": np.zeros(2, bool)}))
    fresh.close()
    used.close()
    used.close()
    refuses(gym.error.ClosedEnvironmentError, used.reset)
    refuses(gym.error.ClosedEnvironmentError, lambda: used.step(used.action_space.sample()))


def refuses(error: type[Exception], call: Callable[[], object]) -> None:
    """AssertionError unless `call` raises `error`."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"expected {error.__name__}")


def _fixed(worlds: VectorEnv) -> bool:
    """Whether every world starts alike whatever the seed (no randomness in its levels)."""
    rows = list(iterate(worlds.observation_space, worlds.reset(seed=9)[0]))
    fixed = all(equal(row, rows[0]) for row in rows)
    worlds.reset(seed=7)
    return fixed


def equal(left, right) -> bool:
    """Whether two observations (arrays, numbers, texts, dictionaries of them) are equal."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(np.array_equal(left, right))


def assert_same(left, right) -> None:
    """AssertionError unless `equal`."""
    assert equal(left, right), f"{left} != {right}"
