"""Grid worlds as the game between Alice and Bob sees them: batches that can be copied, put back and given goals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from envs.grid import goals, oracle
from envs.grid.channels import token_pixels
from envs.grid.engine import GridEngine
from envs.grid.levels.spec import LevelSpec
from envs.grid.names import COLOURS, OBJECTS, STATES
from envs.grid.state import GridState, X, Y
from envs.grid.symbols import DOOR, LAVA, TRIPLE
from envs.grid.tokens import DEFAULT_SEGMENTS, TokenLayout, token_space
from envs.ruler import STEPS


class GridField:
    """N worlds of one level. What its methods take and give is written at `selfplay.game.field.PlayingField`.

    segments, view_size: what a player sees of the world (`envs.grid.tokens`).  goal: whether it also sees a goal
    (`envs.grid.goals.GoalTokens`).  parts: what of a goal must be matched.
    pixels: what its tokens look like, as in `GridWorld`; those of a goal look like nothing.
    Observations are token rows, uint8 [N, P]; achieved goals uint8 [N, G], see `envs.grid.goals`.
    """

    ruler, cells, y_up, tolerance, step_seconds, wall_cells = STEPS, None, False, 0.0, None, None

    def __init__(
        self,
        spec: LevelSpec,
        num_envs: int,
        seed: int,
        segments: Sequence[str] = DEFAULT_SEGMENTS,
        view_size: int = 7,
        goal: bool = False,
        parts: Sequence[str] = goals.DEFAULT_PARTS,
    ):
        self.spec, self.num_envs, self.parts = spec, num_envs, tuple(parts)
        layout = TokenLayout(spec, segments, view_size)
        self.engine = GridEngine(spec, num_envs, layout)
        self.engine.seed(seed)
        self._goal = goals.GoalTokens(spec, parts) if goal else None
        nvec = list(layout.nvec) + (list(self._goal.nvec) if self._goal else [])
        self.observation_space = token_space(np.array(nvec))
        looks = token_pixels(layout)
        self.pixels = {"obs": np.pad(looks, ((0, len(nvec) - layout.width), (0, max(nvec) - looks.shape[1]), (0, 0)))}
        self.action_space, self.max_steps = spaces.Discrete(self.engine.num_actions), self.engine.max_steps
        self.shape = (spec.width, spec.height)
        self._reward = np.zeros(num_envs)
        self._terminated, self._truncated, self._dead, self._lost = (np.zeros(num_envs, bool) for _ in range(4))

    def generate(self, ids: np.ndarray) -> None:
        """Draw fresh levels in worlds `ids`."""
        self.engine.generate(self._mask(ids))

    def snapshot(self) -> GridState:
        """A copy of all worlds, random streams included."""
        return self.engine.state.take(slice(None))

    def restore(self, state: GridState, ids: np.ndarray) -> None:
        """Put worlds `ids` back to what they were in `state`."""
        self.engine.state.put(ids, state.take(ids))

    def achieved(self) -> np.ndarray:
        """What is achieved now, uint8 [N, G]."""
        return goals.achieved_goal(self.engine.state, direction="direction" in self.parts)

    def reached(self, desired: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """bool [M]: whether worlds `ids` satisfy their rows of `desired` [N, G]."""
        return goals.satisfied(self.engine.state, desired, self.parts, ids)

    def observe(self, desired: np.ndarray | None, out: np.ndarray, ids: np.ndarray) -> None:
        """Write rows `ids` of `out` uint8 [N, P]."""
        width = self.engine.layout.width
        self.engine.write_tokens(out[:, :width], self._mask(ids))
        if self._goal is not None:
            if desired is None:
                out[ids, width:] = 0
            else:
                self._goal.write(self.engine.state, desired, out[:, width:], ids)

    def step(
        self, action: np.ndarray, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step worlds `ids`; (reward, terminated, truncated, dead, lost), [N] each, valid until the next step.

        Nobody is ever lost here.
        """
        self.engine.step(action, self._reward, self._terminated, self._truncated, self._mask(ids))
        self._dead[ids] = False
        ended = ids[self._terminated[ids]]
        if len(ended):
            x, y = self.engine.state.agent[ended, X], self.engine.state.agent[ended, Y]
            self._dead[ended] = self.engine.state.cells[ended, x, y] & 15 == LAVA
        return self._reward, self._terminated, self._truncated, self._dead, self._lost

    def difficulty(self, state: GridState, desired: np.ndarray, ids: np.ndarray, parts: Sequence[str]) -> np.ndarray:
        """Exact shortest path, environment steps, int32 [M]; -1 where unreachable. ValueError: too many states."""
        return oracle.shortest_paths(state, ids, desired[ids], parts, rule=self.spec.rule)

    def sample_goals(self, rng: np.random.Generator, parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """One goal a world, uniform over all that can be reached but what is achieved already, and its distance.

        ValueError: too many states.
        """
        desired, distance = oracle.sample_reachable_goals(self.engine.state, rng, parts=parts, rule=self.spec.rule)
        return desired, np.maximum(distance, 0)

    def describe(self, goal: np.ndarray) -> dict:
        """One achieved goal uint8 [G] in words."""
        said: dict = {"position": [int(goal[0]) - 1, int(goal[1]) - 1]}
        if goal[2]:
            said["direction"] = int(goal[2]) - 1
        if goal[3]:
            said["carried"] = _name(goal[3])
        cells = goal[4:].reshape(self.shape)
        objects = [[_name(cells[x, y]), int(x), int(y)] for x, y in np.argwhere(cells)]
        if objects:
            said["objects"] = objects
        return said

    def goal_cells(self, achieved: np.ndarray) -> np.ndarray:
        """Position of goals uint8 [M, G]: int64 [M, 2]."""
        return achieved[:, :2].astype(np.int64) - 1

    def place(self, index: int) -> None:
        """None: pictures show no trail."""

    def frame(self, index: int, desired: np.ndarray | None = None, trail: np.ndarray | None = None) -> np.ndarray:
        """MiniGrid's own picture of one world, uint8 [S * H, S * W, 3] with S pixels a cell: 32, in large worlds 16.

        It has no mark for a goal or a trail.
        """
        from envs.grid.interop import engine_frame  # brings in pygame

        return engine_frame(self.engine, index)

    def goal_picture(self, goals: np.ndarray, colours: np.ndarray) -> None:
        """None: goals are cells."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state and of a pool."""
        return self.engine.arrays()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.engine.load(state)

    def _mask(self, ids: np.ndarray) -> np.ndarray | None:
        if len(ids) == self.num_envs:
            return None
        mask = np.zeros(self.num_envs, bool)
        mask[ids] = True
        return mask


def _name(symbol: int) -> str:
    """Such as "yellow key" or "locked yellow door"."""
    kind, colour, state = (int(part) for part in TRIPLE[symbol])
    words = f"{COLOURS[colour]} {OBJECTS[kind]}"
    return f"{STATES[state]} {words}" if kind == DOOR else words
