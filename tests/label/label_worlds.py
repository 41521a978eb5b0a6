"""Segments made up for the tests of labels."""

import torch

from selfplay.core.transitions import Transitions
from selfplay.label.segments import Segments


def transitions(reward, mask=None, obs=None, terminated=None, truncated=None, action=None):
    """Steps [T, N] with this task reward; obs are the numbers of the steps where they are left out."""
    reward = torch.as_tensor(reward, dtype=torch.float32)
    none = torch.zeros(reward.shape, dtype=torch.bool)
    numbers = torch.arange(reward.numel(), dtype=torch.float32).view(*reward.shape, 1)
    obs = numbers if obs is None else obs
    return Transitions(
        obs=obs,
        action=torch.zeros(reward.shape, dtype=torch.int64) if action is None else action,
        log_prob=torch.zeros_like(reward),
        value=torch.zeros(*reward.shape, 1),
        next_obs=obs + 0.5 if obs.dtype == torch.float32 else obs,
        terminated=none if terminated is None else terminated,
        truncated=none if truncated is None else truncated,
        task_reward=reward,
        mask=~none if mask is None else mask,
    )


def segments(reward, **fields):
    """Segments [H, M] of these rewards."""
    return Segments(transitions(reward, **fields).each(lambda tensor: tensor))
