"""Pictures of the game: a round frame by frame, and where goals lie."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps

from selfplay.game.field import CurriculumField
from selfplay.game.rounds import Game
from selfplay.game.turn import Turn
from selfplay.pictures import BLUE, heatmap, titled

_ALICE, _BOB = (214, 96, 77), BLUE
_HOLD = 6  # frames that the start and the end of a turn stay


class _Film:
    """Frames of one world of a field, with a title bar; of a turn some `longest`, evenly apart, and the last."""

    def __init__(self, field: CurriculumField, index: int, longest: int):
        self.field, self.index, self.longest = field, index, longest
        self.frames: list[np.ndarray] = []

    def show(self, text: str, colour: tuple[int, int, int], hold: bool, desired: np.ndarray | None) -> None:
        frame = titled(self.field.frame(self.index, desired), text, colour)
        self.frames += [frame] * (_HOLD if hold else 1)

    def replay(
        self, name: str, colour: tuple[int, int, int], before: object, turn: Turn, end: str,
        desired: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Play the turn's actions again from snapshot `before`; `end` is said on the last frame.

        desired: the goal [G] that is marked, None: none.
        """
        steps = int(turn.steps[self.index])
        stride = max(1, -(-steps // self.longest))
        self.field.restore(before, np.arange(self.field.num_envs))
        self.show(f"{name}: start" if steps else f"{name}: 0 steps, {end}", colour, True, desired)
        for t in range(steps):
            self.field.step(turn.given[t], np.array([self.index]))
            last = t == steps - 1
            if last or (t + 1) % stride == 0:
                self.show(f"{name} {t + 1}" + (f", {end}" if last else ""), colour, last, desired)


def round_frames(game: Game[CurriculumField], index: int = 0, longest: int = 100_000) -> list[np.ndarray]:
    """Plays one round and shows it in world `index`: Alice's turn, then Bob's. Frames uint8 [H, W, 3].

    longest: about how many frames of a turn.
    """
    played, film = game.play(), _Film(game.field, index, longest)
    proposed = bool(played.outcome.proposed[index])
    film.replay("Alice", _ALICE, played.before_alice, played.alice_turn, "hands over" if proposed else "no goal")
    if proposed:
        end = "solved" if played.outcome.solved[index] else "failed"
        film.replay("Bob", _BOB, played.before_bob, played.bob_turn, end, played.desired[index])
    return film.frames


def outcome_colours(share: np.ndarray) -> np.ndarray:
    """Colours uint8 [M, 3] for goals by the `share` [M] of his time that Bob needed: red where he failed (NaN).

    Else from dark blue, at once, to yellow, all of it.
    """
    colours = np.round(colormaps["viridis"](np.nan_to_num(share))[:, :3] * 255).astype(np.uint8)
    colours[np.isnan(share)] = _ALICE
    return colours


def goal_heatmap(goals: np.ndarray, shape: tuple[int, int], y_up: bool, pixels: int = 24) -> np.ndarray:
    """Where goals lie, as an RGB picture uint8 [H·pixels, W·pixels, 3]: dark is rare, yellow is the most visited cell.

    goals: int [M, 2], x and y of each goal; shape: (W, H); y_up: whether y grows upwards.
    """
    counts = np.zeros(shape)
    np.add.at(counts, (goals[:, 0], goals[:, 1]), 1)
    return heatmap(counts, pixels, y_up=y_up)
