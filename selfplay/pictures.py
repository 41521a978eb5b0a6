"""Pictures of what a player does: an episode frame by frame, and where it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw

from selfplay.core.acting import Actor

BLUE = (67, 147, 195)
_WALL = (150, 152, 160)
_BAR = 18
HOLD = 6
"""Frames that the start and the end stay."""
LONGEST = 64
"""Steps of an episode that TensorBoard gets to see: drawing one takes as long as thousands of steps of training."""


def episode_frames(
    actor: Actor,
    world: Any,
    seed: int,
    longest: int = LONGEST,
    deterministic: bool = False,
    stride: int = 1,
    hold: int = HOLD,
) -> Iterator[np.ndarray]:
    """An episode, or its first `longest` steps, in the first environment of `world`, frames uint8 [H, W, 3].

    Each shows what an action meets, of every `stride`-th step; the start and the last of them stay for `hold` frames.
    The world needs `frame(index)`, besides what `selfplay.core.collect.World` says; one that is `traced` also shows
    which way its agent came (`frame(index, trail)`, trail float32 [K, 2]).
    """
    rows, width = world.reset(seed), world.columns["obs"].stop
    successor = np.empty_like(rows)
    reward, ended, cut = np.zeros(len(rows)), np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    state = actor.initial_state(len(rows))
    traced = getattr(world, "traced", False)
    trail: list[np.ndarray] = []
    steps = 0
    while not (ended[0] or cut[0]) and steps < longest:
        if traced:
            trail.append(world.env.positions([0])[0])
        if steps % stride == 0:
            before = world.frame(0, np.array(trail)) if traced else world.frame(0)
            if not steps:
                yield from [titled(before, "start", BLUE)] * hold
            yield titled(before, f"step {steps + 1}", BLUE)
        act = actor.act(torch.from_numpy(rows[:, :width]), state, deterministic)
        state = act.state.cpu() if actor.memory else state
        world.step(actor.played(act.action), successor, rows, reward, ended, cut)
        steps += 1
    end = "done" if ended[0] and reward[0] > 0 else "not done" if ended[0] or cut[0] else "goes on"
    yield from [titled(before, f"step {steps}, {end}", BLUE)] * hold


def titled(picture: np.ndarray, text: str, colour: tuple[int, int, int]) -> np.ndarray:
    """`picture` uint8 [H, W, 3] under a bar that says `text`."""
    height, width, _ = picture.shape
    canvas = Image.new("RGB", (width, height + _BAR), colour)
    canvas.paste(Image.fromarray(picture), (0, _BAR))
    ImageDraw.Draw(canvas).text((4, 3), text, fill="white")
    return np.asarray(canvas)


def heatmap(counts: np.ndarray, pixels: int = 24, walls: np.ndarray | None = None, y_up: bool = False) -> np.ndarray:
    """Counts [W, H] of cells as an RGB picture uint8 [H·pixels, W·pixels, 3]: dark is rare, yellow is the most.

    walls: bool [W, H], drawn grey where nothing was counted.  y_up: whether y grows upwards.
    """
    share = counts / max(counts.max(), 1)
    colours = (colormaps["viridis"](np.sqrt(share))[..., :3] * 255).astype(np.uint8)
    if walls is not None:
        colours[walls & (counts == 0)] = _WALL
    colours = colours.transpose(1, 0, 2)
    if y_up:
        colours = colours[::-1]
    return colours.repeat(pixels, 0).repeat(pixels, 1)
