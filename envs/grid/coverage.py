"""How much of a world was explored: places visited in every episode, and exact coverage of a few levels' states."""

from __future__ import annotations

import numpy as np

from envs.grid import oracle
from envs.grid.goals import PARTS, check_goals
from envs.grid.jit import borrowing, kernel
from envs.grid.kernel import step_x, step_y
from envs.grid.state import GridState, X, Y
from envs.grid.symbols import LAVA, WALL, kind_of
from envs.grid.tv import NoisyTV
from envs.grid.world import GridWorld

_BARRED, _OPEN, _VISITED = range(3)
_NUM_FIELDS = 3  # of an ended episode: environment, visited, reachable
_ARRAYS = ("coverage.marks", "coverage.counts", "coverage.heat")


@borrowing
def _begin(cells, agent, marks, counts, queue):
    """A new episode in one world: mark what can be reached from the start, which is visited."""
    width, height = cells.shape
    for x in range(width):
        for y in range(height):
            marks[x, y] = _BARRED
    marks[agent[X], agent[Y]] = _VISITED
    queue[0] = agent[X] * height + agent[Y]
    head, tail = 0, 1
    while head < tail:
        x, y = queue[head] // height, queue[head] % height
        head += 1
        for facing in range(4):
            i, j = x + step_x(facing), y + step_y(facing)
            if i < 0 or j < 0 or i >= width or j >= height or marks[i, j] != _BARRED:
                continue
            kind = kind_of(cells[i, j])
            if kind != WALL and kind != LAVA:
                marks[i, j] = _OPEN
                queue[tail] = i * height + j
                tail += 1
    counts[0], counts[1] = 1, tail


@kernel()
def _begin_all(cells, agent, marks, counts):
    queue = np.empty(cells.shape[1] * cells.shape[2], np.int32)
    for n in range(cells.shape[0]):
        _begin(cells[n], agent[n], marks[n], counts[n], queue)


@kernel()
def _note(rows, first, terminated, truncated, cells, agent, marks, counts, heat, ended):
    """Note where everybody stands after a step; ended: int64 [N, 3]. Returns how many episodes ended."""
    queue = np.empty(cells.shape[1] * cells.shape[2], np.int32)
    found = 0
    for n in range(cells.shape[0]):
        x, y = np.int64(rows[n, first]) - 1, np.int64(rows[n, first + 1]) - 1
        heat[x, y] += 1
        if marks[n, x, y] == _OPEN:
            marks[n, x, y] = _VISITED
            counts[n, 0] += 1
        if terminated[n] or truncated[n]:
            ended[found, 0], ended[found, 1], ended[found, 2] = n, counts[n, 0], counts[n, 1]
            found += 1
            _begin(cells[n], agent[n], marks[n], counts[n], queue)
    return found


class Explored:
    """A world that counts which cells its players visit; rows, dynamics and random streams are the world's own.

    world: a `GridWorld` or one with a television, with the channel "position".

    A cell is reachable when a way leads there from the start that crosses no wall and no lava: doors count as passable,
    closed and locked ones too, and so do objects. Lava that was stepped on is no visited cell.

    y_up: whether y grows upwards on a map; here it grows downwards.
    """

    y_up = False

    def __init__(self, world: GridWorld | NoisyTV) -> None:
        if "position" not in world.columns:
            raise ValueError(f"coverage: the world's channels are {', '.join(world.columns)}, expected 'position' "
                             "among them: GridWorld(…, channels=('position',))")  # fmt: skip
        self.world, self.engine, self.layout = world, world.engine, world.layout
        self.num_envs, self.row_width, self.columns = world.num_envs, world.row_width, world.columns
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self.channel_spaces, self.pixels, self.press_action = world.channel_spaces, world.pixels, world.press_action
        self.succeeds = world.succeeds
        self._first = world.columns["position"].start
        shape = self.engine.state.cells.shape
        self._marks = np.zeros(shape, np.uint8)
        self._counts = np.zeros((self.num_envs, 2), np.int64)  # visited, reachable
        self._heat = np.zeros(shape[1:], np.int64)
        self._ended = np.zeros((self.num_envs, _NUM_FIELDS), np.int64)
        self._episodes: list[np.ndarray] = []

    @property
    def walls(self) -> np.ndarray:
        """bool [W, H]: which cells are a wall in the levels of all worlds."""
        return (self.engine.state.cells & 15 == WALL).all(axis=0)

    def reset(self, seed: int | None) -> np.ndarray:
        """Fresh levels everywhere; the first rows, uint8 [N, W]. Episodes under way are forgotten, not ended ones."""
        rows = self.world.reset(seed)
        state = self.engine.state
        _begin_all(state.cells, state.agent, self._marks, self._counts)
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
        """Step all worlds with action int64 [N]. Rows are uint8 [N, W]."""
        self.world.step(action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out)
        state = self.engine.state
        found = _note(
            next_obs_out, self._first, terminated_out, truncated_out, state.cells, state.agent, self._marks,
            self._counts, self._heat, self._ended,
        )  # fmt: skip
        if found:
            self._episodes.append(self._ended[:found].copy())

    def drain(self) -> dict[str, np.ndarray]:
        """What happened since this was last asked, and forgets it; episodes under way go on.

        Of the E episodes that ended, in that order: "env" int64 [E]; "visited" and "reachable" int64 [E], different
        cells, the start included; "coverage" float64 [E], their ratio. "heat" int64 [W, H]: how often a player stood
        there after a step.
        """
        ended = self._ended_episodes()
        drained = {
            "env": ended[:, 0].copy(),
            "visited": ended[:, 1].copy(),
            "reachable": ended[:, 2].copy(),
            "coverage": ended[:, 1] / ended[:, 2],
            "heat": self._heat.copy(),
        }
        self._episodes = []
        self._heat[:] = 0
        return drained

    def state_dict(self) -> dict[str, np.ndarray]:
        """The world's arrays, the episodes under way and what was not drained yet, copied."""
        mine = {name: array.copy() for name, array in zip(_ARRAYS, self._own(), strict=True)}
        return self.world.state_dict() | mine | {"coverage.ended": self._ended_episodes()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`; ValueError if it does not fit."""
        for name, array in zip(_ARRAYS, self._own(), strict=True):
            if name not in state:
                raise ValueError(f"coverage: the state has no {name!r}, expected one that Explored saved")
            given = np.asarray(state[name])
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ValueError(f"coverage: {name!r} is {given.dtype} {list(given.shape)}, expected {array.dtype} "
                                 f"{list(array.shape)}")  # fmt: skip
        if "coverage.ended" not in state:
            raise ValueError("coverage: the state has no 'coverage.ended', expected one that Explored saved")
        ended = np.array(state["coverage.ended"], np.int64).reshape(-1, _NUM_FIELDS)
        self.world.load_state_dict({name: array for name, array in state.items() if not name.startswith("coverage.")})
        for name, array in zip(_ARRAYS, self._own(), strict=True):
            array[:] = state[name]
        self._episodes = [ended]

    def _own(self) -> tuple[np.ndarray, ...]:
        return self._marks, self._counts, self._heat

    def _ended_episodes(self) -> np.ndarray:
        """int64 [E, 3]: environment, visited, reachable."""
        return np.concatenate([np.zeros((0, _NUM_FIELDS), np.int64), *self._episodes])


def state_coverage(
    start: GridState, visited: np.ndarray, *, rule: int, max_states: int = oracle.MAX_STATES
) -> tuple[np.ndarray, np.ndarray]:
    """How many of all states of M levels were visited: (visited int64 [M], reachable int64 [M]), by exact search.

    A state is where the player stands and looks, what it carries, and the place and state of every object and door.

    start: the M worlds as their episodes began.  visited: uint8 [T, M, G], what was achieved at each of T times, by
    `goals.achieved_goal(state, direction=True)`.  rule: `LevelSpec.rule`.

    Reachable is what the level's time limit and a death leave out of account: states of death do not count, a reward
    ends the way. UnmeasurableError: more than `max_states` states in one level, or balls that walk by chance.
    """
    levels = len(start.cells)
    if visited.ndim != 3 or visited.shape[1] != levels:
        raise ValueError(f"visited is {visited.dtype} {list(visited.shape)}, expected uint8 [T, {levels}, G]")
    seen, reachable = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
    for m in range(levels):
        goals, _ = oracle.reachable_goals(start, m, PARTS, rule=rule, max_states=max_states, stop_at_goal_tile=True)
        check_goals(visited[:, m], len(visited), goals.shape[1], "visited")
        everything = {goal.tobytes() for goal in goals}
        seen[m] = len({goal.tobytes() for goal in visited[:, m]} & everything)
        reachable[m] = len(everything)
    return seen, reachable
