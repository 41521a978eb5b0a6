"""The stage of one learner in one batch of worlds: the task's reward, bonuses, or both."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from curiosity.group import ALONE, Group
from curiosity.source import Surroundings
from envs.errors import UnmeasurableError
from selfplay.board import Layout
from selfplay.core.collect import Rollout, World, collect
from selfplay.core.episodes import first_episodes, summary
from selfplay.core.learner import Learner
from selfplay.core.rng import rank_seed
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.errors import warn
from selfplay.measures.states import LEVELS, episode_state_coverage
from selfplay.measures.tv import attention, bonus_at_tv
from selfplay.pictures import HOLD, LONGEST, episode_frames, heatmap
from selfplay.rewards.catalogue import TAUGHT
from selfplay.rewards.classifier import GoalClassifier
from selfplay.rewards.examples import examples_of
from selfplay.rewards.streams import bonuses, make_streams, parse_rewards, surroundings
from selfplay.stages.asking import labelling_of, waits
from selfplay.stages.base import Report, prefixed, under
from selfplay.stages.ppo_charts import charts
from selfplay.stages.ppo_settings import GridStageConfig, PPOStageConfig

_MEASURE_EVERY = 8  # iterations; paying a batch of rewards twice more is not for each of them


class PPOStage:
    """PPO on any rewards in the worlds of one level.

    make_world(num_envs, seed, training) gives a `selfplay.core.collect.World` with what the settings ask for, seed
    being that of a TV's pictures and of fixed levels; with training also the channels that the bonuses look at, and as
    `Explored` (of its family) where it is measured where the player goes. With filmed as well they can be drawn, and
    nothing is measured.

    group: the ranks of the run. config.num_envs is this rank's share of the worlds, ppo.minibatch_size what all ranks
    take together. What is drawn differs from rank to rank; what is fixed (first weights, given levels, a TV's pictures)
    does not.

    "coverage/positions" is a mean over episodes that ended. In MuJoCo's worlds they are those of as many steps as an
    episode can have, rounded up to rollouts, and nothing is told before: short ones end in every rollout, long ones, of
    worlds that began together, in a few, so that a mean over each rollout's would count them too little.

    Everything about maps and televisions is left out in worlds that have none.
    """

    def __init__(
        self, make_world, config: PPOStageConfig, seed: int, device: str = "cpu", group: Group = ALONE
    ) -> None:
        if group.size > 1 and (taught := sorted(TAUGHT.keys() & parse_rewards(config.rewards).keys())):
            raise ValueError(f"rewards: {taught[0]!r} is taught in one process, got {group.size}")
        seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(7)]
        self.config, self.group = config, group
        self.world = make_world(config.num_envs, seeds[3], True)
        self.make_world, self._eval_seed, self.world_seed = make_world, seeds[2], seeds[3]
        self._examples_seed = seeds[5]
        world = self.world
        self.compared_by = (*(["eval/success"] if world.succeeds else []), "eval/return", "eval/length")
        told = surroundings(
            world.observation_space, world.action_space, seeds[4], device, world.channel_spaces, world.pixels
        )
        streams = self.streams(replace(told, group=group))
        self.learner = Learner(
            self.world.observation_space, self.world.action_space, config.ppo, streams, seeds[1], device, group
        )
        pinned = self.learner.device.type == "cuda"
        self.rollout = Rollout(self.world, config.rollout_steps, len(streams), self.learner.memory, pinned)
        self.rollout.start(self.world, rank_seed(seeds[0], group.rank))
        self.labelling = None
        if config.asks:
            self.labelling = labelling_of(config, self.learner, self.filmed_worlds, seeds[6])
        self.steps = self.iterations = 0
        self.explores = hasattr(world, "drain")
        self._visits = np.zeros(world.walls.shape if self.explores else (0, 0), np.int64)
        longest = world.env.max_steps if self.explores and hasattr(world, "env") else 1
        self._covered: deque[np.ndarray] = deque(maxlen=-(-longest // config.rollout_steps))
        self._searchable = self.explores and isinstance(config, GridStageConfig)
        self._last: dict[str, float] = {}
        self._told_blank = False

    def streams(self, told: Surroundings) -> list[Stream]:
        """What the learner is paid for."""
        config = self.config
        return make_streams(config.rewards, (config.bonus, config.taught), config.ppo.gamma, told, config.rescale_task)

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""
        return charts(self.learner.streams, self.world, self.config, self.explores)

    def iterate(self, progress: float) -> Report:
        """Collect one rollout and learn from it."""
        if self.iterations == 0:
            self._teach()
        self.learner.progress = progress
        physics = getattr(self.world, "env", None)  # MuJoCo's worlds have it
        blown_up = physics.unstable if physics is not None else 0
        batch, episodes = collect(self.world, self.learner, self.rollout)
        self.steps += batch.mask.numel() * self.group.size
        scalars = self._explored(batch)
        if physics is not None:
            scalars["rollout/unstable"] = float(physics.unstable - blown_up)
        if self.labelling is not None:
            scalars |= prefixed("preferences", self.labelling.lesson(self.learner.as_played(batch), progress))
        if self.labelling is not None and waits(self.labelling, self.learner.streams):
            self.learner.watch(batch)
        else:
            scalars |= prefixed("train", self.learner.update(batch))
        scalars |= prefixed("rollout", summary(episodes))
        if len(episodes.returns):
            scalars["rollout/episodes"] = float(len(episodes.returns))
        self.iterations += 1
        self._last |= {key: value for key, value in scalars.items() if key.startswith("rollout/")}
        return Report(scalars)

    def _teach(self) -> None:
        """Show a goal classifier its examples, before anything is played."""
        for stream in self.learner.streams:
            if isinstance(stream.source, GoalClassifier):
                examples = examples_of(
                    stream.source.config,
                    lambda count: self.make_world(count, self.world_seed, True),
                    self._examples_seed,
                )
                stream.source.teach(examples)

    def keep_in(self, folder: Path) -> None:
        """`folder` is the run's own."""
        if self.labelling is not None:
            self.labelling.keep_in(folder / "preferences")

    def _explored(self, batch: Transitions) -> dict[str, float]:
        """Where the player went, and what the TV did to it."""
        scalars: dict[str, float] = {}
        if self.explores:
            found = self.world.drain()
            self._covered.append(found["coverage"])
            ended = np.concatenate(self._covered)
            if len(ended) and len(self._covered) == self._covered.maxlen:
                scalars["coverage/positions"] = float(ended.mean())
            self._visits += found["heat"]
        if "tv" in batch.channels:
            actions, press = self.world.action_space, self.world.press_action
            scalars |= attention(batch, actions, press, self.config.ppo.log_std)
            if self.iterations % _MEASURE_EVERY == 0:
                factors = {source: self.learner.factor(source.name) for source in bonuses(self.learner.streams)}
                scalars |= bonus_at_tv(self.learner.as_played(batch.to(self.learner.device)), factors)
        return scalars

    def evaluate(self) -> dict[str, float]:
        """Success, return and length over fresh levels; of an explorer also the share of all states it comes to."""
        if not self.config.eval_episodes:
            return {}
        scores = prefixed("eval", self.scores(self.config.eval_episodes, self._eval_seed)["task"])
        if self._searchable:
            world = self.make_world(min(LEVELS, self.config.eval_episodes), self.world_seed, False)
            try:
                with self.learner.aside(self._eval_seed):
                    scores["coverage/states"] = episode_state_coverage(world, self.learner, self._eval_seed)
            except UnmeasurableError as error:
                self._searchable = False
                warn(f"the share of all states that are visited is not measured here: {error}")
        return scores

    def scores(self, episodes: int, seed: int, deterministic: bool = False) -> dict[str, Any]:
        """The task on fresh levels."""
        world = self.make_world(episodes, self.world_seed, False)
        with self.learner.aside(seed):
            return {"task": summary(first_episodes(world, self.learner, seed, deterministic))}

    def pictures(self) -> dict[str, np.ndarray | list[np.ndarray]]:
        """One episode frame by frame, and which cells were visited since the last picture."""
        pictures: dict[str, np.ndarray | list[np.ndarray]] = {}
        try:
            pictures["rollout/episode"] = list(self.film(self._eval_seed, LONGEST, False))
        except NotImplementedError as error:
            if not self._told_blank:
                warn(f"episodes are not drawn: {error}")
            self._told_blank = True
        if self.explores:
            pictures["coverage/visits"] = heatmap(self._visits, walls=self.world.walls, y_up=self.world.y_up)
            self._visits[:] = 0
        return pictures

    @property
    def step_seconds(self) -> float | None:
        """Of MuJoCo's worlds."""
        physics = getattr(self.world, "env", None)
        return None if physics is None else physics.engine.dt

    def film(
        self, seed: int, longest: int, deterministic: bool, stride: int = 1, hold: int = HOLD
    ) -> Iterator[np.ndarray]:
        """One episode frame by frame, at most `longest` steps of it."""
        world = self.make_world(1, self.world_seed, False)
        if not hasattr(world, "frame"):
            raise NotImplementedError("this world has no pictures")
        with self.learner.aside(seed):
            yield from episode_frames(self.learner, world, seed, longest, deterministic, stride, hold)

    def fresh_worlds(self, count: int) -> World:
        """`count` worlds of the run's level, as evaluations play in: beside the training and without its channels."""
        return self.make_world(count, self.world_seed, False)

    def filmed_worlds(self, count: int) -> World:
        """`count` worlds of the run's level that can be drawn, with the channels that rewards read where one of them is
        learnt from clips.
        """
        if not self.config.asks:
            return self.fresh_worlds(count)
        return self.make_world(count, self.world_seed, True, filmed=True)

    def headline(self) -> dict[str, str]:
        """Success (where there is such a thing) and return of the last rollout's episodes."""
        words = {"return": f"{self._last['rollout/return']:.2f}" if "rollout/return" in self._last else "–"}
        if self.world.succeeds:
            words = {"success": f"{self._last.get('rollout/success', 0):.0%}"} | words
        return words

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """Learner, worlds, running episodes and the step counter."""
        state: dict[str, torch.Tensor | np.ndarray] = {
            "counters": np.array([self.steps, self.iterations, self._searchable], np.int64),
            "visits": self._visits.copy(),
            "covered": np.concatenate([np.zeros(0), *self._covered]),
            "covered_split": np.cumsum([len(part) for part in self._covered], dtype=np.int64),
        }
        state |= prefixed("learner", self.learner.state_dict())
        if self.labelling is not None:
            state |= prefixed("labelling", self.labelling.state_dict())
        return state | prefixed("rollout", self.rollout.state_dict()) | prefixed("world", self.world.state_dict())

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.learner.load_state_dict(under("learner", state))
        self.world.load_state_dict(under("world", state))
        self.rollout.load_state_dict(under("rollout", state))
        if self.labelling is not None:
            self.labelling.load_state_dict(under("labelling", state))
        if not getattr(self.world, "resumes", True):
            self.rollout.start(self.world, None)  # episodes of somebody else's worlds cannot be kept
        self.steps, self.iterations, searchable = (int(count) for count in state["counters"])
        self._searchable = bool(searchable)
        if self.explores:
            self._visits[:] = state["visits"]
            split = np.asarray(state["covered_split"])
            self._covered.clear()
            self._covered.extend(np.split(np.asarray(state["covered"]), split[:-1]) if len(split) else [])

    def load_learners(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Take only the policy: what the bonuses remember may be of worlds of another size."""
        self.learner.load_policy(under("learner", state))
        self.steps = int(state["counters"][0])
