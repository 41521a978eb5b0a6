"""Pictures from above, by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

FLOOR, WALL, AGENT = (236, 236, 240), (84, 90, 108), (214, 72, 52)
LIMB, TRAIL = (158, 46, 34), (240, 150, 132)
THINGS = ((46, 120, 214), (46, 158, 92))
"""Colours of blocks, the first and the second."""
_EDGE = (255, 255, 255)  # around goals: they are seen on what has their own colour

_LONGEST = 480  # pixels
_FINER = 3  # drawn so much larger, then made smaller: smooth edges


@dataclass(frozen=True)
class Disc:
    """centre: x and y (m).  radius: metres.  ring: only its edge, as goals are drawn; the radius is its tolerance."""

    centre: tuple[float, float]
    radius: float
    colour: tuple[int, int, int]
    ring: bool = False


@dataclass(frozen=True)
class Polygon:
    """corners: float [K, 2] (m)."""

    corners: np.ndarray
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """What is to be seen of one world, in the order in which it is drawn.

    high: x and y of the upper right corner (m), the lower left one is opposite.  walls: float [R, 4], x0, y0, x1, y1.
    """

    high: tuple[float, float]
    walls: np.ndarray
    things: Sequence[Disc | Polygon] = field(default_factory=tuple)


def capsule(one: np.ndarray, other: np.ndarray, radius: float, colour: tuple[int, int, int]) -> list[Disc | Polygon]:
    """All within `radius` (m) of the line between two places, float [2] each."""
    way = other - one
    aside = radius * np.array([-way[1], way[0]]) / max(float(np.hypot(*way)), 1e-9)
    ends = [Disc((float(x), float(y)), radius, colour) for x, y in (one, other)]
    return [Polygon(np.array([one + aside, other + aside, other - aside, one - aside]), colour), *ends]


def goal_ring(place: np.ndarray, tolerance: float, colour: tuple[int, int, int]) -> list[Disc]:
    """A goal at `place` float [2] (m); nothing where it is NaN."""
    return [] if np.isnan(place).any() else [Disc((float(place[0]), float(place[1])), tolerance, colour, ring=True)]


def draw(scene: Scene, trail: np.ndarray | None = None) -> np.ndarray:
    """uint8 [H, W, 3], the longer side 480 pixels or a little less; x grows to the right, y upwards.

    trail: float [K, 2], where the agent came by (m), a thin line under all things.
    """
    right, top = scene.high
    scale = _LONGEST // (2 * max(right, top)) or 1.0
    size = round(2 * right * scale), round(2 * top * scale)
    image = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), FLOOR)
    pen, fine = ImageDraw.Draw(image), scale * _FINER

    def spots(places: np.ndarray) -> list[tuple[float, float]]:
        return [((x + right) * fine, (top - y) * fine) for x, y in np.reshape(places, (-1, 2)).tolist()]

    for x0, y0, x1, y1 in scene.walls:
        pen.rectangle(spots(np.array([[x0, y1], [x1, y0]])), fill=WALL)
    if trail is not None and len(trail) > 1:
        pen.line(spots(trail), fill=TRAIL, width=2 * _FINER, joint="curve")
    for thing in scene.things:
        if isinstance(thing, Polygon):
            pen.polygon(spots(thing.corners), fill=thing.colour)
        else:
            (x, y), radius = spots(np.array(thing.centre))[0], thing.radius * fine
            box = (x - radius, y - radius, x + radius, y + radius)
            if not thing.ring:
                pen.ellipse(box, fill=thing.colour)
                continue
            far = radius + _FINER
            pen.ellipse((x - far, y - far, x + far, y + far), outline=_EDGE, width=4 * _FINER)
            pen.ellipse(box, outline=thing.colour, width=2 * _FINER)
            for dot, colour in ((3 * _FINER, _EDGE), (2 * _FINER, thing.colour)):
                pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=colour)
    return np.asarray(image.resize(size, Image.Resampling.BOX)).copy()
