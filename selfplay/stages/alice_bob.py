"""The stage of asymmetric self-play: two learners, one batch of worlds, rounds, and a share of the target task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from envs.errors import UnmeasurableError
from selfplay.board import Layout
from selfplay.core.learner import Learner
from selfplay.core.rng import rng_state, set_rng_state
from selfplay.core.streams import Stream
from selfplay.errors import warn
from selfplay.game import curriculum
from selfplay.game.alarms import alarms
from selfplay.game.config import MujocoGameConfig
from selfplay.game.field import CurriculumField
from selfplay.game.moves import Moves
from selfplay.game.past import Past
from selfplay.game.pictures import goal_heatmap, outcome_colours, round_frames
from selfplay.game.rounds import Game, Round, play_target
from selfplay.game.scores import goal_scores, pace_name, task_scores, undoing, way_back
from selfplay.game.turn import TurnPlayer
from selfplay.pictures import HOLD
from selfplay.rewards.streams import make_streams, surroundings
from selfplay.rewards.task import TaskReward
from selfplay.stages.alice_bob_charts import charts
from selfplay.stages.alice_bob_settings import AliceBobConfig, check_together
from selfplay.stages.base import Report, prefixed, under

_RECENT, _COVERING = 50, 10  # rounds whose goals are kept for pictures, and those in which ways are counted
_WAYS_BACK = 64  # worlds in which an evaluation looks at the way back
_SHOWN = 48  # frames of a turn that TensorBoard gets to see


class AliceBob:
    """Alice and Bob in the worlds of one level.

    make_field(num_envs, seed) gives its worlds. Alice says STOP or acts (`selfplay.game.moves`).
    """

    compared_by: tuple[str, ...] = ("eval/zero_shot", "curriculum/difficulty_q50", "curriculum/solved")

    def __init__(
        self, make_field: Callable[[int, int], CurriculumField], config: AliceBobConfig, seed: int, device: str = "cpu"
    ):
        self.config = config
        targets = round(config.game.target_share * config.num_envs)
        players = config.num_envs - targets
        if config.game.target_share > 0 and (targets == 0 or players == 0):
            raise ValueError(
                f"game.target_share: {config.game.target_share} of {config.num_envs} worlds leaves "
                f"{targets} for the target task and {players} for the game; both need at least one"
            )
        check_together(config)
        seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(8)]
        self.field = make_field(players, seeds[0])
        sees, moves = self.field.observation_space, self.field.action_space
        says = Moves(self.field.action_space, config.game.stop, _stop_chance(config)).space
        told = surroundings(sees, says, seeds[6], device, pixels=self.field.pixels)
        wants = make_streams(config.rewards, (config.bonus,), config.alice.gamma, told)
        self.alice = Learner(sees, says, config.alice, wants, seed=seeds[2], device=device)
        payoff = [Stream(TaskReward(), weight=1.0, gamma=config.bob.gamma)]
        self.bob = Learner(sees, moves, config.bob, payoff, seed=seeds[3], device=device)
        self._past = Past(self.alice, seeds[7]) if config.game.past_share > 0 else None
        self.game = Game(self.field, self.alice, self.bob, config.game, self._past)
        self.target_field: CurriculumField | None = make_field(targets, seeds[1]) if targets else None
        self._target = TurnPlayer(self.bob, self.target_field, self.field.max_steps) if self.target_field else None
        self.make_field, self._eval_seed = make_field, seeds[4]
        self._rng = np.random.default_rng(seeds[5])
        self._goals: deque[np.ndarray] = deque(maxlen=_RECENT)
        self._asked: deque[np.ndarray] = deque(maxlen=_RECENT)
        self.steps = self.target_steps = self.rounds = 0
        self._last: dict[str, float] = {}
        self._measurable = True

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""
        return charts(self.field.ruler, self.field.cells is not None, self._target is not None)

    def iterate(self, progress: float) -> Report:
        """One round, one target-task episode per target world, then both players learn."""
        self.alice.progress = self.bob.progress = progress
        played = self.game.play()
        batches = [played.bob]
        scalars, lost = curriculum.round_scalars(played), played.lost
        self.steps += played.steps
        if self._target is not None and self.target_field is not None:
            turn, batch = play_target(self._target, self.target_field)
            batches.append(batch)
            self.steps += int(turn.steps.sum())
            self.target_steps += int(turn.steps.sum())
            lost += int(turn.lost.sum())
            scalars |= {
                "bob/target_success": float(turn.finished.mean()),
                "bob/target_return": float(turn.task_return.mean()),
                "bob/target_length": float(turn.steps.mean()),
                "bob/target_steps": float(self.target_steps),
            }
        if isinstance(self.config.game, MujocoGameConfig):
            scalars["rollout/unstable"] = float(lost)  # as of PPO's worlds
        proposals, difficulty = self._record(played)
        scalars |= difficulty
        scalars |= prefixed("alice/train", self.alice.update(played.alice))
        batches = [batch for batch in batches if bool(batch.mask.any())]
        if batches:
            shown = [played.demonstration] if played.demonstration else []
            scalars |= prefixed("bob/train", self.bob.update(*batches, demonstrations=shown))
        if self._past is not None:
            self._past.keep()
        scalars |= alarms(scalars)
        self.rounds += 1
        self._last = scalars
        return Report(scalars, proposals)

    def _record(self, played: Round) -> tuple[list[dict], dict[str, float]]:
        """Lines for a sample of the goals of the present Alice, and the quantiles of their true difficulty."""
        outcome, ruler = played.outcome, self.field.ruler
        proposed = np.flatnonzero(outcome.judged & played.present)
        self._goals.append(self._places(played, proposed))
        scalars = {}
        if self.field.cells is not None:
            late = np.concatenate(list(self._goals)[-_COVERING:])
            scalars["curriculum/coverage"] = curriculum.coverage(late, self.field.cells)
        count = min(self.config.proposals, len(proposed))
        if count == 0:
            return [], scalars
        ids = np.sort(self._rng.choice(proposed, count, replace=False))
        if self.field.cells is not None:
            self._asked.append(curriculum.asked(played, ids))
        shortest = self._shortest(played, ids)
        lines = [
            {
                "step": self.steps,
                "start": self.field.describe(played.start[n]),
                "goal": self.field.describe(played.end[n]),
                "t_A": int(outcome.t_alice[n]),
                "t_B": int(outcome.t_bob[n]),
                "shortest" if ruler.exact else "straight": curriculum.in_figures(distance, ruler),
                "solved": bool(outcome.solved[n]),
                "stopped": bool(played.alice_turn.stopped[n]),
            }
            for n, distance in zip(ids, shortest, strict=True)
        ]
        if self._measurable:
            scalars |= curriculum.difficulty_scalars(shortest, outcome.solved[ids], ruler)
        return lines, scalars

    def _places(self, played: Round, ids: np.ndarray) -> np.ndarray:
        """Cells of the goals of worlds `ids`, int64 [M, 2], and where `cells` are known those of the starts behind."""
        goals = self.field.goal_cells(played.end[ids])
        if self.field.cells is None:
            return goals
        return np.hstack([goals, self.field.goal_cells(played.start[ids])])

    def _shortest(self, played: Round, ids: np.ndarray) -> np.ndarray:
        """True difficulty of the goals of worlds `ids`: [M], -1 unknown or unreachable."""
        if self._measurable:
            try:
                return self.field.difficulty(played.before_bob, played.desired, ids, self.config.game.goal)
            except UnmeasurableError as error:
                self._too_large(error)
        return np.full(len(ids), -1, np.int32)

    def _too_large(self, error: UnmeasurableError) -> None:
        self._measurable = False
        warn(f"difficulty and reachable goals are not measured here: {error}")

    def evaluate(self) -> dict[str, float]:
        """Bob on uniformly drawn reachable goals and, where he trains on it, on the target task; fresh levels."""
        field = self.make_field(self.config.eval_goals, self._eval_seed)
        rng = np.random.default_rng(self._eval_seed)
        scores: dict[str, float] = {}
        with self.bob.aside(self._eval_seed):
            if self._measurable:
                try:
                    goals = goal_scores(self.bob, field, rng, self.config.game)
                    scores = {"eval/zero_shot": goals.success, f"eval/zero_shot_{pace_name(goals.ruler)}": goals.pace}
                except UnmeasurableError as error:
                    self._too_large(error)
            if self._target is not None:
                scores["eval/target_success"] = task_scores(self.bob, field).success
        count = min(_WAYS_BACK, self.config.eval_goals)
        scores |= prefixed("eval", self._way_back(count, self._eval_seed, self._measurable))
        return {tag: value for tag, value in scores.items() if not np.isnan(value)}

    def scores(self, episodes: int, seed: int, deterministic: bool = False) -> dict[str, Any]:
        """Bob on the task with an empty goal, on uniform reachable goals where these can be listed, and back."""
        field = self.make_field(episodes, seed)
        measurable = True
        with self.bob.aside(seed):
            found: dict[str, Any] = {"task": task_scores(self.bob, field, deterministic).summary()}
            try:
                rng = np.random.default_rng(seed)
                found["goals"] = goal_scores(self.bob, field, rng, self.config.game, deterministic).summary()
            except UnmeasurableError as error:
                measurable = False
                warn(f"success on uniformly drawn goals is not measured here: {error}")
        return found | {"way_back": self._way_back(episodes, seed, measurable)}

    def _way_back(self, count: int, seed: int, measurable: bool) -> dict[str, float]:
        """Whether what Alice does can be undone, and Bob can: `way_back` of `selfplay.game.scores`."""
        with self.alice.aside(seed), self.bob.aside(seed):
            field = self.make_field(count, seed)
            return way_back(Game(field, self.alice, self.bob, undoing(self.config.game)), measurable)

    def pictures(self) -> dict[str, np.ndarray | list[np.ndarray]]:
        """Where Alice's recent goals lie, and one round frame by frame."""
        pictures: dict[str, np.ndarray | list[np.ndarray]] = {
            "curriculum/episode": list(round_frames(*self._round(self._eval_seed + self.rounds, False), most=_SHOWN))
        }
        goals = np.concatenate(self._goals)[:, :2] if self._goals else np.zeros((0, 2), np.int64)
        pictures["curriculum/goals"] = goal_heatmap(goals, self.field.shape, self.field.y_up, self.field.wall_cells)
        if self._asked:
            asked = np.concatenate(self._asked)
            picture = self.field.goal_picture(asked[:, :-1], outcome_colours(asked[:, -1]))
            if picture is not None:
                pictures["curriculum/outcomes"] = picture
        return pictures

    @property
    def step_seconds(self) -> float | None:
        """Of MuJoCo's worlds."""
        return self.field.step_seconds

    def film(
        self, seed: int, longest: int, deterministic: bool, stride: int = 1, hold: int = HOLD
    ) -> Iterator[np.ndarray]:
        """One round frame by frame, at most `longest` steps of each turn."""
        return round_frames(*self._round(seed, deterministic), longest=longest, stride=stride, hold=hold)

    def _round(self, seed: int, deterministic: bool) -> tuple[CurriculumField, Round]:
        """A round of one fresh world, and where it was played."""
        field = self.make_field(1, seed)
        with self.alice.aside(seed), self.bob.aside(seed):
            return field, Game(field, self.alice, self.bob, self.config.game).play(deterministic)

    def headline(self) -> dict[str, str]:
        """Solved share and how hard the goals are."""
        last = self._last
        return {
            "solved": f"{last.get('curriculum/solved', 0):.0%}",
            "t_A": f"{last.get('alice/t_A', 0):.1f}",
            "difficulty": f"{last.get('curriculum/difficulty_q50', 0):.{0 if self.field.ruler.in_steps else 2}f}",
        }

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """Both learners, all worlds, all random streams, and the counters."""
        state: dict[str, torch.Tensor | np.ndarray] = {}
        state |= prefixed("alice", self.alice.state_dict()) | prefixed("bob", self.bob.state_dict())
        state |= prefixed("field", self.field.state_dict())
        if self.target_field is not None:
            state |= prefixed("target_field", self.target_field.state_dict())
        if self._past is not None:
            state |= prefixed("past", self._past.state_dict())
        state["counters"] = np.array([self.steps, self.target_steps, self.rounds, self._measurable], np.int64)
        state["rng"] = rng_state(self._rng)
        recent = list(self._goals)
        state["goals"] = np.concatenate(recent) if recent else np.zeros((0, 2), np.int64)
        state["goals_split"] = np.cumsum([len(g) for g in recent], dtype=np.int64)
        if self._asked:
            state["asked"] = np.concatenate(self._asked)
            state["asked_split"] = np.cumsum([len(g) for g in self._asked], dtype=np.int64)
        return state

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.alice.load_state_dict(under("alice", state))
        self.bob.load_state_dict(under("bob", state))
        self.field.load_state_dict(under("field", state))
        if self.target_field is not None:
            self.target_field.load_state_dict(under("target_field", state))
        if self._past is not None:
            self._past.load_state_dict(under("past", state))
        self.steps, self.target_steps, self.rounds, measurable = (int(x) for x in state["counters"])
        self._measurable = bool(measurable)
        set_rng_state(self._rng, np.asarray(state["rng"]))
        for kept, name in ((self._goals, "goals"), (self._asked, "asked")):
            split = np.asarray(state.get(f"{name}_split", []))
            kept.clear()
            kept.extend(np.split(np.asarray(state[name]), split[:-1]) if len(split) else [])

    def load_learners(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Take only the policies: what the bonuses remember may be of worlds of another size."""
        self.alice.load_policy(under("alice", state))
        self.bob.load_policy(under("bob", state))
        self.steps, self.target_steps, self.rounds = (int(x) for x in state["counters"][:3])


def _stop_chance(config: AliceBobConfig) -> float:
    """Of STOP before anything is learnt; where actions are chosen from a list it is one of them, and as likely."""
    return config.game.stop_chance if isinstance(config.game, MujocoGameConfig) else 0.5
