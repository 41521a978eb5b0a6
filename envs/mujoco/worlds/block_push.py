"""A ball that pushes blocks on a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from envs.mujoco.ball import add_ball, plane_spec
from envs.mujoco.goals import GoalWorld
from envs.mujoco.world import Moment

if TYPE_CHECKING:
    import mujoco

    from envs.mujoco.draws import Draws
    from envs.mujoco.pictures import Disc, Polygon, Scene


_RIM = 0.1  # metres of the wall that is drawn


class BlockPush(GoalWorld):
    """A ball of radius .1 m pushes a block of .3 m on a walled table of 3 x 3 m, all of it in the plane.

    The ball is moved by forces of up to 10 N in x and in y, 1 kg, viscous friction of 4 N s/m. A block weighs .5 kg and
    turns freely; the ball pushes it at up to .7 m/s, and viscous friction stops it within 4 cm once it is let go. Its
    centre stays within 1 m of the table's in x and y, held by stops that the ball does not feel: so the ball can always
    get behind it, and every push can be undone. A step is .05 s.

    ## Observation Space

    13: place of the ball (m), its velocity (m/s); of each block the way from the ball to it (m), cosine and sine of
    four times its angle (a quarter turn looks the same), its velocity (m/s and rad/s); and the way from the block to
    its goal in x and y (m).

    ## Rewards

    1 where the goal is reached, else 0.

    ## Starting State

    At rest; block, ball and goal uniform within .9 m of the middle in x and y, the block turned at random, apart from
    each other; goals that are reached already are drawn again.

    ## Episode End

    Terminates where every block's centre is within .1 m of its goal; truncated after 300 steps.
    """

    mission = "push the block to the goal"
    frame_skip, max_steps = 5, 300
    blocks: ClassVar[int] = 1
    task = ("objects",)
    tolerance = {"position": 0.1, "objects": 0.1}  # noqa: RUF012
    radius, table, reach, spread = 0.1, 1.5, 1.0, 0.9
    half, mass, damping, turning = 0.15, 0.5, 10.0, 0.15
    """A block's half edge (m), mass (kg) and viscous friction, N s/m and, as it turns, N m s.

    The last is what an even film below it gives: damping (2 half)² / 6.
    """

    def __init__(self, goal: Sequence[str] | None = None, shown: Sequence[str] | None = None) -> None:
        self.places = {"position": slice(0, 2), "objects": slice(2, 2 + 2 * self.blocks)}
        super().__init__(goal, shown)

    def model(self) -> mujoco.MjModel:
        from envs.mujoco.library import mujoco

        spec = plane_spec(self.goal_size)
        box, thick = mujoco.mjtGeom.mjGEOM_BOX, 0.25
        for k in (-1, 1):
            for across in (False, True):
                pos, size = [k * (self.table + thick), 0.0], [thick, self.table + 2 * thick]
                spec.worldbody.add_geom(
                    type=box, condim=1, rgba=[0.35, 0.38, 0.45, 1.0],
                    pos=[*(pos[::-1] if across else pos), 0.1], size=[*(size[::-1] if across else size), 0.1],
                )  # fmt: skip
        add_ball(spec, self.radius, condim=3)
        for k in range(self.blocks):
            body = spec.worldbody.add_body(name=f"block_{k}", pos=[0.0, 0.0, self.radius])
            for name, axis in (("x", [1.0, 0.0, 0.0]), ("y", [0.0, 1.0, 0.0])):
                body.add_joint(
                    name=f"block_{k}_{name}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis,
                    damping=[self.damping, 0.0, 0.0], limited=True, range=[-self.reach, self.reach],
                )  # fmt: skip
            body.add_joint(
                name=f"block_{k}_turn", type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0.0, 0.0, 1.0],
                damping=[self.turning, 0.0, 0.0],
            )  # fmt: skip
            size = [self.half, self.half, self.radius]
            body.add_geom(type=box, size=size, mass=self.mass, friction=[0.5, 0.0, 0.0], rgba=[0.2, 0.5, 0.9, 1.0])
        return spec.compile()

    @property
    def walls(self) -> np.ndarray:
        edge = self.table + _RIM
        return np.array([[-edge, -edge, edge, -self.table], [-edge, self.table, edge, edge],
                         [-edge, -edge, -self.table, edge], [self.table, -edge, edge, edge]])  # fmt: skip

    def achieved(self, qpos: np.ndarray) -> np.ndarray:
        return np.hstack([qpos[:, :2], self._blocks(qpos)[..., :2].reshape(len(qpos), -1)])

    def see(self, now: Moment) -> np.ndarray:
        blocks = self._blocks(now.qpos)
        way, angle = blocks[..., :2] - now.qpos[:, None, :2], 4 * blocks[..., 2:]
        seen = np.concatenate([way, np.cos(angle), np.sin(angle), self._blocks(now.qvel)], axis=2)
        return np.hstack([now.qpos[:, :2], now.qvel[:, :2], seen.reshape(len(now.qpos), -1)])

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        place = self.draw_places(draws)
        angle = draws.uniform(-np.pi / 4, np.pi / 4, self.blocks)
        blocks = np.concatenate([place[:, 2:].reshape(len(draws), -1, 2), angle[..., None]], axis=2)
        return np.hstack([place[:, :2], blocks.reshape(len(draws), -1)]), np.zeros((len(draws), nv))

    def draw_places(self, draws: Draws) -> np.ndarray:
        """Uniform among places where nothing touches, however the blocks are turned."""
        found = draws.uniform(-self.spread, self.spread, self.goal_size)
        while (close := self._close(found)).any():
            found[close] = draws.only(close).uniform(-self.spread, self.spread, self.goal_size)
        return found

    def scene(self, now: Moment) -> Scene:
        from envs.mujoco.pictures import AGENT, THINGS, Disc, Polygon, Scene, goal_ring  # brings in Pillow

        edge, square = self.table + _RIM, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * self.half
        goals = now.goal[0].reshape(-1, 2)
        things: list[Disc | Polygon] = []
        rings: list[Disc] = []  # above all else: a block must not hide where it is to go
        for (x, y, angle), goal, colour in zip(self._blocks(now.qpos)[0], goals[1:], THINGS, strict=False):
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            things.append(Polygon(square @ turn + (x, y), colour))
            rings += goal_ring(goal, self.tolerance["objects"], colour)
        things.append(Disc((float(now.qpos[0, 0]), float(now.qpos[0, 1])), self.radius, AGENT))
        if "position" in self.shown:
            rings += goal_ring(goals[0], self.tolerance["position"], AGENT)
        return Scene((edge, edge), self.walls, [*things, *rings])

    def _close(self, places: np.ndarray) -> np.ndarray:
        """bool [M]: may things touch in `places` [M, G]?"""
        things = places.reshape(len(places), -1, 2)
        reach = np.array([self.radius, *[self.half * np.sqrt(2)] * self.blocks])
        close = np.zeros(len(places), bool)
        for k in range(len(reach)):
            for j in range(k):
                close |= np.hypot(*(things[:, k] - things[:, j]).T) < reach[k] + reach[j]
        return close

    def _blocks(self, numbers: np.ndarray) -> np.ndarray:
        """[M, B, 3] of positions or velocities [M, 2 + 3 B]."""
        return numbers[:, 2:].reshape(len(numbers), -1, 3)


class TwoBlocks(BlockPush):
    """Two blocks, each with a goal of its own; all else as in `BlockPush`. 22 numbers are observed."""

    mission = "push both blocks to their goals"
    blocks, max_steps = 2, 600
