"""Pictures of the game: a round frame by frame, and where goals lie."""

from __future__ import annotations

import numpy as np

from selfplay.game.field import CurriculumField
from selfplay.game.rounds import Game
from selfplay.game.turn import Turn
from selfplay.pictures import BLUE, heatmap, titled

_ALICE, _BOB = (214, 96, 77), BLUE
_HOLD = 6  # frames that the start and the end of a turn stay


class _Film:
    """Frames of one world of a field, with a title bar.

    The field needs `frame(index)`: uint8 [H, W, 3].
    """

    def __init__(self, field: CurriculumField, index: int):
        self.field, self.index = field, index
        self.frames: list[np.ndarray] = []

    def show(self, text: str, colour: tuple[int, int, int], hold: bool) -> None:
        frame = titled(self.field.frame(self.index), text, colour)
        self.frames += [frame] * (_HOLD if hold else 1)

    def replay(self, name: str, colour: tuple[int, int, int], before: object, turn: Turn, end: str) -> None:
        """Play the turn's actions again from snapshot `before`, a frame a step; `end` is said on the last."""
        steps = int(turn.steps[self.index])
        self.field.restore(before, np.arange(self.field.num_envs))
        self.show(f"{name}: start" if steps else f"{name}: 0 steps, {end}", colour, hold=True)
        for t in range(steps):
            self.field.step(turn.action[t], np.array([self.index]))
            last = t == steps - 1
            self.show(f"{name} {t + 1}" + (f", {end}" if last else ""), colour, hold=last)


def round_frames(game: Game[CurriculumField], index: int = 0) -> list[np.ndarray]:
    """Plays one round and shows it in world `index`: Alice's turn, then Bob's. Frames uint8 [H, W, 3]."""
    played, film = game.play(), _Film(game.field, index)
    proposed = bool(played.outcome.proposed[index])
    film.replay("Alice", _ALICE, played.before_alice, played.alice_turn, "STOP" if proposed else "no goal")
    if proposed:
        end = "solved" if played.outcome.solved[index] else "failed"
        film.replay("Bob", _BOB, played.before_bob, played.bob_turn, end)
    return film.frames


def goal_heatmap(goals: np.ndarray, shape: tuple[int, int], pixels: int = 24) -> np.ndarray:
    """Where goals lie, as an RGB picture uint8 [H·pixels, W·pixels, 3]: dark is rare, yellow is the most visited cell.

    goals: int [M, 2], x and y of each goal; shape: (W, H).
    """
    counts = np.zeros(shape)
    np.add.at(counts, (goals[:, 0], goals[:, 1]), 1)
    return heatmap(counts, pixels)
