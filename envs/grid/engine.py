"""N worlds of one level stepped together: arrays in, arrays out, one parallel kernel.

`GridEngine` is what learners use; `GridVectorEnv` is the same behind Gymnasium's interface.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.advance import DRAW, LEAVE, STEP, WRITE, advance
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels.dispatch import generator_address
from envs.grid.levels.spec import LevelSpec
from envs.grid.pool import LevelPool, make_pool
from envs.grid.state import GridState
from envs.grid.symbols import IDLE
from envs.grid.tokens import RowLayout, TokenLayout, full_image_layout, image_layout
from envs.rng import seed_streams
from envs.vector import checked_count, checked_seed

_WORLDS_PER_THREAD = 128  # below this, waking another thread costs more than it saves

_NO_ROWS = np.empty((0, 0), np.uint8)
_NO_AGENTS = np.empty((0, 0), np.int32)
_NO_LEVELS = np.empty((0, 0, 0), np.uint16)
_NO_ACTIONS = np.empty(0, np.int64)
_NO_REWARD = np.empty(0, np.float64)
_NO_FLAGS = np.empty(0, np.bool_)


def _check(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} is {found}, expected an array {np.dtype(dtype)} {list(shape)}")


def _check_contiguous(out: np.ndarray) -> None:
    if not out.flags.c_contiguous:  # reshaping would copy, and the copy be written to
        raise ValueError("out is not C-contiguous, expected an array without gaps or transposed axes")


class GridEngine:
    """N worlds of one level.

    spec: the level.  num_envs: N.  layout: what `advance` and `write` put into a row; by default the learners' tokens
    (view, direction, mission).  max_steps: steps until truncation, by default the level's own.
    fixed: the levels that episodes begin with, instead of fresh ones.
    pool_size, pool_refresh: where minigrid draws the levels, P and R of `envs.grid.pool` (by default what it says).

    Nothing is drawn by the constructor: call `seed` and `generate` first, or load a state.
    """

    def __init__(
        self, spec: LevelSpec, num_envs: int, layout: RowLayout | None = None, max_steps: int | None = None,
        pool_size: int | None = None, pool_refresh: int | None = None, fixed: FixedLevels | None = None,
    ) -> None:  # fmt: skip
        if not spec.pooled and (pool_size, pool_refresh) != (None, None):
            raise ValueError(f"level {spec.id} has no pool: pool_size and pool_refresh are for levels minigrid draws")
        self.spec = spec
        self.num_envs = checked_count("num_envs", num_envs)
        self.max_steps = checked_count("max_steps", spec.max_steps if max_steps is None else max_steps)
        self.layout = TokenLayout(spec) if layout is None else layout
        self.state = GridState.zeros(self.num_envs, spec.width, spec.height)
        self._level = np.array([0, spec.rule, self.max_steps], np.int64)
        self._params = spec.params_array()
        self.pool: LevelPool | FixedLevels | None = fixed
        if spec.pooled and fixed is None:
            self.pool = make_pool(spec, self.num_envs, pool_size, pool_refresh)
        self._everybody = np.full(self.num_envs, STEP, np.uint8)

    @property
    def num_actions(self) -> int:
        """Actions 0 .. num_actions - 1 exist."""
        return self.spec.num_actions

    def seed(self, seed: int, first: int = 0, ids: np.ndarray | None = None) -> None:
        """Start the random streams anew: world n gets stream `first + n` of `seed`.

        With `ids` (int [M]) only those worlds, in their order: world ids[m] gets stream `first + m`. Without, a pool
        of levels begins anew, too.
        """
        seed = checked_seed(seed)
        streams = self.state.stream if ids is None else np.empty((len(ids), 2), np.uint64)
        seed_streams(streams, np.uint64(seed), np.int64(first))
        if ids is not None:
            self.state.stream[ids] = streams
        elif self.pool is not None:
            self.pool.restart(seed)

    def generate(self, mask: np.ndarray | None = None) -> None:
        """Draw fresh levels in all worlds, or where mask (bool [N]) holds."""
        self._require_generator()
        self._launch(self._tasks(DRAW, mask), self.layout)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state's arrays and, where there is a pool, its own, by name, copied."""
        return self.state.arrays() | (self.pool.arrays() if self.pool is not None else {})

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from `arrays`; what follows is bit for bit what followed then."""
        if self.pool is not None:
            self.pool.load(arrays)
        self.state.load(arrays)

    def close(self) -> None:
        """Let go of the processes that draw levels, if any; another draw starts them again."""
        if self.pool is not None:
            self.pool.close()

    def step(
        self, actions: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray,
        active: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """One step of all worlds, or of those where active (bool [N]) holds; a world that is over goes on as it is.

        actions: integers [N].  reward (float64 [N]), terminated and truncated (bool [N]) are written where active.
        """
        task = self._tasks(STEP, active)
        actions = self.checked_actions(actions, task)
        self._check_outcome(reward, terminated, truncated)
        self._launch(task, self.layout, actions, reward, terminated, truncated)

    def advance(
        self, actions: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray,
        observation: np.ndarray, successor: np.ndarray | None = None, active: np.ndarray | None = None,
        regenerate: bool = True, layout: RowLayout | None = None, may_idle: bool = False,
    ) -> None:  # fmt: skip
        """Step, write what came of it, draw fresh levels where an episode ended, write what to act on: one launch.

        successor: uint8 [N, P], the true outcome of the step, never a fresh level.
        observation: uint8 [N, P], what to act on next; where no level was drawn, the same as the successor.
        layout: of these rows, by default the engine's own.  may_idle: whether actions may be `symbols.IDLE`.
        The rest as in `step`. Only worlds where active (bool [N]) holds are touched.
        """
        if regenerate:
            self._require_generator()
        layout = self.layout if layout is None else layout
        task = self._tasks(STEP, active)
        actions = self.checked_actions(actions, task, may_idle)
        self._check_outcome(reward, terminated, truncated)
        rows = (self.num_envs, layout.width)
        _check("observation", observation, rows, np.uint8)
        if successor is not None:
            _check("successor", successor, rows, np.uint8)
        self._launch(
            task, layout, actions, reward, terminated, truncated, observation,
            successor, successor is not None, None, regenerate,
        )  # fmt: skip

    def advance_tasks(
        self, task: np.ndarray, actions: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray,
        observation: np.ndarray, final: np.ndarray | None = None, final_agent: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """For `GridVectorEnv`: task (uint8 [N], LEAVE, STEP, DRAW or WRITE) may differ from world to world.

        With `final` (uint8 [N, P]) and `final_agent` (int32 [N, 14]) fresh levels are drawn where an episode ended,
        and its last row and agent are kept there. Arguments are not checked.
        """
        if final is not None or (task == DRAW).any():
            self._require_generator()
        self._launch(
            task, self.layout, actions, reward, terminated, truncated, observation,
            final, False, final_agent, final is not None,
        )  # fmt: skip

    def write(self, out: np.ndarray, layout: RowLayout | None = None, active: np.ndarray | None = None) -> None:
        """Write rows (uint8 [N, P] of `layout`, by default the engine's own) of the worlds where active holds."""
        layout = self.layout if layout is None else layout
        _check("out", out, (self.num_envs, layout.width), np.uint8)
        self._launch(self._tasks(WRITE, active), layout, observation=out)

    def write_tokens(self, out: np.ndarray, active: np.ndarray | None = None) -> None:
        """Write the engine's own rows, uint8 [N, P]."""
        self.write(out, None, active)

    def write_images(self, out: np.ndarray, view_size: int = 7, active: np.ndarray | None = None) -> None:
        """Write MiniGrid's partial images, uint8 [N, V, V, 3], C-contiguous."""
        _check("out", out, (self.num_envs, view_size, view_size, 3), np.uint8)
        _check_contiguous(out)
        self.write(out.reshape(self.num_envs, -1), image_layout(view_size), active)

    def write_full_images(self, out: np.ndarray, active: np.ndarray | None = None) -> None:
        """Write MiniGrid's fully observed images, uint8 [N, W, H, 3], C-contiguous."""
        _check("out", out, (self.num_envs, self.spec.width, self.spec.height, 3), np.uint8)
        _check_contiguous(out)
        self.write(out.reshape(self.num_envs, -1), full_image_layout(self.spec), active)

    def checked_actions(
        self, actions: np.ndarray, task: np.ndarray | None = None, may_idle: bool = False
    ) -> np.ndarray:
        """`actions` as int64 [N]; ValueError naming the first world that would step by an action out of range."""
        array = np.asarray(actions)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise ValueError(f"actions are {array.dtype} {list(array.shape)}, expected integers [{self.num_envs}]")
        array = np.ascontiguousarray(array, np.int64)
        if array.view(np.uint64).max() >= self.num_actions:  # negative ones are huge as unsigned
            wrong = array.view(np.uint64) >= self.num_actions
            if task is not None:
                wrong &= task == STEP
            if may_idle:
                wrong &= array != IDLE
            if wrong.any():
                n = int(wrong.argmax())
                raise ValueError(f"action of environment {n} is {array[n]}, expected 0 to {self.num_actions - 1}")
        return array

    def _tasks(self, task: int, active: np.ndarray | None) -> np.ndarray:
        if active is None:
            return self._everybody if task == STEP else np.full(self.num_envs, task, np.uint8)
        _check("active", active, (self.num_envs,), np.bool_)
        return np.where(active, np.uint8(task), np.uint8(LEAVE))

    def _check_outcome(self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray) -> None:
        _check("reward", reward, (self.num_envs,), np.float64)
        _check("terminated", terminated, (self.num_envs,), np.bool_)
        _check("truncated", truncated, (self.num_envs,), np.bool_)

    def _require_generator(self) -> None:
        if not self.spec.can_draw:
            raise ValueError(f"level {self.spec.id} has no generator here: load a state instead of drawing one")
        if self.pool is None:
            self._level[0] = generator_address(self.spec.family)  # anew: worthless after pickling

    def _launch(
        self, task, layout, actions=_NO_ACTIONS, reward=_NO_REWARD, terminated=_NO_FLAGS, truncated=_NO_FLAGS,
        observation=None, successor=None, every_successor=False, last_agent=None, regenerate=False,
    ) -> None:  # fmt: skip
        state, spec = self.state, self.spec
        pool_cells, pool_agent = _NO_LEVELS, _NO_AGENTS
        if self.pool is not None and (regenerate or (task == DRAW).any()):
            pool_cells, pool_agent = self.pool.levels()
        threads = nb.get_num_threads()
        enough = min(threads, 1 + (self.num_envs - 1) // _WORLDS_PER_THREAD)
        nb.set_num_threads(enough)
        try:
            advance(
                state.cells, state.agent, state.stream, task, actions, self._level, self._params, pool_cells,
                pool_agent, layout.plan, layout.view_size, spec.see_through_walls, regenerate, reward,
                terminated, truncated,
                _NO_ROWS if observation is None else observation, _NO_ROWS if successor is None else successor,
                every_successor, _NO_AGENTS if last_agent is None else last_agent,
            )  # fmt: skip
        finally:
            nb.set_num_threads(threads)
        if self.pool is not None:
            ended = (task == STEP) & (terminated | truncated) if regenerate else False
            self.pool.count(((task == DRAW) | ended).sum())
