"""E3B: paid for features that the episode has not spanned yet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from curiosity.bonus import Bonus
from curiosity.config import E3BConfig
from curiosity.features import InverseFeatures
from curiosity.networks import drawn_from
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, segments
from curiosity.training import Trainer

CELLS = 2**18  # numbers in the largest matrix that is made at once


class Ellipse:
    """Σ φφᵀ over the episodes under way, float64 [N, F, F], and which go on, bool [N].

    In float32 what is small beside the sum is rounded off, and with it the ridge: features far from zero then leave a
    C that is not even positive definite.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.size = size
        self.open = torch.zeros(0, dtype=torch.bool, device=device)
        self.total = torch.zeros(0, size, size, dtype=torch.float64, device=device)

    def state_dict(self) -> dict[str, Tensor]:
        """open and total."""
        return {"open": self.open, "total": self.total}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` unless open and total are of the same environments."""
        if state["open"].dim() != 1 or state["total"].shape != (len(state["open"]), self.size, self.size):
            raise ValueError(
                f"expected open [N] and total [N, {self.size}, {self.size}], "
                f"got {list(state['open'].shape)} and {list(state['total'].shape)}"
            )

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self.open, self.total = (state[key].to(self.open.device, copy=True) for key in ("open", "total"))


def bonuses(phi: Tensor, start: Tensor, episode: Tensor, total: Tensor, ridge: float) -> Tensor:
    """φ_tᵀ C_t⁻¹ φ_t, float64 [N, T], with C_t = ridge·I + Σ φφᵀ over what the episode had before step t.

    phi: float64 [N, T, F], zero for steps that count for nothing. start: [N, T, F], the features of the state that the
    step's episode began in, zero for episode 0, whose earlier sum is total [N, F, F]. episode: int64 [N, T].

    With G_ij = φ_iᵀ C₀⁻¹ φ_j inside an episode and 0 between two, the Cholesky factor L of I + G has
    L_tt² = 1 + φ_tᵀ C_t⁻¹ φ_t (a Schur complement and Woodbury's identity): all the rank-1 updates of C⁻¹ at once.
    """
    identity = torch.eye(phi.shape[-1], dtype=phi.dtype, device=phi.device)
    factor = torch.linalg.cholesky(ridge * identity + total)
    carried = torch.linalg.solve_triangular(factor, phi.mT, upper=False).mT
    # of C₀ = ridge·I + start startᵀ: C₀^(−1/2) = (I − start startᵀ / (l + √(ridge·l))) / √ridge, l = ridge + ‖start‖²
    length = ridge + start.square().sum(-1, keepdim=True)
    fresh = (phi - start * ((phi * start).sum(-1, keepdim=True) / (length + (ridge * length).sqrt()))) / ridge**0.5
    root = torch.where((episode == 0)[:, :, None], carried, fresh)
    gram = (root @ root.mT).masked_fill_(episode[:, :, None] != episode[:, None, :], 0.0)
    gram.diagonal(dim1=-2, dim2=-1).add_(1)
    return torch.linalg.cholesky(gram).diagonal(dim1=-2, dim2=-1).square() - 1


class E3B(Bonus):
    """r = φ(s′)ᵀ C⁻¹ φ(s′), C = ridge·I + Σ φφᵀ over all states of the episode before s′, the one it began in included.

    Henaff et al. 2022 (arXiv 2210.05805, eq. 1). φ learns from an inverse model; C goes on over batches, each state
    with φ as it was then. Reads `config.reads`.
    Differs: the paper's algorithm begins with C = ridge·I and adds what is stepped into, so that going back to where
    the episode began pays as something new; here φφᵀ of that state is in C from the first step on. No rank-1 updates of
    C⁻¹, but one Cholesky factorisation with the same values (see `bonuses`).
    """

    name = "e3b"
    remembers = True

    def __init__(self, config: E3BConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.ridge = config.ridge
        with drawn_from(self.seed):
            self.phi = InverseFeatures(surroundings, self.space, config.width, config.feature_width, self.name)
        self.phi.to(self.device)
        self.memory = Ellipse(config.feature_width, self.device)
        self.trainer = Trainer(self.phi, config, self.seed, self.name, self.group)
        self.parts |= {"net": self.phi, "trainer": self.trainer, "memory": self.memory}

    def _carried(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Which episodes go on into this batch and what they spanned; nothing if N has changed."""
        count = batch.mask.shape[1]
        if len(self.memory.open) == count:
            return self.memory.open, self.memory.total
        return torch.zeros_like(batch.mask[0]), self.memory.total.new_zeros(count, *self.memory.total.shape[1:])

    def _featured(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """φ of the states after and before each step, float64 [N, T, F] twice, zero where nothing was played."""
        steps = played(batch, self.reads)
        phi = self.phi(steps.states).double()
        out = phi.new_zeros(2, *batch.mask.shape, phi.shape[-1])
        out[0][batch.mask], out[1][batch.mask] = phi[steps.next], phi[steps.now]
        after, before = out.transpose(1, 2)
        return after, before

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        after, before = self._featured(batch)
        open, total = self._carried(batch)
        parts = segments(batch, open)
        # the number of the step that began each step's episode, T where none did in this batch
        place = torch.arange(len(batch.mask), device=self.device)[:, None]
        began = torch.where(parts.begins, place, 0).cummax(0).values.T
        episode = parts.episode.T
        out = []
        envs = max(1, CELLS // max(1, len(batch.mask)) ** 2)
        for part in torch.arange(len(episode), device=self.device).split(envs):
            start = before[part].gather(1, began[part][..., None].expand(-1, -1, before.shape[-1]))
            start = torch.where((episode[part] > 0)[..., None], start, 0.0)
            out.append(bonuses(after[part], start, episode[part], total[part], self.ridge))
        return torch.where(batch.mask, torch.cat(out).T, 0.0).float()

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: loss, inverse_loss, inverse_accuracy (if Discrete)."""
        with torch.no_grad():
            after, before = self._featured(batch)
            open, total = self._carried(batch)
            parts = segments(batch, open)
            last = parts.episode[-1]
            kept = (parts.open & (parts.episode == last)).T[..., None]
            after, before = after * kept, before * (kept & parts.begins.T[..., None])
            total = torch.where((parts.open & (last == 0))[:, None, None], total, 0.0)
            self.memory.total = total + after.mT @ after + before.mT @ before
            self.memory.open = parts.open
        steps = played(batch, self.reads)
        self.phi.observe(steps.states)

        def loss(index: Tensor) -> dict[str, Tensor]:
            rows = steps.states[torch.cat([steps.now[index], steps.next[index]])]
            metrics = self.phi.metrics(self.phi(rows), steps.action[index])
            return {"loss": metrics["inverse_loss"], **metrics}

        return self.trainer.run(len(steps.now), loss, self.device)
