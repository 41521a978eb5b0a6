"""How good a player is on fresh levels: the task, and goals nobody proposed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.ruler import STEPS, Ruler
from selfplay.core.learner import Learner
from selfplay.game.config import GameConfig
from selfplay.game.field import CurriculumField
from selfplay.game.rounds import Game
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


def pace_name(ruler: Ruler) -> str:
    """What `GoalScores.pace` is called in figures."""
    return "t_B_over_shortest" if ruler.in_steps else "steps_per_metre"


def pace_title(ruler: Ruler) -> str:
    """And in words."""
    return "detour (t_B / shortest)" if ruler.in_steps else f"pace (t_B in steps / metres of the {ruler.name})"


@dataclass(frozen=True)
class GoalScores:
    """Uniformly drawn reachable goals on N fresh levels: arrays over the worlds that have a goal besides their start.

    distance: to the goal, as `ruler` says.  solved: bool.  t_bob: int, environment steps taken.
    tolerance: how far from the goal is near enough, as `ruler` says.
    """

    distance: np.ndarray
    solved: np.ndarray
    t_bob: np.ndarray
    ruler: Ruler = STEPS
    tolerance: float = 0.0

    @property
    def success(self) -> float:
        """Share of goals reached within the game's t_max."""
        return float(self.solved.mean()) if len(self.solved) else float("nan")

    @property
    def pace(self) -> float:
        """Of solved goals. With distances in steps the mean of t_B / distance, 1 being optimal; else steps a metre.

        Those are all steps over all metres that there were to go, up to where it is near enough: a goal that is hardly
        farther away than that would have any number of them.
        """
        if not self.solved.any():
            return float("nan")
        steps, way = self.t_bob[self.solved], self.distance[self.solved] - self.tolerance
        return float((steps / way).mean() if self.ruler.in_steps else steps.sum() / way.sum())

    def summary(self) -> dict[str, Any]:
        """Success, pace, and both by distance."""
        return {
            "success": self.success,
            pace_name(self.ruler): self.pace,
            "distance": f"{self.ruler.name} ({self.ruler.unit})",
            "by_difficulty": self.by_difficulty(),
        }

    def by_difficulty(self) -> list[dict[str, Any]]:
        """Success and pace for goals by distance, cut at the ruler's edges; bins without a goal are left out.

        "from" and "to" belong to the bin where distances are whole steps; else "to" does not, and is None in the last.
        """
        rows, edges, whole = [], self.ruler.edges, self.ruler.in_steps
        for low, high in zip(edges, (*edges[1:], math.inf), strict=True):
            inside = (self.distance >= low) & (self.distance < high)
            if inside.any():
                part = replace(
                    self, distance=self.distance[inside], solved=self.solved[inside], t_bob=self.t_bob[inside]
                )
                to = None if math.isinf(high) else high - 1 if whole else high
                rows.append(
                    {"from": low, "to": to, "goals": int(inside.sum()), "success": part.success, "pace": part.pace}
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
    return GoalScores(distance[has_goal], turn.solved[has_goal], turn.steps[has_goal], field.ruler, field.tolerance)


def undoing(config: GameConfig) -> GameConfig:
    """The game in which Bob must undo what Alice did."""
    return config.model_copy(update={"mode": "reverse", "clone": 0.0})


def way_back(game: Game[CurriculumField], measurable: bool) -> dict[str, float]:
    """One round of `game` (see `undoing`): can what Alice does be undone, and does Bob know how?

    Of her goals that are not trivial: "returned", the share that Bob brings back to her start within his limit;
    "return_possible", the share for which there is a way at all, where `measurable` and distances are exact. Nothing
    without such a goal.
    """
    played, field = game.play(), game.field
    asked = np.flatnonzero(played.outcome.judged & ~played.outcome.trivial)
    if not len(asked):
        return {}
    found = {"returned": float(played.outcome.solved[asked].mean())}
    if measurable and field.ruler.exact:
        distance = field.difficulty(played.before_bob, played.desired, asked, game.config.goal)
        found["return_possible"] = float((distance >= 0).mean())
    return found
