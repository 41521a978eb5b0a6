"""How far a leashed learner is from the exact optimum of its objective, in one level of a small grid world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import GridState
from envs.grid.tabular import FAR, observations, tabulate
from envs.grid.world import GridWorld
from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.policy import ActorCritic, policy_for
from selfplay.core.streams import Stream
from selfplay.measures.soft_optimum import PolicyScores, policy_scores, soft_optimum
from selfplay.rewards.leash import Beta, Leash, acting
from selfplay.rewards.task import TaskReward

SEES = ("full", "position", "direction", "carried")
"""All that matters of the world, so that the best policy of all is one of what is seen."""


@dataclass(frozen=True)
class Gap:
    """optimum: J of the best policy. learnt, reference: what the learner's policy and the one it began as earn.

    steps: environment steps it took.
    """

    optimum: float
    learnt: PolicyScores
    reference: PolicyScores
    steps: int

    @property
    def of_optimum(self) -> float:
        """What is missing, as a share of the optimum."""
        return (self.optimum - self.learnt.objective) / abs(self.optimum)

    @property
    def of_gain(self) -> float:
        """What is missing, as a share of what there was to be gained over the reference."""
        return (self.optimum - self.learnt.objective) / (self.optimum - self.reference.objective)


def leash_gap(
    spec: LevelSpec, beta: float, config: PPOConfig, *, updates: int, num_envs: int, num_steps: int, seed: int = 0,
    sharpness: float = 50.0,
) -> Gap:  # fmt: skip
    """Fine-tune a random policy on a leash of β to itself, and hold it against the table of the level.

    The level is the first of `seed`. Its time limit is moved out of sight: PPO bootstraps through truncations and sees
    no time, so that only then both maximise the same. sharpness: by what the random policy's logits are multiplied.
    """
    fixed = FixedLevels(spec, 1, seed)
    cells, agent = fixed.levels()
    world = GridWorld(spec, num_envs, SEES, fixed=fixed, max_steps=FAR)
    table, states = tabulate(spec, GridState(cells, agent, np.zeros((1, 2), np.uint64)), limited=False)
    rows = torch.from_numpy(observations(spec, states, world.layout))

    spaces = world.observation_space, world.action_space
    with torch.random.fork_rng(devices=[]):
        leash = Leash(policy_for(*spaces, config, 1), Beta(beta))
    streams = [Stream(TaskReward(), 1.0, config.gamma), Stream(leash, beta, config.gamma)]
    learner = Learner(*spaces, config, streams, seed)
    with torch.no_grad():
        learner.policy.policy_head.weight *= sharpness
    leash.reference.load_state_dict(leash.reference.state_dict() | acting(learner.policy))
    reference = action_probabilities(leash.reference, rows)

    rollout = Rollout(world, num_steps, 2)
    rollout.start(world, seed)
    for update in range(updates):
        learner.progress = update / updates
        learner.update(collect(world, learner, rollout)[0])
    return Gap(
        soft_optimum(table, reference, beta, config.gamma).objective,
        policy_scores(table, action_probabilities(learner.policy, rows), reference, beta, config.gamma),
        policy_scores(table, reference, reference, beta, config.gamma),
        updates * num_envs * num_steps,
    )


@torch.no_grad()
def action_probabilities(policy: ActorCritic, rows: torch.Tensor) -> np.ndarray:
    """float64 [S, A] of a policy without a memory in S states seen as `rows`; they add up to 1."""
    logits, _ = policy(rows)
    return torch.softmax(logits.double(), -1).numpy()
