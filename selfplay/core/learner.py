"""A learner: an actor with an optimiser and reward streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import gymnasium
import torch
from torch import Tensor

from curiosity.group import ALONE, Group
from selfplay.core import sequences
from selfplay.core.acting import Actor
from selfplay.core.adam import Adam
from selfplay.core.advantages import estimate
from selfplay.core.config import PPOConfig
from selfplay.core.optimise import Optimiser
from selfplay.core.payroll import Payroll, under
from selfplay.core.policy import policy_for
from selfplay.core.ppo import Minibatch
from selfplay.core.rng import rank_seed
from selfplay.core.streams import Stream
from selfplay.core.transitions import Demonstration, Transitions
from selfplay.core.united import check_alike, normalised_together


class Learner(Actor):
    """Proximal policy optimisation on any number of reward streams.

    observation_space, action_space: of one environment. streams: at least one, of different names; the stream named
    "task" ought to be given `config.gamma`. seed: of the weights, the actions and the shuffles. device: where it all
    lives. progress: share of the run that is over, in [0, 1]; the caller moves it, the learning rate follows. group:
    the ranks that learn the same from what each of them played; actions and shuffles are drawn by each for itself.

    Constructing one draws nothing from torch's global random stream.
    """

    def __init__(
        self,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        config: PPOConfig,
        streams: Sequence[Stream],
        seed: int,
        device: torch.device | str = "cpu",
        group: Group = ALONE,
    ) -> None:
        self.config = config
        self.group = group
        device = torch.device(device)
        self._payroll = Payroll(streams, device, group)
        with torch.random.fork_rng(devices=[]), _one_thread():
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would begin CUDA's anew as well
            policy = policy_for(observation_space, action_space, config, len(self.streams))
        policy.to(device)
        self.adam = Adam(policy)
        self._optimiser = Optimiser(policy, self.adam, config, group)
        self.gradients = self._optimiser.gradients
        own = rank_seed(seed, group.rank)
        super().__init__(observation_space, action_space, policy, self.gradients.fused, own, device)
        self.updates = 0
        self._progress = 0.0

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The reward streams, in the order of the value heads."""
        return self._payroll.streams

    @property
    def progress(self) -> float:
        """Share of the run that is over, in [0, 1]."""
        return self._progress

    @progress.setter
    def progress(self, progress: float) -> None:
        if not 0 <= progress <= 1:
            raise ValueError(f"learner: progress must be in [0, 1], got {progress}")
        self._progress = float(progress)

    @property
    def fused(self) -> bool:
        """Whether a hand-written gradient is in use."""
        return self._fused is not None or self.gradients.dense is not None

    def freeze(self, prefixes: tuple[str, ...]) -> None:
        """What of the policy's parameters begins with one of `prefixes` learns nothing; said before any update."""
        self._optimiser.frozen = tuple(
            part for name, (part, _) in self.adam.slices.items() if name.startswith(prefixes)
        )

    @property
    def learning_rate(self) -> float:
        """Adam's step size now."""
        left = 1 - self._progress if self.config.lr_schedule == "linear" else 1.0
        return self.config.learning_rate * left

    def factor(self, name: str) -> float:
        """What a unit of the reward of source `name` counts for now: weight over running deviation."""
        return self._payroll.factor(name)

    def set_weight(self, name: str, weight: float) -> None:
        """From the next update on the advantage of stream `name` counts `weight` times."""
        self._payroll.set_weight(name, weight)

    def update(self, *batches: Transitions, demonstrations: Sequence[Demonstration] = ()) -> dict[str, float]:
        """Learn from what was played; batches may differ in T and N. Returns metrics.

        Every source pays, then the policy learns from all played steps together, then every source learns.

        demonstrations are cloned with the clipped ratio of OpenAI 2021 (arXiv 2101.04882, L_abc): they enter the
        surrogate with their weight for an advantage, which no normalisation touches (so `normalise_over` must be
        "batch", or nothing be normalised).

        Metrics: those of `ppo_loss` (means over minibatches), gradient_norm (before clipping), learning_rate, epochs,
        explained_variance/<stream>, reward/<stream> (mean per played step as the stream saw it), <source>/<metric>, and
        raw_reward/<stream> (as the source paid it) where a stream is rescaled. With learning rate 0 the policy stays
        as it is and the metrics of the loss are missing; the sources learn all the same.

        Raises `FloatingPointError` if a reward, the loss or the gradient is not finite; the parameters then are those
        of the last good step. `ValueError`: more than one batch with played steps for a source that remembers
        episodes, and so could not tell the batches' environments apart; ranks that played unequally much, or whose
        weights differ.
        """
        for batch in batches:
            batch.check(self.observation_space, self.action_space, len(self.streams), self.memory)
        check_alike(self.group, sum(batch.played_steps for batch in batches), self.adam.parameter)
        metrics: dict[str, float] = {"played_steps": float(sum(batch.played_steps for batch in batches))}
        places = [place for place, batch in enumerate(batches) if batch.played_steps]
        batches = tuple(batches[place].to(self.device) for place in places)
        if not batches:
            return metrics
        self._payroll.check_one_batch(len(batches))
        cut = sequences.cut(batches, self.config.sequence) if self.memory else None
        with torch.no_grad():
            seen = [self.as_played(batch) for batch in batches]
            paid = self._payroll.pay(batches, seen, places)
            steps, rows = self._flatten(batches, paid)
            metrics |= self._payroll.describe(paid, steps.returns[rows], steps.value[rows])
            metrics["demonstrated_steps"] = float(sum(len(demonstration.action) for demonstration in demonstrations))
            if metrics["demonstrated_steps"]:
                steps, rows = self._append(steps, rows, demonstrations)
        if self.config.learning_rate > 0:
            metrics |= self._optimiser.run(steps, rows, cut, self.learning_rate, self.generator, self.updates)
        normaliser = self.policy.normaliser
        if normaliser is not None and self.config.learning_rate > 0:
            for batch in batches:  # not before: what was acted on is learnt from as it was seen
                normaliser.update(batch.obs[batch.mask], self.group)
        metrics |= self._payroll.fit(batches, seen)
        self.updates += 1
        return metrics

    def watch(self, batch: Transitions) -> None:
        """Show a batch that nothing is learnt from to the sources that remember episodes."""
        batch = batch.to(self.device)
        self._payroll.watch(batch, self.as_played(batch))

    def as_played(self, batch: Transitions) -> Transitions:
        """What sources are shown: continuous actions as the world was given them."""
        if self.policy.distribution.spreads == 0:
            return batch
        return replace(batch, action=self.policy.distribution.played(batch.action))

    def _flatten(self, batches: tuple[Transitions, ...], paid: list[Tensor]) -> tuple[Minibatch, Tensor]:
        """All steps of all batches in one row each, and the numbers of the rows that were played (int64 [S])."""
        parts, streams = [], self._payroll
        for batch, reward in zip(batches, paid, strict=True):
            value = torch.where(batch.mask[..., None], batch.value, 0.0)
            begun = (lambda where, after=batch.after: self.value(after[where])) if len(batch.after) else None
            advantage = estimate(
                batch, reward, value, partial(self.value_after, batch), streams.gamma, streams.episodic,
                self.config.lam, begun,
            )  # fmt: skip
            mixed, returns = (advantage * streams.weight).sum(-1), advantage + value
            fields = (batch.obs, batch.action, batch.log_prob, mixed, returns, value)
            parts.append([field.flatten(0, 1) for field in fields])
        steps = Minibatch(
            *(torch.cat(tensors) if len(parts) > 1 else tensors[0] for tensors in zip(*parts, strict=True))
        )
        rows = torch.cat([batch.mask.flatten() for batch in batches]).nonzero()[:, 0]
        if self.config.normalise_advantage and self.config.normalise_over == "batch":
            steps.advantage[rows] = normalised_together(self.group, steps.advantage[rows])
        return steps, rows

    def _append(
        self, steps: Minibatch, rows: Tensor, demonstrations: Sequence[Demonstration]
    ) -> tuple[Minibatch, Tensor]:
        """`steps` and `rows` with the demonstrations behind; their values are held where they are."""
        if self.config.normalise_advantage and self.config.normalise_over == "minibatch":
            raise ValueError('learner: demonstrations need normalise_over "batch", got "minibatch"')
        if self.memory:
            raise ValueError("learner: demonstrations are single steps, a policy with a memory cannot clone them")
        parts = [[steps.obs, steps.action, steps.log_prob, steps.advantage, steps.returns, steps.value]]
        for demonstration in demonstrations:
            obs, action = demonstration.obs.to(self.device), demonstration.action.to(self.device)
            parameters, value = self.policy(obs)
            log_prob = self.policy.distribution.log_prob(parameters, action)
            parts.append([obs, action, log_prob, torch.full_like(log_prob, demonstration.weight), value, value])
        joined = Minibatch(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        return joined, torch.cat([rows, torch.arange(len(steps.action), len(joined.action), device=rows.device)])

    def state_dict(self) -> dict[str, Tensor]:
        """All that a resumed learner needs to go on bit-identically, flat, copied, on the CPU."""
        state = {f"policy.{name}": tensor for name, tensor in self.policy.state_dict().items()}
        state |= {f"adam.{name}": tensor for name, tensor in self.adam.state_dict().items()}
        state["generator"] = self.generator.get_state()
        state["updates"] = torch.tensor(self.updates)
        state["progress"] = torch.tensor(self._progress, dtype=torch.float64)
        state |= self._payroll.state_dict()
        return {key: tensor.detach().to("cpu", copy=True) for key, tensor in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave; `ValueError` names the first key that is missing, unknown or misshapen."""
        own = self._check(state)
        for key in state:
            if key not in own and not self._payroll.owns(key):
                streams = ", ".join(self._payroll.names)
                raise ValueError(f"learner state: {key!r} belongs to nothing here (streams: {streams})")
        self.load_policy(state)
        self._payroll.load_state_dict(state)

    def load_policy(self, state: dict[str, Tensor]) -> None:
        """Take up of what `state_dict` gave the policy, its optimiser, the random stream and the counters.

        The reward sources and scales stay as they are: they may belong to a world of another size.
        """
        here = self._check(state)
        with torch.no_grad():
            self.policy.load_state_dict(under("policy.", state))
            self.adam.load_state_dict(under("adam.", state))
        if state["generator"].shape == here["generator"].shape:
            self.generator.set_state(state["generator"])
        self.updates = int(state["updates"])
        self._progress = float(state["progress"])

    def _check(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is saved here beside sources and scales; `ValueError` if it is not in `state` in the same shape."""
        here = {key: tensor for key, tensor in self.state_dict().items() if not key.startswith(("source.", "scale."))}
        for key, tensor in here.items():
            if key not in state:
                raise ValueError(f"learner state: {key!r} is missing")
            if key == "generator" and state[key].dtype == torch.uint8:
                continue  # another device's looks different, and is left out when it is loaded
            if state[key].shape != tensor.shape or state[key].dtype != tensor.dtype:
                raise ValueError(
                    f"learner state: {key!r} must be {tensor.dtype} {list(tensor.shape)}, "
                    f"got {state[key].dtype} {list(state[key].shape)}"
                )
        return here


@contextmanager
def _one_thread() -> Iterator[None]:
    """The last bits of orthogonal weights depend on the number of threads that torch takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
