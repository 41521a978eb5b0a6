"""What a round of asymmetric self-play pays Alice and Bob.

Time payoff (Sukhbaatar et al. 2017, arXiv 1703.05407, eqs. 1 and 2), with `scale` for the paper's γ:

    R_B = −scale · t_B             R_A = scale · max(0, t_B − t_A)

where t_A and t_B count environment steps; a Bob who fails is charged t_B = t_max − t_A; an Alice who never says STOP
earns nothing and Bob does not play. Outcome payoff (Sukhbaatar et al. 2018, arXiv 1811.09083): R_A = +scale if Bob
fails, else −scale, and R_B = −R_A (the paper's scale is 1). Opposed payoff, its other form with a time for R_B, less
the constant: R_B = −scale · t_B and R_A = −R_B. A Bob who is always there before t_A leaves the first two without a
slope for Alice; this one keeps one.

Where the world broke down under Bob (`Outcome.lost`) the round is void: nobody knows how long he had taken, and an
Alice who was paid as if he had failed would learn to break worlds. He pays for the steps he took, but neither for
success nor for failure, and she gets nothing; what might have come is left to their values (`selfplay.game.rounds`).

All arguments are arrays over N rounds; nothing here knows a world or a policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """How N rounds went.

    t_alice: int [N], Alice's environment steps (STOP itself is none).
    proposed: bool [N], Alice handed over a goal (said STOP, or played her fixed number of steps) and was not dead.
    solved: bool [N], Bob reached it, `t_bob == 0` included; False where nothing was proposed.
    t_bob: int [N], Bob's environment steps so far as he took them (before any charge for failing).
    bob_limit: int [N], the steps Bob was allowed.
    lost: bool [N], the world broke down in Bob's turn, and it is not known how he would have done.
    """

    t_alice: np.ndarray
    proposed: np.ndarray
    solved: np.ndarray
    t_bob: np.ndarray
    bob_limit: np.ndarray
    lost: np.ndarray

    @property
    def charged(self) -> np.ndarray:
        """t_B as the payoff counts it, int [N]: the steps taken if solved or lost, the whole limit if he failed."""
        return np.where(self.solved | self.lost, self.t_bob, self.bob_limit)

    @property
    def judged(self) -> np.ndarray:
        """bool [N]: proposed, and known how Bob did."""
        return self.proposed & ~self.lost

    @property
    def trivial(self) -> np.ndarray:
        """bool [N]: proposed, and already satisfied before Bob's first action."""
        return self.proposed & self.solved & (self.t_bob == 0)


def time_payoff(outcome: Outcome, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(R_A, R_B), float32 [N] each, of the time payoff; 0 for both where nothing was proposed."""
    alice = scale * np.maximum(0, outcome.charged - outcome.t_alice)
    bob = -scale * outcome.charged
    return _where_proposed(outcome, alice, bob)


def outcome_payoff(outcome: Outcome, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(R_A, R_B), float32 [N] each, of the outcome payoff (±scale); 0 for both where nothing was proposed."""
    bob = np.where(outcome.lost, 0.0, np.where(outcome.solved, scale, -scale))
    return _where_proposed(outcome, -bob, bob)


def opposed_payoff(outcome: Outcome, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(R_A, R_B), float32 [N] each, of the opposed payoff (±scale · t_B); 0 for both where nothing was proposed."""
    bob = -scale * outcome.charged
    return _where_proposed(outcome, -bob, bob)


def _where_proposed(outcome: Outcome, alice, bob) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.where(outcome.judged, alice, 0.0).astype(np.float32),
        np.where(outcome.proposed, bob, 0.0).astype(np.float32),
    )


PAYOFFS = {"time": time_payoff, "outcome": outcome_payoff, "opposed": opposed_payoff}
