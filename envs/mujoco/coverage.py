"""How much of a maze was explored: the cells visited in every episode."""

from __future__ import annotations

import numpy as np

from envs.mujoco.maze_world import MazeWorld
from envs.mujoco.rollout_world import MujocoWorld
from envs.mujoco.tv import NoisyTV

_ARRAYS = ("coverage.visited", "coverage.heat")


class Explored:
    """A world that counts which cells its agents visit; rows, dynamics and random streams are the world's own.

    world: a `MujocoWorld` of a maze, or one with a television, with the channel "position". A cell is visited when the
    agent's centre is in it after a step, or at the start. What can be visited are the maze's free cells.

    maze: the maze.  walls: bool [W, H], its walls.  y_up: whether y grows upwards on a map, here as everywhere in
    MuJoCo.
    """

    y_up = True

    def __init__(self, world: MujocoWorld | NoisyTV) -> None:
        if not isinstance(world.env.world, MazeWorld):
            raise ValueError(f"coverage: {type(world.env.world).__name__} has no maze, expected a world that has")
        if "position" not in world.columns:
            raise ValueError(f"coverage: the world's channels are {', '.join(world.columns)}, expected 'position' "
                             "among them: MujocoWorld(…, channels=('position',))")  # fmt: skip
        self.world, self.env, self.maze = world, world.env, world.env.world.maze
        self.num_envs, self.row_width, self.columns = world.num_envs, world.row_width, world.columns
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self.channel_spaces, self.pixels, self.press_action = world.channel_spaces, world.pixels, world.press_action
        self.succeeds = world.succeeds
        self.walls = ~self.maze.free
        self._visited = np.zeros((self.num_envs, *self.maze.shape), bool)
        self._heat = np.zeros(self.maze.shape, np.int64)
        self._ended: list[np.ndarray] = []  # int64 [E, 2]: environment, visited

    def reset(self, seed: int | None) -> np.ndarray:
        """Episodes begin everywhere; the first rows, float32 [N, W]. Those under way are forgotten, not ended ones."""
        rows = self.world.reset(seed)
        self._visited[:] = False
        self._visited[(np.arange(self.num_envs), *self._cells(rows))] = True
        return rows

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all worlds with action float32 [N, A]. Rows are float32 [N, W]."""
        self.world.step(action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out)
        cells = self._cells(next_obs_out)
        np.add.at(self._heat, cells, 1)
        everyone = np.arange(self.num_envs)
        self._visited[(everyone, *cells)] = True
        ended = np.flatnonzero(terminated_out | truncated_out)
        if len(ended):
            self._ended.append(np.stack([ended, self._visited[ended].sum(axis=(1, 2))], axis=1))
            self._visited[ended] = False
            self._visited[(ended, *self._cells(obs_out[ended]))] = True

    def drain(self) -> dict[str, np.ndarray]:
        """What happened since this was last asked, and forgets it; episodes under way go on.

        Of the E episodes that ended, in that order: "env" int64 [E]; "visited" and "reachable" int64 [E], different
        cells, the start included; "coverage" float64 [E], their ratio. "heat" int64 [W, H]: how often an agent was in a
        cell after a step.
        """
        ended = self._ended_episodes()
        cells = len(self.maze.free_cells)
        drained = {
            "env": ended[:, 0].copy(),
            "visited": ended[:, 1].copy(),
            "reachable": np.full(len(ended), cells, np.int64),
            "coverage": ended[:, 1] / cells,
            "heat": self._heat.copy(),
        }
        self._ended = []
        self._heat[:] = 0
        return drained

    def frame(self, index: int) -> np.ndarray:
        """A picture of one world, uint8 [H, W, 3]."""
        return self.world.frame(index)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The world's arrays, the episodes under way and what was not drained yet, copied."""
        mine = {name: array.copy() for name, array in zip(_ARRAYS, (self._visited, self._heat), strict=True)}
        return self.world.state_dict() | mine | {"coverage.ended": self._ended_episodes()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`; ValueError if it does not fit."""
        for name in (*_ARRAYS, "coverage.ended"):
            if name not in state:
                raise ValueError(f"coverage: the state has no {name!r}, expected one that Explored saved")
        given = [np.asarray(state[name]) for name in _ARRAYS]
        for name, array, own in zip(_ARRAYS, given, (self._visited, self._heat), strict=True):
            if array.shape != own.shape:
                raise ValueError(f"coverage: {name!r} is {list(array.shape)}, expected {list(own.shape)}")
        self.world.load_state_dict({name: array for name, array in state.items() if not name.startswith("coverage.")})
        self._visited[:], self._heat[:] = given
        self._ended = [np.array(state["coverage.ended"], np.int64).reshape(-1, 2)]

    def _cells(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cells that the agents of `rows` [M, W] are in: i and j, int64 [M]."""
        i, j = self.maze.cells(rows[:, self.columns["position"]]).T
        return i, j

    def _ended_episodes(self) -> np.ndarray:
        """int64 [E, 2]: environment, visited."""
        return np.concatenate([np.zeros((0, 2), np.int64), *self._ended])
