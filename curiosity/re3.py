"""RE3: paid for being far from everything else that was visited."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from curiosity.bonus import Bonus
from curiosity.config import RE3Config
from curiosity.features import InverseFeatures, make_features
from curiosity.networks import drawn_from
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, spread
from curiosity.training import Trainer

CHUNK = 2048  # points at once: their distances stay in the cache


def neighbour_distance(points: Tensor, chosen: Tensor, k: int) -> Tensor:
    """Distance of each of points [S, F] to its k-th neighbour among points[chosen] (int64 [M]), itself left out: [S].

    To the furthest if there are fewer than k; 0 if there are none.
    """
    k = min(k, len(chosen) - 1)
    if k < 1:
        return points.new_zeros(len(points))
    among = points[chosen]
    norms = among.square().sum(-1)
    number = torch.full((len(points),), -1, device=points.device)
    number[chosen] = torch.arange(len(chosen), device=points.device)  # of a point among the chosen
    out = []
    for part, its in zip(points.split(CHUNK), number.split(CHUNK), strict=True):
        near = torch.addmm(norms, part, among.T, alpha=-2)  # squared distances but for the point's own norm
        own = its >= 0
        near[own, its[own]] = torch.inf
        nearest = near.topk(k, largest=False, sorted=False).indices
        # what is paid is worked out anew, without the cancellation above
        apart = [(among[nearest[:, i]] - part).square().sum(-1) for i in range(k)]
        out.append(torch.stack(apart).amax(0).sqrt())
    return torch.cat(out)


class RE3(Bonus):
    """r = log(1 + ‖y − y_k‖), y the features of s′ and y_k their k-th nearest neighbour's.

    Random features and k = 3: Seo et al. 2021 (arXiv 2102.09430, eq. 4). With `features` "inverse" and k = 12 in the
    manner of APT (Liu and Abbeel 2021, arXiv 2103.04551), whose features are contrastive and whose distance is a mean
    over neighbours. Neighbours are sought among at most `among` states of the same batch, drawn anew for each batch, so
    that the cost is linear in the batch. Reads `config.reads`. Differs: the paper seeks among all the batch or a replay
    buffer; the fewer are sought among, the larger all distances are.
    """

    name = "re3"

    def __init__(self, config: RE3Config, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.k, self.among = config.k, config.among
        with drawn_from(self.seed):
            self.features = make_features(config.features, config, surroundings, self.name)
        self.features.to(self.device)
        self.trainer = Trainer(self.features, config, self.seed, self.name, self.group)
        self.parts |= {"net": self.features, "trainer": self.trainer}

    def _distances(self, batch: Batch) -> Tensor:
        steps = played(batch, self.reads)
        draw = torch.Generator()
        draw.set_state(self.trainer.generator.get_state())  # a copy: to pay leaves no trace
        chosen = torch.randperm(len(steps.now), generator=draw)[: self.among].to(self.device)
        return neighbour_distance(self.features(steps.states)[steps.next], chosen, self.k)

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        return spread(batch, self._distances(batch).log1p())

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: of features that learn loss, inverse_loss and inverse_accuracy (if Discrete); of others none."""
        steps = played(batch, self.reads)
        self.features.observe(steps.states)
        self.trainer.draw(2, 1)  # other neighbours next time
        features = self.features
        if not isinstance(features, InverseFeatures):
            return {}

        def loss(index: Tensor) -> dict[str, Tensor]:
            rows = steps.states[torch.cat([steps.now[index], steps.next[index]])]
            metrics = features.metrics(features(rows), steps.action[index])
            return {"loss": metrics["inverse_loss"], **metrics}

        return self.trainer.run(len(steps.now), loss, self.device)
