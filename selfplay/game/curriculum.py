"""What Alice asked for and how it went: the numbers, the lines of `proposals.jsonl`, and the alarms."""

from __future__ import annotations

import numpy as np

from envs.ruler import STEPS, Ruler
from selfplay.game.rounds import Round

QUANTILES = (0.1, 0.5, 0.9)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def round_scalars(played: Round) -> dict[str, float]:
    """Shares, lengths and payoffs of one round, by TensorBoard tag. Means over nothing are left out.

    "alice/…" and "curriculum/…" are about the present Alice, over the worlds in which she played herself; "bob/…" are
    over all N worlds, for he plays with past Alices as with her. What became of goals and what Bob did are means over
    the goals proposed of which it is known (`Outcome.judged`).
    """
    outcome, judged, hers = played.outcome, played.outcome.judged, played.present
    known, turn = judged & hers, played.alice_turn
    hard = known & ~outcome.trivial
    scalars = {
        "alice/payoff": _mean(played.alice_payoff[hers]),
        "alice/t_A": _mean(outcome.t_alice[hers]),
        "alice/not_stopped": _mean(~(outcome.proposed | turn.died | turn.lost)[hers]),
        "alice/invalid": _mean(turn.died[hers]),
        "bob/payoff": _mean(played.bob_payoff[judged]),
        "bob/t_B": _mean(outcome.t_bob[judged & outcome.solved]),
        "bob/died": _mean(played.bob_turn.died[judged]),
        "curriculum/proposed": _mean(outcome.proposed[hers]),
        "curriculum/solved": _mean(outcome.solved[known]),
        "curriculum/solved_nontrivial": _mean(outcome.solved[hard]),
        "curriculum/trivial": _mean(outcome.trivial[known]),
    }
    return {tag: value for tag, value in scalars.items() if not np.isnan(value)}


def difficulty_scalars(shortest: np.ndarray, solved: np.ndarray, ruler: Ruler = STEPS) -> dict[str, float]:
    """Quantiles of the difficulty of goals: `shortest` [M], distances as `ruler` gives them, −1 unreachable."""
    known = shortest >= 0
    scalars = {"curriculum/unreachable": _mean(~known)} if len(shortest) and ruler.exact else {}
    if known.any():
        for q in QUANTILES:
            scalars[f"curriculum/difficulty_q{round(100 * q)}"] = float(np.quantile(shortest[known], q))
    if (known & solved).any():
        scalars["curriculum/difficulty_solved_mean"] = _mean(shortest[known & solved])
    return scalars


def in_figures(distance: float, ruler: Ruler) -> int | float | None:
    """A distance for a line of JSON: whole steps, or metres to the millimetre; None where it is −1."""
    if distance < 0:
        return None
    return int(distance) if ruler.in_steps else round(float(distance), 3)


def asked(played: Round, ids: np.ndarray) -> np.ndarray:
    """Goals of worlds `ids` and how Bob did: float64 [M, G + 1], last the share of his time he needed, NaN: failed."""
    outcome = played.outcome
    share = np.where(outcome.solved, outcome.t_bob / np.maximum(outcome.bob_limit, 1), np.nan)
    return np.hstack([played.end[ids], share[ids, None]])


def coverage(places: np.ndarray, cells: int) -> float:
    """Share of all ways from one of `cells` cells to another that goals ask for.

    places: int64 [M, 4], the cell of each goal and of its start.
    """
    ways = np.unique(places, axis=0)
    return float((ways[:, :2] != ways[:, 2:]).any(axis=1).sum() / (cells * (cells - 1)))
