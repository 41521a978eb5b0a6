"""How much of what a teacher knows a reward has learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from selfplay.label.events import Label, self_agreement
from selfplay.label.pairs import Pairs
from selfplay.label.segments import Segments
from selfplay.label.teachers import ScriptedTeacher, ceiling_bounds
from selfplay.rewards.preferences import PreferenceReward

MOST = 512  # segments


def likeness(source: PreferenceReward, segments: Segments) -> dict[str, float]:
    """return_correlation: of the learnt and the true undiscounted return, over at most `MOST` segments of the play.

    Pearson's, of what is paid (normalised, in sum over a segment) with the task's reward; left out where either is the
    same for all. Where the play is no better than chance there may be little to correlate.
    """
    count = len(segments)
    if count == 0:
        return {}
    chosen = segments.take(list(range(0, count, -(-count // MOST))))
    steps = chosen.steps.to(source.device)
    learnt = source.reward(steps).sum(0).double().cpu()
    true = torch.where(steps.mask, steps.task_reward, 0.0).sum(0).double().cpu()
    learnt, true = learnt - learnt.mean(), true - true.mean()
    scale = float(learnt.norm() * true.norm())
    return {"return_correlation": float(learnt @ true) / scale} if scale > 1e-9 else {}


def ceilings(labels: Sequence[Label], pairs: Pairs, script: ScriptedTeacher | None) -> dict[str, float]:
    """What accuracy the teacher's own noise allows on the held-out `pairs`: of a script `ceiling`, exactly; nothing of
    one that errs in rankings.

    Of people who were asked some pairs again self_agreement, and between what the ceiling lies: ceiling_low and
    ceiling_high. Of several the first by name. Empty where nothing can be said.
    """
    if script is not None:
        held = pairs.where(pairs.held_out)
        ranked = any(len(label.query.clips) > 2 for label in labels)
        teacher = script.in_rankings() if ranked else script
        if not len(held) or teacher is None:
            return {}
        best = teacher.ceiling(held.steps, torch.stack([held.left, held.right], -1)).best
        return {"ceiling": best} if best == best else {}
    for name in sorted({label.teacher for label in labels}):
        found = self_agreement(labels, name, decided=True)
        if found.pairs:
            low, high = ceiling_bounds(found.share)
            return {"self_agreement": found.share, "ceiling_low": low, "ceiling_high": high}
    return {}
