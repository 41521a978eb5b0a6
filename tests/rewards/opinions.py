"""A reward from preferences that finds things good and bad without having been told."""

import torch

from selfplay.rewards.preferences import PreferenceReward


class Opinionated(PreferenceReward):
    """Its last layer is drawn, by its seed, where a new one's is 0."""

    def __init__(self, config, surroundings):
        super().__init__(config, surroundings)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for last in (self.models.head.weight_2, self.models.head.bias_2):
                last.copy_(torch.randn(last.shape, generator=generator))
