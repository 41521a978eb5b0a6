"""Pictures of the game: a round frame by frame, and where goals lie."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib import colormaps

from selfplay.game.field import CurriculumField
from selfplay.game.rounds import Round
from selfplay.game.turn import Turn
from selfplay.pictures import BLUE, HOLD, heatmap, titled

_ALICE, _BOB = (214, 96, 77), BLUE


def round_frames(
    field: CurriculumField,
    played: Round,
    index: int = 0,
    *,
    longest: int = 100_000,
    stride: int = 1,
    hold: int = HOLD,
    most: int | None = None,
) -> Iterator[np.ndarray]:
    """A round `played` in `field`, as it was in world `index`: Alice's turn, then Bob's. Frames uint8 [H, W, 3].

    longest: steps of a turn that are shown.  stride: steps from frame to frame; the start and the end of a turn stay
    for `hold` frames.  most: about how many frames there may be of a turn, with a larger stride where need be.
    """

    def replay(
        name: str, colour: tuple[int, int, int], before: object, turn: Turn, end: str, desired: np.ndarray | None
    ) -> Iterator[np.ndarray]:
        """The turn's actions again from snapshot `before`, with the way the agent came; `end` is said at the end.

        desired: the goal [G] that is marked, None: none.
        """
        trail: list[np.ndarray] = []

        def show(text: str, times: int) -> list[np.ndarray]:
            way = np.array(trail) if trail else None
            return [titled(field.frame(index, desired, way), text, colour)] * times

        def note() -> None:
            if (place := field.place(index)) is not None:
                trail.append(place)

        steps = int(turn.steps[index])
        shown = min(steps, longest)
        apart = max(stride, -(-shown // most) if most else 1)
        field.restore(before, np.arange(field.num_envs))
        note()
        yield from show(f"{name}: start" if steps else f"{name}: 0 steps, {end}", hold)
        for t in range(shown):
            field.step(turn.given[t], np.array([index]))
            note()
            if t == shown - 1:
                yield from show(f"{name} {t + 1}, {end if shown == steps else 'goes on'}", hold)
            elif (t + 1) % apart == 0:
                yield from show(f"{name} {t + 1}", 1)

    outcome = played.outcome
    proposed = bool(outcome.proposed[index])
    handed = "hands over" if proposed else "no goal"
    yield from replay("Alice", _ALICE, played.before_alice, played.alice_turn, handed, None)
    if proposed:
        end = "solved" if outcome.solved[index] else "failed"
        yield from replay("Bob", _BOB, played.before_bob, played.bob_turn, end, played.desired[index])


def outcome_colours(share: np.ndarray) -> np.ndarray:
    """Colours uint8 [M, 3] for goals by the `share` [M] of his time that Bob needed: red where he failed (NaN).

    Else from dark blue, at once, to yellow, all of it.
    """
    colours = np.round(colormaps["viridis"](np.nan_to_num(share))[:, :3] * 255).astype(np.uint8)
    colours[np.isnan(share)] = _ALICE
    return colours


def goal_heatmap(
    goals: np.ndarray, shape: tuple[int, int], y_up: bool, walls: np.ndarray | None = None, pixels: int = 24
) -> np.ndarray:
    """Where goals lie, as an RGB picture uint8 [H·pixels, W·pixels, 3]: dark is rare, yellow is the most visited cell.

    goals: int [M, 2], x and y of each goal; shape: (W, H); y_up: whether y grows upwards; walls: see `heatmap`.
    """
    counts = np.zeros(shape)
    np.add.at(counts, (goals[:, 0], goals[:, 1]), 1)
    return heatmap(counts, pixels, walls, y_up)
