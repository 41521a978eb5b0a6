"""Minigrid's wave-function-collapse levels (WFC), with drawings of our own where minigrid's are missing.

A WFC level is put together from the small windows of an example drawing (Gumin, 2016; Garcin et al., 2024, arXiv
2402.03479). minigrid 3.2.0 as published names such drawings but does not contain them: a reset of its own WFC
environments raises FileNotFoundError. Where the file is there, it is used. Where it is not, minigrid's generator gets
one of the drawings below, in the spirit of the preset's name, and everything else of the preset as it is: these
levels are then *not* the ones that minigrid's authors had in mind. A warning says so once in every process.

`minigrid` is imported only when a level is made.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import gymnasium as gym

PREFIX = "MiniGrid-WFC-"

# '#' wall, '.' free. Few different windows make a quick draw: its time grows with the square of their number.
DRAWINGS = {
    # Windows of 2x2: winding corridors one cell wide, loops and dead ends.
    "MazeSimple": """
        .......
        .#####.
        .#...#.
        ...#...
        .###.#.
        .#...#.
        .......
    """,
    # 2x2 over the edges: walls two cells thick, corridors of one and two.
    "DungeonMazeScaled": """
        ..........
        ..........
        ..####....
        ..####....
        ..##......
        ..##......
    """,
    # 3x3: straight walls woven across each other, with doors; rooms of every width.
    "RoomsFabric": """
        ....#....
        ....#....
        .........
        ....#....
        ##.###.##
        ....#....
        .........
        ....#....
        ....#....
    """,
    # 2x2: dots and short dashes in open space.
    "ObstaclesBlackdots": """
        ............
        ...#........
        ............
        .......##...
        ............
        .#..........
        ............
        ............
        ....#.......
        ............
    """,
    # 3x3 over the edges: slanted barriers with gaps at their corners.
    "ObstaclesAngular": """
        ......
        .#....
        ..#...
        ...#..
        ......
        ......
    """,
    # 3x3 over the edges: round loops; minigrid fills what nobody can reach inside them.
    "ObstaclesHogs3": """
        ......
        ..##..
        .#..#.
        ..##..
        ......
    """,
}


def drawing(preset: str) -> np.ndarray:
    """Our drawing for `preset`, uint8 [H, W, 3]: walls black, free cells white."""
    rows = DRAWINGS[preset].split()
    free = np.array([[cell == "." for cell in row] for row in rows])
    return np.repeat(np.where(free, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2)


def require_packages() -> None:
    """ValueError, one line, where a package that minigrid's WFC needs is not installed."""
    missing = [name for name in ("imageio", "networkx") if find_spec(name) is None]
    if missing:
        raise ValueError(f"WFC levels need {' and '.join(missing)}: pip install 'minigrid[wfc]==3.2.0'")


@cache
def _drawn_config() -> type:
    from minigrid.envs.wfc.config import WFCConfig

    @dataclass
    class DrawnConfig(WFCConfig):
        """A preset of minigrid's with a drawing of ours. preset: its name."""

        preset: str = ""

        @property
        def wfc_kwargs(self) -> dict[str, Any]:
            """The settings of minigrid's generator, `image` among them."""
            plain = {part.name for part in fields(WFCConfig)} - {"docstring", "pattern_path"}
            return {**{name: getattr(self, name) for name in plain}, "image": drawing(self.preset)}

    return DrawnConfig


@cache
def warn_of_drawings(preset: str) -> None:
    """Say, once in a process, that minigrid's own drawing is not there. The caller asked for it and should know."""
    warnings.warn(
        f"minigrid's drawing for WFC-{preset} is not installed (its package lacks it): levels are drawn from ours",
        stacklevel=3,
    )


def own_drawing(minigrid_id: str | None) -> str | None:
    """The preset of a WFC environment whose drawing minigrid lacks, where we have one; else None.

    ValueError where a package is missing.
    """
    if minigrid_id is None or not minigrid_id.startswith(PREFIX):
        return None
    require_packages()
    from minigrid.envs.wfc.config import WFC_PRESETS_ALL

    preset = minigrid_id.removeprefix(PREFIX).removesuffix("-v0")
    known = preset in DRAWINGS and preset in WFC_PRESETS_ALL
    return preset if known and not WFC_PRESETS_ALL[preset].pattern_path.exists() else None


def make_minigrid(minigrid_id: str, view_size: int = 7) -> gym.Env:
    """The minigrid environment `minigrid_id`, as `gymnasium.make` gives it, but able to draw WFC levels."""
    import gymnasium
    import minigrid  # noqa: F401 (registers its ids)

    preset = own_drawing(minigrid_id)
    if preset is None:
        return gymnasium.make(minigrid_id, agent_view_size=view_size, disable_env_checker=True)
    from minigrid.envs.wfc.config import WFC_PRESETS_ALL, WFCConfig

    usual = WFC_PRESETS_ALL[preset]
    config = _drawn_config()(**{part.name: getattr(usual, part.name) for part in fields(WFCConfig)}, preset=preset)
    return gymnasium.make(minigrid_id, wfc_config=config, agent_view_size=view_size, disable_env_checker=True)
