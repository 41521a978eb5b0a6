"""Two small worlds as reward sources see them, and batches made up in them."""

import gymnasium
import numpy as np
import torch

from curiosity.source import Rows, Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.core.transitions import Transitions

NVEC = [2, 3, 2]  # few states, so that they are met again
ACTIONS = {"grid": gymnasium.spaces.Discrete(4), "vectors": gymnasium.spaces.Box(-1, 1, (2,))}
SIZES = {"obs": 5, "state": 4, "position": 2}  # of the vectors


def surroundings(world, seed=0, action_space=None):
    """What a source is told of the world "grid" (tokens, discrete actions) or "vectors" (continuous actions)."""
    if world == "grid":
        spaces = {name: gymnasium.spaces.MultiDiscrete(NVEC) for name in SIZES}
    else:
        spaces = {name: gymnasium.spaces.Box(-np.inf, np.inf, (size,)) for name, size in SIZES.items()}
    pixels = (
        {"obs": torch.from_numpy(np.random.default_rng(9).random((3, 3, 2), np.float32))} if world == "grid" else {}
    )
    return Surroundings(spaces, action_space or ACTIONS[world], encoder_for, seed, pixels)


def rows_of(world, rng, envs, size):
    if world == "grid":
        return rng.integers(0, NVEC, (envs, 3)).astype(np.uint8)
    return rng.choice([-1.25, 0.05, 0.55, 2.05], (envs, size)).astype(np.float32)  # bins of .1 are unambiguous


def made_up(world, steps=6, envs=4, seed=0, after=None, all_played=False, ends=0.25, streams=1, discrete=False):
    """Random transitions that go on from the batch `after`, with both kinds of ends and steps that were not played.

    Steps that were not played hold NaN, tokens and actions that do not exist.
    """
    rng = np.random.default_rng(seed)
    over = rng.random((steps, envs)) < ends
    died = rng.random((steps, envs)) < 0.5
    mask = np.ones((steps, envs), bool) if all_played else rng.random((steps, envs)) < 0.85
    channels = {}
    for name, size in SIZES.items():
        now = np.zeros((steps, envs, 3 if world == "grid" else size), np.uint8 if world == "grid" else np.float32)
        next = np.zeros_like(now)
        here = rows_of(world, rng, envs, size)
        if after is not None:
            rows, done = after.channel(name), (after.done | ~after.mask)[-1].numpy()
            here = np.where(done[:, None], here, rows.next[-1].numpy())
        for t in range(steps):
            now[t], next[t] = here, rows_of(world, rng, envs, size)
            here = np.where(over[t, :, None], rows_of(world, rng, envs, size), next[t])
        rubbish = 255 if world == "grid" else np.nan
        now[~mask], next[~mask] = rubbish, rubbish
        channels[name] = Rows(torch.from_numpy(now), torch.from_numpy(next))
    if world == "grid" or discrete:
        action = torch.from_numpy(np.where(mask, rng.integers(0, 4, (steps, envs)), 99))
    else:
        action = torch.from_numpy(np.where(mask[..., None], rng.uniform(-1, 1, (steps, envs, 2)), np.nan)).float()
    obs = channels.pop("obs")
    return Transitions(
        obs=obs.now,
        action=action,
        log_prob=torch.full((steps, envs), -1.4),
        value=torch.from_numpy(rng.normal(size=(steps, envs, streams)).astype(np.float32)),
        next_obs=obs.next,
        terminated=torch.from_numpy(over & died),
        truncated=torch.from_numpy(over & ~died),
        task_reward=torch.from_numpy(np.where(mask, rng.normal(size=(steps, envs)), np.nan).astype(np.float32)),
        mask=torch.from_numpy(mask),
        channels=channels,
    )


def same(one, other):
    """Whether two states are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def paid(source, batch):
    with torch.no_grad():
        return source.reward(batch)
