"""Signs of a game that has gone wrong, one number each, for TensorBoard and the closing words of a run."""

from __future__ import annotations

ALARM_TEXT = {
    "alarm/bob_collapsed": "Bob solves less than 5 % of Alice's goals: they may have become toxic",
    "alarm/alice_silent": "Alice hands over less than 5 % of her turns: she may have forgotten to STOP",
    "alarm/alice_trivial": "more than 80 % of Alice's goals are trivial: she may have given up",
}


def alarms(scalars: dict[str, float]) -> dict[str, float]:
    """1.0 for each degenerate equilibrium that one round's scalars show, else 0.0."""
    return {
        "alarm/bob_collapsed": float(scalars.get("curriculum/solved", 1.0) < 0.05),
        "alarm/alice_silent": float(scalars["curriculum/proposed"] < 0.05),
        "alarm/alice_trivial": float(scalars.get("curriculum/trivial", 0.0) > 0.8),
    }
