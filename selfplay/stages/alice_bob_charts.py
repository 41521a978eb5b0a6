"""TensorBoard's page of charts of asymmetric self-play."""

from __future__ import annotations

from collections.abc import Sequence

from envs.ruler import Ruler
from selfplay.board import Band, Layout
from selfplay.game.scores import pace_name, pace_title

_LEARNING_CHARTS = {
    "entropy (nats)": ["alice/train/entropy", "bob/train/entropy"],
    "KL to the acting policy (nats)": ["alice/train/approx_kl", "bob/train/approx_kl"],
    "explained variance": ["alice/train/explained_variance/task", "bob/train/explained_variance/task"],
}
_TARGET_CHARTS = {
    "target task, fresh levels": ["eval/target_success"],
    "target task, training": ["bob/target_success"],
}


def charts(ruler: Ruler, covers: bool, target: bool) -> Layout:
    """The charts, for distances as `ruler` gives them.

    covers: whether it is measured how many ways Alice asks for.  target: whether Bob also plays the target task.
    """
    curriculum: dict[str, Sequence[str] | Band] = {
        f"difficulty of Alice's goals ({ruler.name}, {ruler.unit}; 10 %, median, 90 %)": Band(
            "curriculum/difficulty_q50", "curriculum/difficulty_q10", "curriculum/difficulty_q90"
        ),
        "what became of her goals (solved, trivial)": ["curriculum/solved", "curriculum/trivial"],
        "turns without a goal (no STOP, dead)": ["alice/not_stopped", "alice/invalid"],
        "length of the turns (steps)": ["alice/t_A", "bob/t_B"],
        "payoffs": ["alice/payoff", "bob/payoff"],
    }
    if covers:
        curriculum["share of all ways between two cells that her recent goals ask for"] = ["curriculum/coverage"]
    can: dict[str, Sequence[str] | Band] = {
        "success on uniformly drawn goals": ["eval/zero_shot"],
        f"{pace_title(ruler)} on these": [f"eval/zero_shot_{pace_name(ruler)}"],
        "from Alice's ends back to her starts (Bob returned, a way there is)": [
            "eval/returned",
            "eval/return_possible",
        ],
    }
    if target:
        can |= _TARGET_CHARTS
    return {"curriculum": curriculum, "what Bob can do": can, "learning": _LEARNING_CHARTS}
