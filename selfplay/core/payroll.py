"""What the reward streams of one learner pay: by whom, by which scale, and what it counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from curiosity.group import Group
from selfplay.core.streams import ReturnScale, Stream, check_streams
from selfplay.core.transitions import Transitions


class Payroll:
    """The streams of a learner, in the order of its value heads, and the running scales of those that are rescaled.

    streams: at least one, of different names. gamma, weight: float32 [K]. episodic: bool [K].
    """

    def __init__(self, streams: Sequence[Stream], device: torch.device, group: Group) -> None:
        self.streams = check_streams(streams)
        self.device = device
        self._scales = {s.source.name: ReturnScale(s.gamma, group) for s in self.streams if s.rescale}
        self._raw: dict[str, float] = {}  # stream -> what its source paid in the update under way, before rescaling
        self.gamma = torch.tensor([s.gamma for s in self.streams], device=device)
        self.weight = torch.tensor([s.weight for s in self.streams], device=device)
        self.episodic = torch.tensor([s.source.episodic for s in self.streams], device=device)

    @property
    def names(self) -> list[str]:
        """The names of the sources."""
        return [stream.source.name for stream in self.streams]

    def factor(self, name: str) -> float:
        """What a unit of the reward of source `name` counts for now: weight over running deviation."""
        stream = self.streams[self.names.index(name)]
        return stream.weight / (self._scales[name].deviation if stream.rescale else 1.0)

    def set_weight(self, name: str, weight: float) -> None:
        """From now on stream `name` counts `weight` times."""
        if name not in self.names:
            raise ValueError(f"learner: no stream {name!r}")
        self.streams = check_streams(
            [replace(stream, weight=weight) if stream.source.name == name else stream for stream in self.streams]
        )
        self.weight = torch.tensor([s.weight for s in self.streams], device=self.device)

    def check_one_batch(self, count: int) -> None:
        """`ValueError` if a source that remembers episodes would be given `count` > 1 batches."""
        for stream in self.streams:
            if count > 1 and getattr(stream.source, "remembers", False):
                raise ValueError(
                    f"reward source {stream.source.name!r} remembers episodes and takes one batch in an update, "
                    f"got {count}"
                )

    def pay(self, batches: Sequence[Transitions], shown: Sequence[Transitions], places: Sequence[int]) -> list[Tensor]:
        """Float32 [T, N, K] for each batch of an update: what every stream pays, 0 where nothing was played.

        shown: the batches as sources see them. places: their numbers among all that the update was given.
        """
        self._raw = dict.fromkeys(self._scales, 0.0)
        return [self._pay(*one) for one in zip(batches, shown, places, strict=True)]

    def _pay(self, batch: Transitions, shown: Transitions, place: int) -> Tensor:
        rewards = []
        for stream in self.streams:
            name = stream.source.name
            reward = stream.source.reward(batch if _as_drawn(stream) else shown)
            if reward.shape != batch.mask.shape:
                raise ValueError(
                    f"reward source {name!r} must pay [T, N] = {list(batch.mask.shape)}, got {list(reward.shape)}"
                )
            reward = torch.where(batch.mask, reward.detach().float(), 0.0)
            if not bool(reward.isfinite().all()):
                odd = reward[~reward.isfinite()][0].item()
                raise FloatingPointError(f"reward source {name!r} paid {odd}, expected finite numbers")
            if stream.rescale:
                self._raw[name] += float(reward.cpu().numpy().sum(dtype=np.float64))
                ends = batch.done if stream.source.episodic else None
                self._scales[name].update(reward, batch.mask, place, ends)
                reward = reward / self._scales[name].deviation
            rewards.append(reward)
        return torch.stack(rewards, -1)

    def describe(self, paid: Sequence[Tensor], returns: Tensor, value: Tensor) -> dict[str, float]:
        """Mean reward and explained variance of every stream.

        paid: of `pay`. returns, value: float32 [S, K], of the steps that were played.
        """
        metrics = {}
        # numpy adds in one order; torch's order, and with it the last bits, depends on its threads
        aims, guesses = returns.cpu().numpy(), value.cpu().numpy()
        spread, residual = aims.var(0, dtype=np.float64), (aims - guesses).var(0, dtype=np.float64)
        for k, name in enumerate(self.names):
            total = sum(float(reward[..., k].cpu().numpy().sum(dtype=np.float64)) for reward in paid)
            metrics[f"reward/{name}"] = total / len(aims)
            if name in self._scales:
                metrics[f"raw_reward/{name}"] = self._raw[name] / len(aims)
            metrics[f"explained_variance/{name}"] = float(1 - residual[k] / spread[k] if spread[k] > 0 else math.nan)
        return metrics

    def fit(self, batches: Sequence[Transitions], shown: Sequence[Transitions]) -> dict[str, float]:
        """Every source learns from what was played; its metrics, as <source>/<metric>, are means over batches."""
        metrics = {}
        for stream in self.streams:
            fitted = [stream.source.fit(batch) for batch in (batches if _as_drawn(stream) else shown)]
            for key in fitted[0]:
                metrics[f"{stream.source.name}/{key}"] = sum(float(one[key]) for one in fitted) / len(fitted)
        return metrics

    def watch(self, batch: Transitions, shown: Transitions) -> None:
        """Nothing is learnt from this batch, but who remembers episodes must not miss a part of one.

        A source may have a `watch(batch)` of its own for that, else it pays and learns as ever.
        """
        for stream in self.streams:
            source, seen = stream.source, batch if _as_drawn(stream) else shown
            if hasattr(source, "watch"):
                source.watch(seen)
            elif getattr(source, "remembers", False):
                source.reward(seen)
                source.fit(seen)

    def state_dict(self) -> dict[str, Tensor]:
        """Flat mapping of tensors, `source.<name>.…` and `scale.<name>.…`."""
        state: dict[str, Tensor] = {}
        for stream in self.streams:
            name = stream.source.name
            state |= {f"source.{name}.{key}": tensor for key, tensor in stream.source.state_dict().items()}
            if stream.rescale:
                state |= {f"scale.{name}.{key}": tensor for key, tensor in self._scales[name].state_dict().items()}
        return state

    def owns(self, key: str) -> bool:
        """Whether `key` could be one of `state_dict`'s."""
        kind, name, *_ = [*key.split("."), ""]
        return (kind == "source" and name in self.names) or (kind == "scale" and name in self._scales)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up of `state` what belongs to the streams here."""
        for stream in self.streams:
            stream.source.load_state_dict(under(f"source.{stream.source.name}.", state))
        for name, scale in self._scales.items():
            scale.load_state_dict(under(f"scale.{name}.", state), self.device)


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What of `state` has keys that begin with `prefix`, without it."""
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def _as_drawn(stream: Stream) -> bool:
    """Whether its source is shown continuous actions as the policy drew them, and not as the world was given them."""
    return getattr(stream.source, "as_drawn", False)
