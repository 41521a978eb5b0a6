"""Playing for the record: whole episodes of a policy, and Alice's turns as Bob would have to play them."""

from __future__ import annotations

from typing import Any

import numpy as np

from selfplay.core.collect import World
from selfplay.core.episodes import first_episodes
from selfplay.core.learner import Learner
from selfplay.game.config import GameConfig
from selfplay.game.field import PlayingField
from selfplay.game.rounds import demonstrate
from selfplay.game.turn import TurnPlayer
from selfplay.imitation.episodes import Episodes


class Recorded:
    """A world that remembers the first episode of each of its environments. What `World` says goes through."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.num_envs, self.succeeds, self.columns = world.num_envs, world.succeeds, world.columns
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self._sees = world.columns["obs"]
        self._rows, self._playing = np.zeros((0, 0)), np.arange(world.num_envs)
        self._steps: list[tuple[np.ndarray, ...]] = []
        self._last: list[tuple[np.ndarray, ...]] = []

    def reset(self, seed: int | None) -> np.ndarray:
        rows = self.world.reset(seed)
        self._rows, self._playing = rows[:, self._sees].copy(), np.arange(self.num_envs)
        self._steps, self._last = [], []
        return rows

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        self.world.step(action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out)
        here, ends = self._playing, terminated_out | truncated_out
        self._steps.append((here, self._rows[here], action[here], reward_out[here].astype(np.float32)))
        over = here[ends[here]]
        self._last.append((over, next_obs_out[over, self._sees], terminated_out[over], truncated_out[over]))
        self._rows, self._playing = obs_out[:, self._sees].copy(), here[~ends[here]]

    def episodes(self, about: dict[str, Any]) -> Episodes:
        """The first episodes, in the order of their environments, once they are all over."""
        of, obs, action, reward = (np.concatenate(column) for column in zip(*self._steps, strict=True))
        ended, last, terminated, truncated = (np.concatenate(column) for column in zip(*self._last, strict=True))
        steps, order = np.argsort(of, kind="stable"), np.argsort(ended)
        length = np.bincount(of, minlength=self.num_envs)
        paid = reward[steps][np.cumsum(length) - 1]  # by the last step
        success = terminated[order] & (paid > 0) if self.succeeds else None
        return Episodes(
            obs[steps], last[order], action[steps], reward[steps], length, terminated[order], truncated[order],
            success, about,
        )  # fmt: skip


def record_policy(
    world: World, learner: Learner, seed: int, about: dict[str, Any], deterministic: bool = False
) -> Episodes:
    """One episode of each environment of `world`, played by `learner`; all draws come from `seed`."""
    recorded = Recorded(world)
    with learner.aside(seed):
        first_episodes(recorded, learner, seed, deterministic)
    return recorded.episodes(about)


def record_alice(
    field: PlayingField, alice: Learner, game: GameConfig, seed: int, about: dict[str, Any], deterministic: bool = False
) -> Episodes:
    """One turn of Alice in each world of `field`, as demonstrations of the goals that she thereby sets.

    Each step is what Bob would have seen, with the state that she left the world in for his goal, and what she did; her
    STOP is no step of it (Alice behaviour cloning: OpenAI et al. 2021, arXiv 2101.04882). An episode is a success, and
    terminated, where she proposed the goal (said STOP where she may, and did not die). Turns without a step are left
    out.

    Raises `ValueError` where she takes no step at all.
    """
    everyone = np.arange(field.num_envs)
    field.generate(everyone)
    before, start = field.snapshot(), field.achieved()
    player = TurnPlayer(alice, field, game.alice_limit, game.stop)
    with alice.aside(seed):
        turn = player.play(
            everyone >= 0, start, np.full(len(everyone), game.alice_limit), check_goal=False,
            deterministic=deterministic,
        )  # fmt: skip
    end, ids = field.achieved(), np.flatnonzero(turn.steps > 0)
    seen = demonstrate(field, player.moves, before, turn, end, ids, 1.0)
    if seen is None:
        raise ValueError("Alice says STOP at once in every world, there is no step to be recorded")
    last = np.zeros((field.num_envs, *(field.observation_space.shape or ())), field.observation_space.dtype)
    field.observe(end, last, ids)  # the worlds have been left where she ended
    there = [ids[turn.steps[ids] > t] for t in range(int(turn.steps.max()))]  # in the order of `seen`
    time = np.repeat(np.arange(len(there)), [len(now) for now in there])
    of = np.concatenate(there)
    order = np.argsort(of, kind="stable")
    success = ((turn.stopped if game.stop else np.ones(len(everyone), bool)) & ~turn.died)[ids]
    return Episodes(
        seen.obs.numpy()[order], last[ids], turn.given[time, of][order], turn.task_reward[time, of][order],
        turn.steps[ids], success, ~success, success, about,
    )  # fmt: skip
