"""Playing: a world and an actor fill a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import gymnasium
import numpy as np
import torch
from torch import Tensor

from curiosity.source import Rows
from selfplay.core.acting import Act, Actor
from selfplay.core.transitions import NO_STATE, Transitions


class World(Protocol):
    """N environments stepped together, without Gymnasium's copies. The spaces are those of one environment.

    Observations are uint8 tokens [N, P] (space MultiDiscrete [P]) or float32 vectors [N, D] (space Box [D]). A row may
    hold more, for reward sources only: `columns` names its parts. "obs" is what the player sees and comes first.
    "shown", where it is there, is what sources take for what the player sees.

    succeeds: whether an episode that terminates with a positive reward is a success; elsewhere there is no such thing.
    """

    num_envs: int
    succeeds: bool

    @property
    def observation_space(self) -> gymnasium.Space: ...

    @property
    def action_space(self) -> gymnasium.Space: ...

    @property
    def columns(self) -> Mapping[str, slice]: ...

    def reset(self, seed: int | None) -> np.ndarray:
        """Begin a new episode in every environment; the first rows [N, W]. None: go on with the streams."""
        ...

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all environments with action int64 [N] or float32 [N, A] and begin new episodes where one ended.

        Writes the true successors to next_obs_out [N, W], what to act on next to obs_out [N, W] (the first observation
        of the new episode where one ended, else the successor), float64 [N], bool [N] and bool [N]. Nothing that is
        written to is kept.
        """
        ...


@dataclass(frozen=True)
class EpisodeStats:
    """The E episodes that ended in a rollout, in the order they ended.

    returns: float64 [E], undiscounted sums of the task reward. lengths: int64 [E], steps. successes: bool [E], ended by
    termination with a positive reward on the last step; None in worlds without success.
    """

    returns: np.ndarray
    lengths: np.ndarray
    successes: np.ndarray | None


class Rollout:
    """Buffers for T steps of a world's N environments, allocated once, and the state of the episodes under way.

    num_steps: T. streams: K, the actor's value heads. memory: H, the numbers the actor's policy remembers.
    pinned: page-locked buffers, which a GPU reads and writes by itself. `start` before the first `collect`.
    """

    def __init__(self, world: World, num_steps: int, streams: int, memory: int = 0, pinned: bool = False) -> None:
        if num_steps < 1:
            raise ValueError(f"rollout: num_steps must be at least 1, got {num_steps}")
        steps, envs = num_steps, world.num_envs
        space = world.observation_space
        if isinstance(space, gymnasium.spaces.MultiDiscrete) and space.nvec.ndim == 1:
            dtype = torch.uint8
        elif isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
            dtype = torch.float32
        else:
            raise ValueError(f"rollout: observation space must be a flat MultiDiscrete or a flat Box, got {space}")
        discrete = isinstance(world.action_space, gymnasium.spaces.Discrete)
        if not discrete and not (isinstance(world.action_space, gymnasium.spaces.Box) and world.action_space.shape):
            raise ValueError(f"rollout: action space must be Discrete or a flat Box, got {world.action_space}")
        self.num_steps = steps
        zeros = partial(torch.zeros, pin_memory=pinned)
        self.columns = dict(world.columns)
        width, self.row_width = space.shape[0], max(part.stop for part in self.columns.values())
        if self.columns["obs"] != slice(0, width):
            raise ValueError(f"rollout: a row must begin with {width} columns 'obs', got {self.columns['obs']}")
        self.obs = zeros(steps + 1, envs, width, dtype=dtype)
        self.next_obs = zeros(steps, envs, width, dtype=dtype)
        wide = self.row_width > width
        self.rows = zeros(steps + 1, envs, self.row_width, dtype=dtype) if wide else self.obs
        self.next_rows = zeros(steps, envs, self.row_width, dtype=dtype) if wide else self.next_obs
        act_shape = world.action_space.shape or ()
        self.action = zeros(steps, envs, *act_shape, dtype=torch.int64 if discrete else torch.float32)
        self.log_prob = zeros(steps, envs)
        self.value = zeros(steps, envs, streams)
        self.reward = np.zeros((steps, envs))
        self.terminated = zeros(steps, envs, dtype=torch.bool)
        self.truncated = zeros(steps, envs, dtype=torch.bool)
        self.mask = zeros(steps, envs, dtype=torch.bool).fill_(True)
        self.state = zeros(steps + 1, envs, memory)
        self.episode_return = np.zeros(envs)
        self.episode_length = np.zeros(envs, np.int64)
        self.started = False

    def start(self, world: World, seed: int | None) -> None:
        """Reset the world; its first observations are acted on next."""
        self.rows[-1] = torch.from_numpy(world.reset(seed))
        self.state[-1] = 0
        self.episode_return[:] = 0
        self.episode_length[:] = 0
        self.started = True

    def state_dict(self) -> dict[str, Tensor]:
        """The episodes under way: the rows to act on, obs [N, W], episode_return [N], episode_length [N].

        With a memory also state [N, H], what is remembered of them.
        """
        state = {
            "obs": self.rows[-1].clone(),
            "episode_return": torch.from_numpy(self.episode_return.copy()),
            "episode_length": torch.from_numpy(self.episode_length.copy()),
        }
        return state | {"state": self.state[-1].clone()} if self.state.shape[2] else state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave, without a reset; `ValueError` if it does not fit."""
        here = self.state_dict()
        if state.keys() != here.keys():
            raise ValueError(f"rollout state: expected {sorted(here)}, got {sorted(state)}")
        for key, tensor in here.items():
            if state[key].shape != tensor.shape or state[key].dtype != tensor.dtype:
                raise ValueError(
                    f"rollout state: {key!r} must be {tensor.dtype} {list(tensor.shape)}, "
                    f"got {state[key].dtype} {list(state[key].shape)}"
                )
        self.rows[-1] = state["obs"]
        self.episode_return[:] = state["episode_return"].numpy()
        self.episode_length[:] = state["episode_length"].numpy()
        if "state" in state:
            self.state[-1] = state["state"]
        self.started = True


def _channels(rollout: Rollout) -> dict[str, Rows]:
    """What a row holds beside the player's observation, before and after every step."""
    found, seen = {}, rollout.columns["obs"]
    for name, part in rollout.columns.items():
        if name == "obs" or (name == "shown" and part == seen):
            continue
        found["obs" if name == "shown" else name] = Rows(rollout.rows[:-1, :, part], rollout.next_rows[..., part])
    return found


def collect(world: World, actor: Actor, rollout: Rollout) -> tuple[Transitions, EpisodeStats]:
    """Play `rollout.num_steps` steps in every environment, going on where the last call stopped.

    The transitions are views of the rollout's buffers: use them before the next call.
    """
    if not rollout.started:
        raise ValueError("collect: the rollout was not started, call rollout.start(world, seed) first")
    r = rollout
    remembers = r.state.shape[2] > 0
    wide, width = r.rows is not r.obs, r.obs.shape[2]
    r.rows[0] = r.rows[-1]
    r.state[0] = r.state[-1]
    rows, next_rows = r.rows.numpy(), r.next_rows.numpy()
    terminated, truncated = r.terminated.numpy(), r.truncated.numpy()
    returns, lengths, successes = [], [], []
    for t in range(r.num_steps):
        after = r.state[t + 1] if remembers else NO_STATE
        if wide:
            r.obs[t] = r.rows[t, :, :width]
        actor.act(r.obs[t], r.state[t], out=Act(r.action[t], r.log_prob[t], r.value[t], after))
        world.step(actor.played(r.action[t]), next_rows[t], rows[t + 1], r.reward[t], terminated[t], truncated[t])
        r.episode_return += r.reward[t]
        r.episode_length += 1
        ended = np.flatnonzero(terminated[t] | truncated[t])
        if len(ended):
            returns.append(r.episode_return[ended])
            lengths.append(r.episode_length[ended])
            successes.append(terminated[t, ended] & (r.reward[t, ended] > 0))
            r.episode_return[ended] = 0
            r.episode_length[ended] = 0
            r.state[t + 1, ended] = 0
    if wide:
        r.next_obs.copy_(r.next_rows[..., :width])
    transitions = Transitions(
        obs=r.obs[:-1],
        action=r.action,
        log_prob=r.log_prob,
        value=r.value,
        next_obs=r.next_obs,
        terminated=r.terminated,
        truncated=r.truncated,
        task_reward=torch.from_numpy(r.reward).float(),
        mask=r.mask,
        state=r.state[:-1],
        channels=_channels(r),
        after=r.rows[-1, :, :width],
    )
    stats = EpisodeStats(
        np.concatenate([np.zeros(0), *returns]),
        np.concatenate([np.zeros(0, np.int64), *lengths]),
        np.concatenate([np.zeros(0, bool), *successes]) if world.succeeds else None,
    )
    return transitions, stats
