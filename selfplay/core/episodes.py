"""One episode in every environment of a world: what an evaluation looks at."""

from __future__ import annotations

import numpy as np
import torch

from selfplay.core.acting import Actor
from selfplay.core.collect import EpisodeStats, World


def first_episodes(world: World, actor: Actor, seed: int, deterministic: bool = False) -> EpisodeStats:
    """The first episode of each of the N environments, from a reset with `seed`: arrays [N] in their order.

    Environments that are through rest if the world can `rest_but` others, else they are stepped on with any action;
    nothing of it is looked at. Levels that never end an episode would never return.
    """
    rest_but = getattr(world, "rest_but", None)
    count, width = world.num_envs, world.columns["obs"].stop
    rows = world.reset(seed)
    after, successor = np.empty_like(rows), np.empty_like(rows)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    returns, lengths, successes = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool)
    state = actor.initial_state(count)
    action = np.zeros((count, *(world.action_space.shape or ())), world.action_space.dtype)
    playing = np.arange(count)
    while len(playing):
        remembered = state[playing]
        act = actor.act(torch.from_numpy(rows[playing, :width]), remembered, deterministic)
        action[playing] = actor.played(act.action)
        if actor.memory:
            state[playing] = act.state.cpu()
        world.step(action, successor, after, reward, terminated, truncated)
        returns[playing] += reward[playing]
        lengths[playing] += 1
        ended = terminated[playing] | truncated[playing]
        successes[playing] = terminated[playing] & (reward[playing] > 0)
        playing = playing[~ended]
        if rest_but is not None and ended.any():
            rest_but(playing)
        rows, after = after, rows
    return EpisodeStats(returns, lengths, successes if world.succeeds else None)


def summary(episodes: EpisodeStats) -> dict[str, float]:
    """Success (where there is such a thing), mean return and mean length; empty where no episode ended."""
    if not len(episodes.returns):
        return {}
    success = {} if episodes.successes is None else {"success": float(episodes.successes.mean())}
    return success | {
        "return": float(episodes.returns.mean()),
        "length": float(episodes.lengths.mean()),
    }
