"""The stage of plain PPO: one learner, one batch of worlds, the task's reward."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from selfplay.board import Layout
from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.game.pictures import episode_frames
from selfplay.game.scores import task_scores
from selfplay.rewards.task import TaskReward
from selfplay.stages.base import Report, prefixed, under


class PPOStageConfig(BaseModel):
    """Everything `train ppo` can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_envs: int = Field(1024, ge=1, le=2**31 - 1, description="worlds stepped at once")
    rollout_steps: int = Field(64, ge=1, description="steps of every world between two updates")
    segments: tuple[str, ...] = Field(("view", "direction", "mission"), description="what the policy sees of the world")
    view_size: int = Field(7, ge=3, le=61, description="cells along the edge of the view, odd")
    eval_episodes: int = Field(512, ge=1, le=2**31 - 1, description="fresh levels of an evaluation")
    ppo: PPOConfig = PPOConfig(minibatch_size=8192)


_CHARTS: Layout = {
    "task": {
        "success": ["rollout/success", "eval/success"],
        "return": ["rollout/return", "eval/return"],
        "length": ["rollout/length", "eval/length"],
    },
    "learning": {
        "entropy (nats)": ["train/entropy"],
        "KL to the acting policy (nats)": ["train/approx_kl"],
        "explained variance": ["train/explained_variance/task"],
    },
}


class PPOStage:
    """PPO on the task's reward in the worlds of one level."""

    compared_by: ClassVar[tuple[str, ...]] = ("eval/success", "eval/return", "eval/length")

    def __init__(self, make_field, make_world, config: PPOStageConfig, seed: int, device: str = "cpu"):
        seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(3)]
        self.config = config
        self.world = make_world(config.num_envs)
        self.make_field, self._eval_seed = make_field, seeds[2]
        streams = [Stream(TaskReward(), weight=1.0, gamma=config.ppo.gamma)]
        self.learner = Learner(
            self.world.observation_space, self.world.action_space, config.ppo, streams, seed=seeds[1], device=device
        )
        pinned = self.learner.device.type == "cuda"
        self.rollout = Rollout(self.world, config.rollout_steps, len(streams), self.learner.memory, pinned)
        self.rollout.start(self.world, seeds[0])
        self.steps = 0
        self._last: dict[str, float] = {}

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""
        return _CHARTS

    def iterate(self, progress: float) -> Report:
        """Collect one rollout and learn from it."""
        self.learner.progress = progress
        batch, episodes = collect(self.world, self.learner, self.rollout)
        self.steps += batch.action.numel()
        scalars = prefixed("train", self.learner.update(batch))
        if len(episodes.returns):
            scalars |= {
                "rollout/return": float(np.mean(episodes.returns)),
                "rollout/length": float(np.mean(episodes.lengths)),
                "rollout/success": float(np.mean(episodes.successes)),
                "rollout/episodes": float(len(episodes.returns)),
            }
        self._last = scalars
        return Report(scalars)

    def evaluate(self) -> dict[str, float]:
        """Success, return and length over fresh levels."""
        return prefixed("eval", self.scores(self.config.eval_episodes, self._eval_seed)["task"])

    def scores(self, episodes: int, seed: int, deterministic: bool = False) -> dict[str, Any]:
        """The task on fresh levels."""
        with self.learner.aside(seed):
            return {"task": task_scores(self.learner, self.make_field(episodes, seed), deterministic).summary()}

    def pictures(self) -> dict[str, np.ndarray | list[np.ndarray]]:
        """One episode frame by frame."""
        field = self.make_field(1, self._eval_seed)
        with self.learner.aside(self._eval_seed):
            return {"rollout/episode": episode_frames(self.learner, field)}

    def headline(self) -> dict[str, str]:
        """Success and return of the last rollout's episodes."""
        return {
            "success": f"{self._last.get('rollout/success', 0):.0%}",
            "return": f"{self._last.get('rollout/return', 0):.2f}",
        }

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """Learner, worlds, running episodes and the step counter."""
        state: dict[str, torch.Tensor | np.ndarray] = {"counters": np.array([self.steps], np.int64)}
        state |= prefixed("learner", self.learner.state_dict())
        return state | prefixed("rollout", self.rollout.state_dict()) | prefixed("world", self.world.state_dict())

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.learner.load_state_dict(under("learner", state))
        self.world.load_state_dict(under("world", state))
        self.rollout.load_state_dict(under("rollout", state))
        self.steps = int(state["counters"][0])

    def load_learners(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Take only what was learnt."""
        self.learner.load_state_dict(under("learner", state))
        self.steps = int(state["counters"][0])
