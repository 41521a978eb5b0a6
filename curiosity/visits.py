"""Visits: states to 64-bit keys, and how often each was met in an episode (in a life: `curiosity.counter`).

Everything is exact in the order of time (and within a step, of environments), by sorting; no loop over steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gymnasium
import torch
from torch import Tensor

from curiosity.counter import Table, check_table, empty_table, order_of_visit
from curiosity.source import Batch
from curiosity.steps import Segments, played, segments

CHUNK = 2048  # rows that are made keys of at once: what lies between stays in the cache


def _odd(count: int, seed: int) -> Tensor:
    """Random odd numbers, int64 [count]."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    return torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator) | 1


class Keys:
    """Rows to 64-bit keys: k = Σ_p a_p·c_p modulo 2⁶⁴ with random odd a_p: multilinear hashing (Carter, Wegman 1979).

    c is the token, or for a vector the number of its bin, ⌊x / bin_width + u⌋ with u random in [0, 1) for each number:
    two numbers d apart share a bin with a chance of max(0, 1 − d / bin_width), and those that worlds prefer, such as 0,
    do not lie on the edge of one, where rounding would decide. Equal rows have equal keys; two others share one with a
    chance of 2⁻⁶⁴ over the draw of a, or 2^(j - 64) if all their differences are multiples of 2^j.

    bin_width: one for all of the P numbers of a vector, or one for each; `ValueError` for any other number of widths.
    """

    def __init__(
        self, space: gymnasium.Space, seed: int, bin_width: float | Sequence[float], device: torch.device
    ) -> None:
        size = int((space.shape or (1,))[0])
        self.bin_width: Tensor | None = None
        if not isinstance(space, gymnasium.spaces.MultiDiscrete):
            self.bin_width = torch.tensor(bin_width, dtype=torch.float64, device=device)
            if self.bin_width.dim() and len(self.bin_width) != size:
                raise ValueError(f"bin_width: {len(self.bin_width)} widths for {size} numbers (expected 1 or {size})")
        self.factors = _odd(size, seed).to(device)
        generator = torch.Generator()
        generator.manual_seed(seed + 2)
        self.offset = torch.rand(len(self.factors), generator=generator, dtype=torch.float64).to(device)

    def __call__(self, rows: Tensor) -> Tensor:
        """[B, P] to int64 [B]."""
        return torch.cat([(self._codes(part) * self.factors).sum(-1) for part in rows.split(CHUNK)])

    def _codes(self, rows: Tensor) -> Tensor:
        if self.bin_width is None:
            return rows.long()
        return (rows.double() / self.bin_width + self.offset).floor().long()

    def around(self, batch: Batch, channel: str) -> tuple[Tensor, Tensor]:
        """Keys of the states before and after the played steps of a batch, int64 [S] both."""
        steps = played(batch, channel)
        keys = self(steps.states)
        return keys[steps.now], keys[steps.next]

    def state_dict(self) -> dict[str, Tensor]:
        """factors int64 [P] and, of vectors, offset float64 [P] (u): keys mean nothing without them."""
        return {"factors": self.factors} if self.bin_width is None else {"factors": self.factors, "offset": self.offset}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self.factors = state["factors"].to(self.factors.device, copy=True)
        if self.bin_width is not None:
            self.offset = state["offset"].to(self.offset.device, copy=True)


class EpisodeVisits:
    """Which visit of its episode each state is, for N environments whose episodes go on from batch to batch.

    The state that an episode begins in counts as visited. Other numbers of environments than before begin anew.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.factors = _odd(2, seed).to(device)  # an environment and an episode are two more tokens of a key
        self.open = torch.zeros(0, dtype=torch.bool, device=device)
        self.known = empty_table(device)  # of the episodes under way
        self.env = self.known.keys  # [M], whose each of them is

    def numbers(self, batch: Batch, before: Tensor, after: Tensor) -> Tensor:
        """Which visit of its episode the state after each played step is, int64 [S], from 1.

        before, after: keys int64 [S] of the states around the played steps.
        """
        _, _, episode, keys = self._visits(batch, before, after)
        known = torch.where(episode == 0, self.known.known(keys), 0) if self._goes_on(batch) else 0
        numbers = known + order_of_visit(keys + self.factors[1] * episode) + 1
        return numbers[len(keys) - len(after) :]

    def add(self, batch: Batch, before: Tensor, after: Tensor) -> None:
        """Meet the states of a batch and keep those of episodes that go on."""
        parts, env, episode, keys = self._visits(batch, before, after)
        if not self._goes_on(batch):
            self.known, self.env = empty_table(keys.device), keys[:0]
        last = parts.episode[-1]
        new = parts.open[env] & (episode == last[env])
        old = parts.open[self.env] & (last[self.env] == 0)
        env = torch.cat([self.env[old], env[new]])
        counts = torch.cat([self.known.counts[old], torch.ones_like(keys[new])])
        keys, place = torch.cat([self.known.keys[old], keys[new]]).unique(return_inverse=True)
        self.known = Table(keys, torch.zeros_like(keys).index_add_(0, place, counts))
        self.env = torch.zeros_like(keys).index_copy_(0, place, env)
        self.open = parts.open

    def _goes_on(self, batch: Batch) -> bool:
        return len(self.open) == batch.mask.shape[1]

    def _visits(self, batch: Batch, before: Tensor, after: Tensor) -> tuple[Segments, Tensor, Tensor, Tensor]:
        """Environment, episode and key of all V visits in a batch: the beginnings, then the states after each step."""
        parts = segments(batch, self.open if self._goes_on(batch) else torch.zeros_like(batch.mask[0]))
        everyone = torch.arange(batch.mask.shape[1], device=batch.mask.device).expand_as(batch.mask)
        env, episode = (torch.cat([of[parts.begins], of[batch.mask]]) for of in (everyone, parts.episode))
        return parts, env, episode, torch.cat([before[parts.begins[batch.mask]], after]) + self.factors[0] * env

    def state_dict(self) -> dict[str, Tensor]:
        """open: bool [N]; keys, counts, env: int64 [M], the states met in the episodes under way; factors int64 [2]."""
        return {"open": self.open, "env": self.env, "factors": self.factors, **self.known._asdict()}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` unless every visit is of one of the environments."""
        env, envs = state["env"], state["open"].numel()
        if env.shape != state["keys"].shape or state["open"].dim() != 1 or state["factors"].shape != (2,):
            raise ValueError("expected open [N], factors [2], and env, keys and counts [M] alike")
        check_table(state["keys"], state["counts"])
        if ((env < 0) | (env >= envs)).any():
            raise ValueError(f"env must be below the {envs} environments of open")

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self.known = Table(*(state[key].to(self.open.device, copy=True) for key in ("keys", "counts")))
        self.open, self.env, self.factors = (
            state[key].to(self.open.device, copy=True) for key in ("open", "env", "factors")
        )
