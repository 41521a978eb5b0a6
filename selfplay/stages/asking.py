"""What a stage of one learner has to do with labels, where a reward is learnt from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from selfplay.core.collect import World
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.label.filming import film_clips, num_worlds
from selfplay.label.segments import ClipStore
from selfplay.label.session import Labelling
from selfplay.label.sheets import Sheets
from selfplay.rewards.preferences import PreferenceReward
from selfplay.rewards.streams import LEASH
from selfplay.stages.ppo_settings import PPOStageConfig

CHARTS: dict[str, list[str]] = {
    "questions asked, labels given": ["preferences/asked", "preferences/labels"],
    "accuracy on held-out comparisons, what the teacher's noise allows": [
        "preferences/heldout_accuracy", "preferences/heldout_ceiling",
    ],
    "loss on comparisons trained on and held out (nats)": ["preferences/train_loss", "preferences/heldout_loss"],
    "correlation of learnt and true return over segments": ["preferences/return_correlation"],
    "share of comparisons that were decided": ["preferences/decided"],
}  # fmt: skip
"""TensorBoard's charts of a reward that is learnt from preferences."""


def labelling_of(config: PPOStageConfig, learner: Learner, make_worlds: Callable[[int], World], seed: int) -> Labelling:
    """What asks about the play of `learner`.

    make_worlds(count) gives worlds that can be drawn, with the channels that its rewards read.
    """
    [source] = [one.source for one in learner.streams if isinstance(one.source, PreferenceReward)]

    def film(store: ClipStore, sheets: Sheets, count: int, horizon: int, seed: int) -> list[str]:
        worlds = make_worlds(num_worlds(count))
        short = config.labels.short
        return film_clips(worlds, learner, store, sheets, count=count, horizon=horizon, seed=seed, short=short)

    return Labelling(config.labels, config.teacher, config.queries, source, film, seed)


def waits(labelling: Labelling, streams: Sequence[Stream]) -> bool:
    """Whether there is nothing to learn from yet: nobody said what is better, and nothing else is paid."""
    paid = {one.source.name for one in streams if one.weight > 0} - {LEASH}
    return not labelling.fitted and paid <= {labelling.source.name}
