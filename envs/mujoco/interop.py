"""From Gymnasium's MuJoCo environments to ours, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from envs.mujoco.library import mujoco
from envs.mujoco.state import MujocoState
from envs.mujoco.vector_env import MujocoVectorEnv
from envs.mujoco.worlds import MIRRORS

_MAKES = (TimeLimit, OrderEnforcing, PassiveEnvChecker)


def from_gymnasium(envs: Sequence[gym.Env], threads: int | None = None) -> MujocoVectorEnv:
    """The batched environments in exactly the states of `envs`, made by `gymnasium.make` and reset.

    They may be in the middle of an episode, but must be of one id, with one time limit and no arguments. Autoreset is
    DISABLED. Random streams start unseeded: Gymnasium's generators cannot be carried over.

    ValueError, one line, for what cannot be carried over exactly.
    """
    if not isinstance(envs, Sequence):
        raise ValueError(f"envs is a {type(envs).__name__}, expected a list of environments")
    if not envs:
        raise ValueError("the list of environments is empty, expected at least one")
    forms = [_form(env, n) for n, env in enumerate(envs)]
    for n, form in enumerate(forms):
        if form != forms[0]:
            raise ValueError(f"environment {n} is {form}, environment 0 is {forms[0]}: expected one kind")
    name, limit = forms[0]
    ours = MujocoVectorEnv(name, len(envs), limit, AutoresetMode.DISABLED, threads=threads)
    state = ours.snapshot()
    for n, env in enumerate(envs):
        _load(ours, env, state, n)
    ours.restore(state)
    return ours


def _form(env: gym.Env, n: int) -> tuple[str, int | None]:
    """The id and the time limit of `env`, if there is a mirror of it."""
    if not isinstance(env, gym.Env):
        raise ValueError(f"environment {n} is a {type(env).__name__}, expected one that gymnasium.make made")
    spec = env.spec
    if spec is None or not isinstance(env.unwrapped, MujocoEnv) or spec.id not in MIRRORS:
        called = type(env.unwrapped).__name__ if spec is None else spec.id
        raise ValueError(f"environment {n} is {called}, expected one of {', '.join(MIRRORS)}")
    changed = sorted(set(spec.kwargs) - {"render_mode"})
    if changed:
        raise ValueError(f"environment {n} was made with {changed[0]}, expected {spec.id} without arguments")
    if wrapper := _foreign_wrapper(env):
        raise ValueError(f"environment {n} is wrapped in {wrapper}, expected nothing around it but what gymnasium.make "
                         "puts there")  # fmt: skip
    if not spec.order_enforce or not env.get_wrapper_attr("has_reset"):
        raise ValueError(f"environment {n} was not reset")
    return spec.id, spec.max_episode_steps


def _foreign_wrapper(env: gym.Env) -> str | None:
    """The outermost wrapper that `gymnasium.make` did not put there: what it does cannot be carried over."""
    known = set(_MAKES)
    while isinstance(env, gym.Wrapper):
        if type(env) not in known:
            return f"a second {type(env).__name__}" if type(env) in _MAKES else type(env).__name__
        known.remove(type(env))
        env = env.env
    return None


def _load(ours: MujocoVectorEnv, env: gym.Env, state: MujocoState, n: int) -> None:
    """Write the state of `env` into environment n of `state`."""
    engine, plain = ours.engine, env.unwrapped
    assert isinstance(plain, MujocoEnv)
    mujoco.mj_getState(plain.model, plain.data, state.physics[n], mujoco.mjtState.mjSTATE_INTEGRATION)
    readings = [_rows(plain, reading.field, reading.body) for reading in engine.world.reads.values()]
    state.readings[n] = np.concatenate(readings) if readings else []
    state.steps[n] = elapsed(env)


def _rows(plain: Any, field: str, body: str | None) -> np.ndarray:
    rows = getattr(plain.data, field)
    return (rows[1:] if body is None else rows[plain.model.body(body).id]).ravel()


def elapsed(env: gym.Env) -> int:
    """Steps since `env`'s reset, as its TimeLimit has counted them; 0 without one."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            return int(env._elapsed_steps or 0)
        env = env.env
    return 0
