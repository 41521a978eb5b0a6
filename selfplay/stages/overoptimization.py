"""The stage that optimises a reward learnt once, and tells exactly what becomes of what was meant."""

from __future__ import annotations

import math

import numpy as np
import torch

from envs.grid.tabular import observations
from selfplay.label.settings import TeacherConfig
from selfplay.label.teachers import ScriptedTeacher
from selfplay.measures.leash_gap import action_probabilities
from selfplay.measures.overoptimization import Point, Pressure, level_table, reward_table, sampled_returns, win_rate
from selfplay.rewards.preferences import PreferenceReward
from selfplay.stages.base import Report
from selfplay.stages.finetune import FinetuneStage
from selfplay.stages.overoptimization_settings import GridOveroptimizationConfig


class OveroptimizationStage(FinetuneStage):
    """`FinetuneStage` in a few levels of a small grid, on a leash that is loosened all along.

    Each evaluation is a point of `selfplay.measures.overoptimization.Pressure`. Point 0 is the policy it began as, told
    with the iteration in which the reward was fitted; until then there is none. Under `overoptimization/`: "rl" is the
    learner's policy now, "exact" the optimum on a leash of β, "bon" the best of n episodes of the reference; of each
    kl (nats an episode), d = √kl, proxy and gold. Paid by the task, proxy is the task. rl/win_rate is what the teacher
    says when it is asked which is better, an episode of now or one of the reference.
    """

    config: GridOveroptimizationConfig

    def __init__(self, make_world, config: GridOveroptimizationConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(make_world, config, seed, device)
        self._points = 0
        self._began_at = -1  # steps at which point 0 was told
        self._pressure: Pressure | None = None
        self._rows = torch.empty(0)

    def iterate(self, progress: float) -> Report:
        """As `FinetuneStage` on a leash as long as it is by now; the first one with a reward also tells point 0."""
        assert self.leash is not None
        self.leash.beta.value = self.config.pressure.leash(self.config.leash.first_beta or 0.0, progress)
        self._take_up_beta()
        report = super().iterate(progress)
        if self._points == 0 and (self.labelling is None or self.labelling.fitted):
            report.scalars |= self._point(self._measured().reference)
            self._began_at = self.steps
        return report

    def evaluate(self) -> dict[str, float]:
        """The task on fresh episodes, and the next point."""
        scores = super().evaluate()
        if self._points and self.steps != self._began_at:  # one point a line
            measured = self._measured()
            scores |= self._point(action_probabilities(self.learner.policy, self._rows))
            scores["overoptimization/optimum"] = measured.most
        return scores

    def _point(self, policy: np.ndarray) -> dict[str, float]:
        """Point number `_points`, with `policy` [S, A] as what was learnt."""
        k, config, measured = self._points, self.config.pressure, self._measured()
        beta = config.beta(k) if k else math.inf
        found: dict[str, Point] = {
            "rl": measured.of_policy(policy), "exact": measured.on_leash(beta), "bon": measured.best_of(config.n(k)),
        }  # fmt: skip
        self._points += 1
        scalars = {
            f"overoptimization/{way}/{key}": value for way, p in found.items() for key, value in p._asdict().items()
        }
        scalars |= {f"overoptimization/{way}/d": math.sqrt(max(p.kl, 0.0)) for way, p in found.items()}
        return scalars | {"overoptimization/rl/win_rate": self._checked(policy, k)}

    def _checked(self, policy: np.ndarray, k: int) -> float:
        """How often the teacher prefers an episode of `policy` to one of the reference, of a few that it is asked."""
        measured, count = self._measured(), self.config.pressure.checks
        rng = np.random.default_rng([self._eval_seed, k])
        now, then = (
            sampled_returns(measured.gold, play, [measured.gold.reward], count, rng)[0]
            for play in (policy, measured.reference)
        )
        asked = self.config.teacher.model_dump(include=set(TeacherConfig.model_fields))
        teacher = ScriptedTeacher("checks", TeacherConfig(**asked), int(rng.integers(2**31)))
        return win_rate(teacher, now, then)

    def _measured(self) -> Pressure:
        """Made when it is first asked for, after the reward was fitted; it changes no more."""
        if self._pressure is None:
            world = self.make_world(1, self.world_seed, False)
            table, states = level_table(world.engine.spec, self.config.levels, self.world_seed)
            self._rows = torch.from_numpy(observations(world.engine.spec, states, world.layout))
            assert self.leash is not None
            [source] = [one.source for one in self.learner.streams if one.source is not self.leash]
            learnt = isinstance(source, PreferenceReward)
            proxy = reward_table(source, self._rows, table.next.shape[1]) if learnt else table.reward
            reference = action_probabilities(self.leash.reference, self._rows)
            self._pressure = Pressure(table, proxy, reference, self.config.pressure.episodes, self._eval_seed)
        return self._pressure

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """As `FinetuneStage`, and how many points there were."""
        return super().state_dict() | {"points": np.array([self._points], np.int64)}

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._points, self._pressure = int(state["points"][0]), None
