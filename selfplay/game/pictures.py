"""Pictures of the game: a round frame by frame, and where goals lie."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from selfplay.core.learner import Learner
from selfplay.game.field import CurriculumField
from selfplay.game.rounds import Game
from selfplay.game.turn import Turn, TurnPlayer

_ALICE, _BOB, _BAR = (214, 96, 77), (67, 147, 195), 18
_HOLD = 6  # frames that the start and the end of a turn stay


class _Film:
    """Frames of one world of a field, with a title bar.

    The field needs `frame(index)`: uint8 [H, W, 3].
    """

    def __init__(self, field: CurriculumField, index: int):
        self.field, self.index = field, index
        self.frames: list[np.ndarray] = []

    def show(self, text: str, colour: tuple[int, int, int], hold: bool) -> None:
        frame = _titled(self.field.frame(self.index), text, colour)
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


def episode_frames(learner: Learner, field: CurriculumField, index: int = 0) -> list[np.ndarray]:
    """Plays one episode of the task and shows it in world `index`. Frames uint8 [H, W, 3]."""
    field.generate(np.arange(field.num_envs))
    before, player = field.snapshot(), TurnPlayer(learner, field, field.max_steps)
    limits = np.full(field.num_envs, field.max_steps)
    turn = player.play(np.ones(field.num_envs, bool), None, limits, check_goal=False, end_on_task=True)
    film = _Film(field, index)
    film.replay("step", _BOB, before, turn, "done" if turn.finished[index] else "not done")
    return film.frames


def _titled(picture: np.ndarray, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    height, width, _ = picture.shape
    canvas = Image.new("RGB", (width, height + _BAR), colour)
    canvas.paste(Image.fromarray(picture), (0, _BAR))
    ImageDraw.Draw(canvas).text((4, 3), text, fill="white")
    return np.asarray(canvas)


def goal_heatmap(goals: np.ndarray, shape: tuple[int, int], pixels: int = 24) -> np.ndarray:
    """Where goals lie, as an RGB picture uint8 [H·pixels, W·pixels, 3]: dark is rare, yellow is the most visited cell.

    goals: int [M, 2], x and y of each goal; shape: (W, H).
    """
    counts = np.zeros(shape)
    np.add.at(counts, (goals[:, 0], goals[:, 1]), 1)
    share = counts / max(counts.max(), 1)
    colours = (colormaps["viridis"](np.sqrt(share).T)[..., :3] * 255).astype(np.uint8)
    return colours.repeat(pixels, 0).repeat(pixels, 1)
