"""What was played: the one type between environments, reward sources and learners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

import gymnasium
import torch
from torch import Tensor

from curiosity.source import Rows

NO_STATE = torch.empty(0)
"""The state of a policy that remembers nothing."""
_ASIDE = ("channels", "after")  # fields that are no tensors [T, N, ...]


@dataclass(frozen=True)
class Transitions:
    """T time steps of N environments, time-major; every field is [T, N, …].

    obs, next_obs: uint8 tokens [T, N, P] or float32 vectors [T, N, D]. `next_obs` is the true successor, never the
        first observation after a reset.
    action: int64 [T, N] (discrete) or float32 [T, N, A].
    log_prob: float32 [T, N], nats, under the policy that acted.
    value: float32 [T, N, K], what the K value heads said of `obs` when acting.
    terminated, truncated: bool [T, N]. Only `terminated` stops bootstrapping; both end the episode.
    task_reward: float32 [T, N].
    mask: bool [T, N], which steps were really played. The others may hold anything, NaN included. The last played
        step before a gap ought to be marked terminated or truncated; it is treated as truncated where it is neither.
    state: float32 [T, N, H], what a policy with a memory remembered as it met `obs`: zero where an episode begins.
        Without one H is 0, which is what leaving it out means.
    channels: what reward sources may look at beside `obs`, by name: two tensors [T, N, …] each, before and after the
        step. An "obs" among them stands in for what the player saw.

    after: [N, …] like one row of `obs`, what is acted on after the last step: the first observation of a new episode
        where one ended there. Left out (empty): not known.

    The tensors may be views of buffers that the next `collect` overwrites.
    """

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    next_obs: Tensor
    terminated: Tensor
    truncated: Tensor
    task_reward: Tensor
    mask: Tensor
    state: Tensor = NO_STATE
    channels: Mapping[str, Rows] = field(default_factory=dict)
    after: Tensor = NO_STATE

    def __post_init__(self) -> None:
        shape = self.mask.shape
        if len(shape) != 2:
            raise ValueError(f"transitions: mask must be [T, N], got {list(shape)}")
        if self.state is NO_STATE:
            object.__setattr__(self, "state", torch.empty(*shape, 0, device=self.mask.device))
        tensors = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _ASIDE}
        for name, rows in self.channels.items():
            tensors |= {f"channel {name!r}": rows.now, f"channel {name!r} after the step": rows.next}
        for name, tensor in tensors.items():
            if tensor.shape[:2] != shape:
                raise ValueError(
                    f"transitions: {name} must start with [T, N] = {list(shape)} as mask does, got {list(tensor.shape)}"
                )
        for name in ("log_prob", "terminated", "truncated", "task_reward"):
            if getattr(self, name).dim() != 2:
                raise ValueError(f"transitions: {name} must be [T, N], got {list(getattr(self, name).shape)}")
        for name in ("terminated", "truncated", "mask"):
            if getattr(self, name).dtype != torch.bool:
                raise ValueError(f"transitions: {name} must be bool, got {getattr(self, name).dtype}")
        if self.value.dim() != 3:
            raise ValueError(f"transitions: value must be [T, N, K], got {list(self.value.shape)}")
        if self.state.dim() != 3:
            raise ValueError(f"transitions: state must be [T, N, H], got {list(self.state.shape)}")
        if len(self.after) and (self.after.shape != self.obs.shape[1:] or self.after.dtype != self.obs.dtype):
            raise ValueError(
                f"transitions: after must be like one row of obs, {self.obs.dtype} {list(self.obs.shape[1:])}, "
                f"got {self.after.dtype} {list(self.after.shape)}"
            )
        if self.obs.dim() != 3 or self.next_obs.shape != self.obs.shape or self.next_obs.dtype != self.obs.dtype:
            raise ValueError(
                f"transitions: obs and next_obs must be alike and [T, N, P], got {list(self.obs.shape)} "
                f"{self.obs.dtype} and {list(self.next_obs.shape)} {self.next_obs.dtype}"
            )

    def check(
        self, observation_space: gymnasium.Space, action_space: gymnasium.Space, streams: int, memory: int = 0
    ) -> None:
        """`ValueError` unless these are steps in such spaces (of one environment) with `streams` values each.

        memory: H, the numbers that the policy remembers.
        """
        tokens = isinstance(observation_space, gymnasium.spaces.MultiDiscrete)
        shape, dtype = tuple(observation_space.shape or ()), torch.uint8 if tokens else torch.float32
        if self.obs.shape[2:] != shape or self.obs.dtype != dtype:
            raise ValueError(
                f"transitions: obs must be {dtype} [T, N, {', '.join(map(str, shape))}], "
                f"got {self.obs.dtype} {list(self.obs.shape)}"
            )
        if self.value.shape[2] != streams:
            raise ValueError(
                f"transitions: {self.value.shape[2]} values a step, expected one for each of {streams} streams"
            )
        if self.state.shape[2] != memory:
            raise ValueError(
                f"transitions: state must be [T, N, {memory}] as the policy remembers, got {list(self.state.shape)}"
            )
        if isinstance(action_space, gymnasium.spaces.Discrete):
            if self.action.dtype != torch.int64 or self.action.dim() != 2:
                raise ValueError(
                    f"transitions: action must be int64 [T, N], got {self.action.dtype} {list(self.action.shape)}"
                )
            played = self.action[self.mask]
            if len(played) and not 0 <= int(played.min()) <= int(played.max()) < action_space.n:
                raise ValueError(
                    f"transitions: actions must be in 0 … {action_space.n - 1}, "
                    f"got {int(played.min())} … {int(played.max())}"
                )
        elif self.action.dtype != torch.float32 or self.action.shape[2:] != action_space.shape:
            expected = ", ".join(["T", "N", *map(str, action_space.shape or ())])
            raise ValueError(
                f"transitions: action must be float32 [{expected}], got {self.action.dtype} {list(self.action.shape)}"
            )

    def channel(self, name: str) -> Rows:
        """What a reward source is to look at: one of `channels`, and for "obs" `obs` unless that is among them."""
        if name == "obs" and name not in self.channels:
            return Rows(self.obs, self.next_obs)
        return self.channels[name]

    @property
    def done(self) -> Tensor:
        """Bool [T, N], the step ended its episode."""
        return self.terminated | self.truncated

    @property
    def played_steps(self) -> int:
        """How many steps were really played."""
        return int(self.mask.sum())

    def each(self, change: Callable[[Tensor], Tensor]) -> Transitions:
        """The same with `change` done to every tensor but `after`, which is left out.

        Such as `lambda tensor: tensor[:8]`: its first 8 steps.
        """
        plain = {one.name: change(getattr(self, one.name)) for one in fields(self) if one.name not in _ASIDE}
        channels = {name: Rows(*map(change, rows)) for name, rows in self.channels.items()}
        return replace(self, **plain, channels=channels, after=NO_STATE)

    def to(self, device: torch.device | str) -> Transitions:
        """The same on `device`; shares memory where nothing has to move."""
        unwaited = torch.device(device).type == "cuda"  # anywhere else a reader might come before the copy is done
        moved = self.each(lambda tensor: tensor.to(device, non_blocking=unwaited))
        return replace(moved, after=self.after.to(device, non_blocking=unwaited))


@dataclass(frozen=True)
class Demonstration:
    """M steps that somebody else played well, to be imitated.

    obs: as in `Transitions`, [M, P], with the imitator's own goal in them. action: int64 [M] or
    float32 [M, A]. weight: the advantage, in units of the batch's normalised ones, that each of these is taken to have.
    """

    obs: Tensor
    action: Tensor
    weight: float
