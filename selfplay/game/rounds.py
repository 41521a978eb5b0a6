"""One round of asymmetric self-play in N worlds: Alice proposes by doing, Bob must match her, both are paid.

Everybody is rolled out first, the payoff is computed from the whole round, and only then may anyone learn: the round
hands back batches whose task reward is the player's payoff, and whoever holds the learners updates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from selfplay.core.learner import Learner
from selfplay.core.transitions import Demonstration, Transitions
from selfplay.game.config import GameConfig
from selfplay.game.field import PlayingField
from selfplay.game.moves import Moves
from selfplay.game.past import Past
from selfplay.game.payoffs import PAYOFFS, Outcome
from selfplay.game.turn import Turn, TurnPlayer


@dataclass
class Round:
    """A round played. Valid until the next one (the batches share the players' buffers).

    present: bool [N], where Alice herself played; False where a past one did.
    start, end: achieved goals [N, G] before and after Alice's turn; desired: what Bob was asked for, [N, G].
    before_alice, before_bob: snapshots of the worlds each of them began in. alice_payoff, bob_payoff: float32 [N].
    demonstration: Alice's way to the goals that Bob missed, as Bob would have seen it.
    """

    outcome: Outcome
    present: np.ndarray
    start: np.ndarray
    end: np.ndarray
    desired: np.ndarray
    before_alice: object
    before_bob: object
    alice_turn: Turn
    bob_turn: Turn
    alice_payoff: np.ndarray
    bob_payoff: np.ndarray
    alice: Transitions
    bob: Transitions
    demonstration: Demonstration | None

    @property
    def steps(self) -> int:
        """Environment steps of both players."""
        return int(self.alice_turn.steps.sum() + self.bob_turn.steps.sum())

    @property
    def lost(self) -> int:
        """Turns of both players that ended because the world broke down."""
        return int(self.alice_turn.lost.sum() + self.bob_turn.lost.sum())


F = TypeVar("F", bound=PlayingField)


class Game(Generic[F]):
    """Alice and Bob over one batch of worlds.

    past: who plays for Alice in the last worlds, a share of `config.past_share`; None: she herself does.
    """

    def __init__(self, field: F, alice: Learner, bob: Learner, config: GameConfig, past: Past | None = None):
        if config.clone_weight > 0 and config.mode == "reverse":
            raise ValueError("game.clone: Alice's way leads to Bob's goal in repeat mode only, game.mode is reverse")
        self.field, self.config = field, config
        self._past, self._present = past, np.ones(field.num_envs, bool)
        if past is not None:
            rivals = round(config.past_share * field.num_envs)
            if not 0 < rivals < field.num_envs:
                raise ValueError(
                    f"game.past_share: {config.past_share} of {field.num_envs} worlds leaves {rivals} for past Alices "
                    "(expected at least one, and one for Alice)"
                )
            self._present[-rivals:] = False
        self._alice = TurnPlayer(alice, field, config.alice_limit, config.stop)
        self._bob = TurnPlayer(bob, field, config.t_max)

    def play(self, deterministic: bool = False) -> Round:
        """Play one round on fresh levels. deterministic: both do what is likeliest instead of drawing.

        Where the world breaks down under Alice (`Turn.lost`) there is no goal: she did not say STOP, Bob does not play,
        nobody is paid. Where it does under Bob the round is void (`selfplay.game.payoffs`). No decision led there, so
        the last row of whose turn was cut, and where it was Bob's that of Alice as well, is truncated and not
        terminated: its return goes on with the value of what was seen last, as if the payoff were yet to come.
        """
        field, config, n = self.field, self.config, self.field.num_envs
        everyone = np.arange(n)
        field.generate(everyone)
        before_alice, start = field.snapshot(), field.achieved()
        limits = np.full(n, config.alice_limit)
        rival = None if self._past is None else (self._past.draw(), ~self._present)
        alice = self._alice.play(
            np.ones(n, bool), start, limits, check_goal=False, deterministic=deterministic, rival=rival
        )
        own = alice if rival is None else alice.only(self._present)
        end = field.achieved()
        proposed = (alice.stopped if config.stop else np.ones(n, bool)) & ~alice.died & ~alice.lost
        if config.mode == "repeat":
            field.restore(before_alice, everyone)
            before_bob, desired = before_alice, end
        else:
            before_bob, desired = field.snapshot(), start
        limits = np.where(proposed, config.t_max - alice.steps, 0)
        bob = self._bob.play(proposed, desired, limits, check_goal=True, deterministic=deterministic)
        outcome = Outcome(alice.steps, proposed, bob.solved, bob.steps, limits, bob.lost)
        alice_payoff, bob_payoff = PAYOFFS[config.payoff](outcome, config.payoff_scale)
        demonstration = None
        if config.clone_weight > 0:
            failed = np.flatnonzero(outcome.judged & ~bob.solved)
            demonstration = demonstrate(field, self._alice.moves, before_alice, alice, end, failed, config.clone_weight)
        return Round(
            outcome=outcome,
            present=self._present,
            start=start,
            end=end,
            desired=desired,
            before_alice=before_alice,
            before_bob=before_bob,
            alice_turn=alice,
            bob_turn=bob,
            alice_payoff=alice_payoff,
            bob_payoff=bob_payoff,
            alice=own.transitions(spread(own, alice_payoff), truncated=alice.lost | bob.lost),
            bob=bob.transitions(
                spread(bob, bob_payoff, 0.0 if config.payoff == "outcome" else -config.payoff_scale),
                truncated=bob.lost,
            ),
            demonstration=demonstration,
        )


def spread(turn: Turn, payoff: np.ndarray, running: float = 0.0) -> np.ndarray:
    """A reward [T, N] that sums to `payoff` [N] over each played turn: `running` every step, the rest on the last.

    The time payoff is a cost per step; charging it step by step leaves every return as it is and tells the critic
    sooner. A world without a played row gets nothing.
    """
    mask = turn.mask
    reward = np.where(mask, np.float32(running), np.float32(0))
    played = np.flatnonzero(turn.decisions > 0)
    last = turn.decisions[played] - 1
    reward[last, played] += payoff[played] - running * turn.decisions[played]
    return reward


def demonstrate(
    field: PlayingField, moves: Moves, before: Any, turn: Turn, desired: np.ndarray, ids: np.ndarray, weight: float
) -> Demonstration | None:
    """The environment steps of `turn` in worlds `ids`, seen with the goal `desired` [N, G]; None without a step.

    moves: those of the turn's player. Numbers are shown within their bounds, for beyond them nothing more was done.
    before: snapshot of the worlds the turn began in; the field is left where the turn ended.
    """
    field.restore(before, np.arange(field.num_envs))
    row = np.zeros((field.num_envs, *(field.observation_space.shape or ())), field.observation_space.dtype)
    seen, done = [], []
    for t in range(int(turn.steps[ids].max(initial=0))):
        active = ids[turn.steps[ids] > t]
        field.observe(desired, row, active)
        seen.append(row[active])
        done.append(moves.shown(turn.action[t, active]))
        field.step(turn.given[t], active)
    if not seen:
        return None
    return Demonstration(torch.from_numpy(np.concatenate(seen)), torch.from_numpy(np.concatenate(done)), weight)


def play_target(player: TurnPlayer, field: PlayingField) -> tuple[Turn, Transitions]:
    """One episode of the target task in every world, paid with the task's own reward; Bob sees an empty goal."""
    n = field.num_envs
    field.generate(np.arange(n))
    turn = player.play(np.ones(n, bool), None, np.full(n, field.max_steps), check_goal=False, end_on_task=True)
    return turn, turn.transitions(turn.task_reward, truncated=turn.truncated)
