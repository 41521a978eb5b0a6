"""How good a player is on fresh levels: the task, and goals nobody proposed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from selfplay.core.learner import Learner
from selfplay.game.config import GameConfig
from selfplay.game.turn import TurnPlayer


@dataclass(frozen=True)
class TaskScores:
    """The task on N fresh levels, one episode each: arrays over N."""

    finished: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray

    @property
    def success(self) -> float:
        """Share of episodes that completed the task."""
        return float(self.finished.mean())

    def summary(self) -> dict[str, float]:
        """Success, and mean return and length."""
        return {"success": self.success, "return": float(self.returns.mean()), "length": float(self.lengths.mean())}


@dataclass(frozen=True)
class GoalScores:
    """Uniformly drawn reachable goals on N fresh levels: arrays over the worlds that have a goal besides their start.

    distance: int, exact shortest path in environment steps.  solved: bool.  t_bob: int, environment steps taken.
    """

    distance: np.ndarray
    solved: np.ndarray
    t_bob: np.ndarray

    @property
    def success(self) -> float:
        """Share of goals reached within the game's t_max."""
        return float(self.solved.mean()) if len(self.solved) else float("nan")

    @property
    def excess(self) -> float:
        """Mean t_B / shortest over solved goals: 1 is optimal."""
        if not self.solved.any():
            return float("nan")
        return float((self.t_bob[self.solved] / self.distance[self.solved]).mean())

    def summary(self) -> dict[str, Any]:
        """Success, excess, and both by difficulty."""
        return {"success": self.success, "t_B_over_shortest": self.excess, "by_difficulty": self.by_difficulty()}

    def by_difficulty(self, edges=(1, 3, 6, 11, 21, 41, 81)) -> list[dict[str, Any]]:
        """Success and excess for goals with `low <= distance < high`; bins without a goal are left out."""
        rows = []
        for low, high in zip(edges, (*edges[1:], 10**9), strict=True):
            inside = (self.distance >= low) & (self.distance < high)
            if inside.any():
                part = GoalScores(self.distance[inside], self.solved[inside], self.t_bob[inside])
                rows.append(
                    {
                        "from": low,
                        "to": high - 1,
                        "goals": int(inside.sum()),
                        "success": part.success,
                        "excess": part.excess,
                    }
                )
        return rows


def task_scores(learner: Learner, field, deterministic: bool = False) -> TaskScores:
    """One episode of the task in each world of `field`, on fresh levels, with an empty goal."""
    everyone = np.arange(field.num_envs)
    field.generate(everyone)
    player = TurnPlayer(learner, field, field.max_steps)
    limits = np.full(field.num_envs, field.max_steps)
    turn = player.play(
        np.ones(field.num_envs, bool), None, limits, check_goal=False, end_on_task=True, deterministic=deterministic
    )
    return TaskScores(turn.finished, turn.task_return, turn.steps)


def goal_scores(
    bob: Learner, field, rng: np.random.Generator, config: GameConfig, deterministic: bool = False
) -> GoalScores:
    """Bob's success on goals drawn uniformly from all that can be reached from a fresh level's start.

    In reverse mode, too, Bob is asked to get from the start to the goal: this is the use a skill is put to.
    """
    everyone = np.arange(field.num_envs)
    field.generate(everyone)
    desired, distance = field.sample_goals(rng, config.goal)
    has_goal = distance > 0
    player = TurnPlayer(bob, field, config.t_max)
    limits = np.full(field.num_envs, config.t_max)
    turn = player.play(has_goal, desired, limits, check_goal=True, deterministic=deterministic)
    return GoalScores(distance[has_goal], turn.solved[has_goal], turn.steps[has_goal])
