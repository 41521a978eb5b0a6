"""A reward from examples of success: a goal classifier, frozen or against the player."""

from __future__ import annotations

from collections.abc import Mapping

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curiosity.bonus import Bonus
from curiosity.config import LearnedConfig
from curiosity.features import whitening_of
from curiosity.networks import Ensemble, drawn_from
from curiosity.source import Batch, Surroundings
from curiosity.steps import spread, successors
from curiosity.training import Trainer
from selfplay.rewards.classifier_memory import Examples, Memory
from selfplay.rewards.taught_config import ClassifierConfig

CHUNK = 8192  # states that are judged at once
JUDGED = 2048  # visited states that metrics are taken over, at most


def strictest(logits: Tensor) -> Tensor:
    """The least of K members' logits [K, B], [B]: a fake must fool all."""
    return logits.min(0).values


class Members(nn.Module):
    """K classifiers with weights of their own: rows [B, P], or [K, B, P] for each its own, to logits [K, B].

    The world's encoder, ReLU, and one more hidden layer. Vectors are whitened.
    """

    def __init__(self, config: ClassifierConfig, surroundings: Surroundings, reader: str) -> None:
        super().__init__()
        space = surroundings.space(config.reads, reader)
        self.whitening = whitening_of(space)
        encoders = [surroundings.encoder(space, config.width) for _ in range(config.members)]
        self.encoders = nn.ModuleList(encoders)
        self.head = Ensemble(config.members, config.width, config.width, 1)

    def forward(self, rows: Tensor) -> Tensor:
        own = rows if rows.dim() == 3 else rows.expand(len(self.encoders), -1, -1)
        hidden = [
            encoder(one if self.whitening is None else self.whitening(one))
            for encoder, one in zip(self.encoders, own, strict=True)
        ]
        return self.head(F.relu(torch.stack(hidden)))[..., 0]


class GoalClassifier(Bonus):
    """r = C(s′) = σ(f(s′)), or f(s′): how much the state after the step looks like success. Fitted by binary
    cross-entropy to states of success and of failure, `teach` first.

    Frozen (`adversarial` false), it is exploited: of n states that it never saw and scores uniformly at random, the
    best is expected to score n / (n + 1), and with K members 1 - Γ(n + 1) Γ(1 + 1/K) / Γ(n + 1 + 1/K). Adversarial, as
    VICE (Fu et al. 2018, arXiv 1805.11686): visited states become failures and f is refitted. At its optimum
    C = D* = p⁺ / (p⁺ + p⁻), with p⁺ the successes' and p⁻ the failures' share of that state. So with balanced batches
    C(s⁺) ≥ ½ only while p⁻(s⁺) ≤ p⁺(s⁺), while the player does not visit s⁺ more often than the examples show it; not
    for all time. Unbalanced, with n⁺ and n⁻ examples, D* = n⁺p⁺ / (n⁺p⁺ + n⁻p⁻), which falls as more is visited.

    Half of the failures in a refit are states of the present batch, half are drawn from a bounded memory of all that
    was ever visited (as Shrivastava et al. 2016, arXiv 1612.07828, §2.3), random play before training included.

    An episode that terminates counts as staying in its last state for ever (absorbing states: Kostrikov et al. 2018,
    arXiv 1809.02925), so that it never pays to wait beside a goal that ends the episode.

    Differs from VICE: f does not see the policy (VICE's D = e^f / (e^f + π) does) nor the action, and the weights go on
    from refit to refit. Reads `config.reads`.
    """

    name = "classifier"

    def __init__(self, config: ClassifierConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.config = config
        with drawn_from(self.seed):
            self.members = Members(config, surroundings, self.name)
        self.members.to(self.device)
        self.trainer = Trainer(self.members, LearnedConfig(learning_rate=config.learning_rate), self.seed, self.name)
        tokens = isinstance(self.space, gymnasium.spaces.MultiDiscrete)
        width, dtype = (self.space.shape or (0,))[0], torch.uint8 if tokens else torch.float32
        self.memory = Memory(torch.zeros(0, width, dtype=dtype, device=self.device), config.memory)
        self.parts |= {"members": self.members, "trainer": self.trainer, "memory": self.memory}

    @property
    def taught(self) -> bool:
        """Whether it has examples of success."""
        return len(self.memory.success) > 0

    def teach(self, examples: Examples) -> dict[str, float]:
        """Fit to `examples`, once, before anything is played. Metrics: those of `fit`, on the failures.

        `ValueError`: no successes or no failures, or rows that are not of the channel that is read.
        """
        empty = self.memory.success[:0]
        for what, rows in (("success", examples.success), ("failure", examples.failure)):
            if rows.dim() != 2 or not len(rows) or rows.shape[1] != empty.shape[1] or rows.dtype != empty.dtype:
                raise ValueError(
                    f"classifier: examples of {what} must be {empty.dtype} [1 or more, {empty.shape[1]}] of channel "
                    f"{self.reads!r}, got {rows.dtype} {list(rows.shape)}"
                )
        if self.taught:
            raise ValueError("classifier: it has been taught already, expected teach once, before anything is played")
        examples = examples._replace(success=examples.success.to(self.device), failure=examples.failure.to(self.device))
        self.memory.learn(examples, self.trainer.generator)
        self._observe(torch.cat([examples.success, examples.failure]))
        self._train(self.config.first_steps, empty)
        return self._judge(examples.failure)

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]. `ValueError` before it was taught."""
        if not self.taught:
            raise ValueError("classifier: it has no examples of success, expected teach(examples) first")
        logit = self._logits(successors(batch, self.reads))
        paid = spread(batch, logit if self.config.pays == "logit" else logit.sigmoid())
        if self.config.absorbing:
            paid = torch.where(batch.mask & batch.terminated, paid / (1 - self.config.gamma), paid)
        return paid

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics, after the refit if there was one.

        confidence: mean C over the visited states (an even sample of at most `JUDGED`). loss, accuracy: of successes
        held out against these states, half and half, nats. missed: share of the successes held out with C < ½.
        missed_visited: the same of the true successes in the last batch that had any; not there before the first one,
        nor where the world does not say what a success is.
        """
        rows = successors(batch, self.reads)
        if not len(rows):
            return {}
        memory = self.memory
        if self.config.adversarial:
            memory.fits += 1
            self._observe(rows)
            if memory.fits % self.config.every == 0:
                self._train(self.config.refit_steps, rows)
            memory.visited.add(rows, self.trainer.generator)
        true = (batch.terminated & (batch.task_reward > 0))[batch.mask]
        if memory.succeeds and bool(true.any()):
            memory.missed = float((self._logits(rows[true]) < 0).double().mean())
        return self._judge(rows) | ({} if memory.missed is None else {"missed_visited": memory.missed})

    def _observe(self, rows: Tensor) -> None:
        if self.members.whitening is not None:
            self.members.whitening.observe(rows)

    def _train(self, steps: int, present: Tensor) -> None:
        """`steps` gradient steps on successes, the memory and the `present` batch's states [S, P]."""
        for _ in range(steps):
            rows, target = self.minibatch(present)
            loss = F.binary_cross_entropy_with_logits(self.members(rows), target, reduction="none")
            self.trainer.descend(loss.mean(-1).sum())

    def minibatch(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [K, B, P] drawn with replacement, for every member its own, and whether they are successes [K, B].

        Balanced: half of them are successes; the others come half and half from `present` [S, P] and the memory.
        """
        pools = [self.memory.success, self.memory.visited.rows, *([present] if len(present) else [])]
        size, count = self.config.minibatch_size, self.config.members
        if self.config.balanced:
            negatives = size // 2
            recent = negatives // 2 if len(present) else 0
            shares = [size - negatives, negatives - recent, *([recent] if recent else [])]
            drawn = [
                pool[self.trainer.draw(len(pool), count, share).to(self.device)]
                for pool, share in zip(pools, shares, strict=True)
            ]
            success = torch.arange(size, device=self.device) < shares[0]
            return torch.cat(drawn, 1), success.float().expand(count, -1)
        index = self.trainer.draw(sum(len(pool) for pool in pools), count, size).to(self.device)
        return torch.cat(pools)[index], (index < len(pools[0])).float()

    @torch.no_grad()
    def _logits(self, rows: Tensor) -> Tensor:
        """What counts, float32 [B] of rows [B, P]."""
        if not len(rows):
            return torch.zeros(0, device=self.device)
        return torch.cat([strictest(self.members(part)) for part in rows.split(CHUNK)])

    def _judge(self, rows: Tensor) -> dict[str, float]:
        """The metrics of `fit` on visited states [S, P], S ≥ 1."""
        failure = self._logits(rows[:: -(-len(rows) // JUDGED)]).double()
        success = self._logits(self.memory.held_out).double()
        return {
            "confidence": float(failure.sigmoid().mean()),
            "loss": float((F.softplus(-success).mean() + F.softplus(failure).mean()) / 2),
            "accuracy": float(((success >= 0).double().mean() + (failure < 0).double().mean()) / 2),
            "missed": float((success < 0).double().mean()),
        }
