"""Acting: what a policy does in a world, what it expects there, and the random stream it draws from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from selfplay.core.fused import FusedNetwork
from selfplay.core.fused_dense import FusedDense
from selfplay.core.fused_gru import FusedGRU
from selfplay.core.policy import ActorCritic
from selfplay.core.transitions import NO_STATE, Transitions


class Act(NamedTuple):
    """One action each for B observations: action int64 [B] or float32 [B, A], log_prob float32 [B] (nats), value
    float32 [B, K].

    state: float32 [B, H], what is remembered after having seen them; left out without a memory.
    """

    action: Tensor
    log_prob: Tensor
    value: Tensor
    state: Tensor = NO_STATE


class Actor:
    """Whoever acts: `policy` and a random stream of its own.

    observation_space, action_space: of one environment. fused: kernels that act in the policy's stead, None: there are
    none. seed: of the actions. device: where the policy and the stream are.
    """

    def __init__(
        self,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        policy: ActorCritic,
        fused: FusedNetwork | FusedGRU | FusedDense | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.policy, self.device = policy, device
        self.generator = torch.Generator(device)
        self.generator.manual_seed(seed)
        self._fused = fused

    @property
    def memory(self) -> int:
        """H, how many numbers the policy remembers from step to step; 0 without a memory."""
        return self.policy.memory

    def initial_state(self, count: int) -> Tensor:
        """What is remembered where `count` episodes begin: zeros, float32 [count, H]."""
        return torch.zeros(count, self.memory)

    @torch.no_grad()
    def act(
        self,
        obs: Tensor | np.ndarray,
        state: Tensor | None = None,
        deterministic: bool = False,
        out: Act | None = None,
    ) -> Act:
        """One action for each of obs [B, P]: drawn from the random stream, or the likeliest.

        state: float32 [B, H], what was remembered before these observations; None: nothing, episodes begin.
        out: tensors on the CPU to write into and return (rows of a rollout's buffers).
        """
        obs = torch.as_tensor(obs)
        state = self.initial_state(len(obs)) if state is None else torch.as_tensor(state)
        if state.shape != (len(obs), self.memory) or state.dtype != torch.float32:
            raise ValueError(
                f"learner: state must be float32 [{len(obs)}, {self.memory}], got {state.dtype} {list(state.shape)}"
            )
        if out is not None and out.state.shape != state.shape and self.memory:
            raise ValueError(f"learner: out.state must be {list(state.shape)}, got {list(out.state.shape)}")
        if self._fused is not None:
            if out is None:
                kind = torch.float32 if self.policy.distribution.spreads else torch.int64
                out = Act(
                    torch.empty(len(obs), *(self.action_space.shape or ()), dtype=kind),
                    torch.empty(len(obs)),
                    torch.empty(len(obs), self.policy.value_head.out_features),
                    torch.empty(len(obs), self.memory) if self.memory else NO_STATE,
                )
            generator = None if deterministic else self.generator
            self._fused.act(obs.numpy(), state.numpy(), generator, *(tensor.numpy() for tensor in out))
            return out
        unwaited = self.device.type == "cuda"  # elsewhere a host could read what has not been copied yet
        obs = obs.to(self.device, non_blocking=unwaited)
        parameters, value, after = self.policy.step(
            obs.float() if obs.is_floating_point() else obs, state.to(self.device, non_blocking=unwaited)
        )
        distribution = self.policy.distribution
        action = distribution.mode(parameters) if deterministic else distribution.sample(parameters, self.generator)
        result = Act(action, distribution.log_prob(parameters, action), value, after if self.memory else NO_STATE)
        if out is None:
            return result
        for target, tensor in zip(out, result, strict=True):
            target.copy_(tensor, non_blocking=unwaited)
        if unwaited:
            torch.cuda.current_stream(self.device).synchronize()  # what was copied into pinned memory is read next
        return out

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Inside, actions are drawn from a random stream started by `seed`; afterwards its own goes on."""
        state = self.generator.get_state()
        self.generator.manual_seed(seed)
        try:
            yield
        finally:
            self.generator.set_state(state)

    def value(self, obs: Tensor | np.ndarray, state: Tensor | None = None) -> Tensor:
        """The value heads' estimates, float32 [B, K], of obs [B, P] met with `state` [B, H]; see `act`."""
        return self.act(obs, state, deterministic=True).value.to(self.device)

    def value_after(self, batch: Transitions, where: Tensor) -> Tensor:
        """The values [B, K] of the true successors of those steps that `where` (bool [T, N]) names.

        They are met with what is remembered after the step, whether or not its episode ended there.
        """
        state = None
        if self.memory:
            state = self.act(batch.obs[where], batch.state[where], deterministic=True).state
        return self.value(batch.next_obs[where], state)

    def played(self, action: Tensor) -> np.ndarray:
        """What a world is given for `action` [B, …]: continuous actions in its own units, inside its bounds."""
        return self.policy.distribution.played(action).cpu().numpy()
