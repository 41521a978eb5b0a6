"""A noisy television over a grid world: `with_tv(world, spec, seed)`."""

from __future__ import annotations

import hashlib

import numpy as np
from gymnasium import spaces

from envs.grid.state import GridState
from envs.grid.symbols import BALL, IDLE, PACKED
from envs.grid.tokens import RowLayout, TokenLayout, token_space
from envs.grid.tv_kernels import (
    BANK,
    IID,
    SHOWN,
    SIGNED_CELLS,
    TRIGGER_ALWAYS,
    TRIGGER_NEVER,
    TRIGGER_PRESS,
    UNSEEN_PICTURES,
    Setup,
    begin_all,
    fill_bank,
    show_all,
    side_of,
)
from envs.grid.world import GridWorld
from envs.noisy_tv import EXTENTS, TVSpec, derived_seed
from envs.rng import seed_streams
from envs.vector import check_arrays

_TRIGGERS = {"none": TRIGGER_NEVER, "sham": TRIGGER_NEVER, "every-step": TRIGGER_ALWAYS, "remote": TRIGGER_PRESS}
_BALLS = np.flatnonzero(PACKED & 15 == BALL).astype(np.uint8)
_ARRAYS = ("tv.stream", "tv.spot", "tv.canvas", "tv.drawn")


def with_tv(world: GridWorld, spec: TVSpec, seed: int, hidden: bool = False) -> GridWorld | NoisyTV:
    """`world` with the television of `spec` in it; the world itself where that is off."""
    return NoisyTV(world, spec, seed, hidden) if spec.on else world


class NoisyTV:
    """N worlds with a television in each. Its methods give and take what `selfplay.core.collect.World` says.

    world: levels, dynamics and random streams stay its own, bit for bit.  spec: what hangs there (`envs.noisy_tv`).
    seed: of the television's own streams, one an environment, and of its pictures. hidden: the player's view stays
    clean, only who reads "shown" sees the television.

    spot: the television hangs on a wall cell beside a cell that the player can walk to without opening a door, drawn
        anew for every level. It is seen when that cell is. Where there is no such wall, it hangs nowhere.
    fixed: the same, but drawn once: levels of one layout and start have it at one place.
    extent (the view has V columns and rows, far to near): cell: that cell of the view; everywhere: the far left one.
        quadrant: V // 2 + 1 columns and as many rows from a corner, the middle ones belonging to two; that quadrant
        where the television stands, the far one and the left one of two; everywhere: far left.  view: all of it.
        Only the "view" segment of what the policy sees is painted.
    pictures: of frozen, kN and unseen are a few rectangles of random symbols, all different; of cells they are symbols.

    columns: "obs", the P tokens the player sees; "shown", painted, and "clean", not painted, each also P (one of them
    is "obs" itself); "tv", one token, 1 + (0 or 1: in view in that row); then the world's channels. channel_spaces and
    pixels have the same names, row_width is the sum. press_action: the action PRESS, the last one; None: there is none.
    """

    def __init__(self, world: GridWorld, spec: TVSpec, seed: int, hidden: bool = False) -> None:
        derived_seed(seed, 0)  # refuses what is no seed
        if not spec.on:
            raise ValueError("TV: 'off' is no television, expected with_tv, which leaves the world as it is")
        if "view" not in world.layout.slices:
            raise ValueError(f"TV: the policy sees {', '.join(world.layout.names)}, expected 'view' among its segments")
        self.world, self.engine, self.layout, self.spec = world, world.engine, world.layout, spec
        self.num_envs, self.observation_space = world.num_envs, world.observation_space
        self._seed = int(seed)
        policy = world.layout.width
        self._setup = Setup(
            trigger=_TRIGGERS[spec.trigger], content={"iid": IID, "unseen": UNSEEN_PICTURES}.get(spec.content, BANK),
            extent=EXTENTS.index(spec.extent), everywhere=spec.place == "everywhere", fixed=spec.place == "fixed",
            hidden=bool(hidden),
            size=world.layout.view_size, first=world.layout.slices["view"].start, policy=policy,
            channels=world.row_width - policy, key=self._derived(1) >> 1,
        )  # fmt: skip
        side = side_of.py_func(self._setup)
        if spec.content == "unseen" and side * side < SIGNED_CELLS:
            raise ValueError(f"TV: unseen pictures need {SIGNED_CELLS} cells, a quadrant of this view has {side * side}"
                             "; expected extent 'view' or a larger view_size")  # fmt: skip
        self._bank = self._pictures(side)
        self._describe(hidden)

        world_spec = world.engine.spec
        pose = TokenLayout(world_spec, ("position", "direction"), world.layout.view_size)
        rows = world.engine.layout
        plan = [(int(segment), int(at)) for segment, at in rows.plan]
        plan += [(int(segment), rows.width + int(at)) for segment, at in pose.plan]
        self._rows = RowLayout(plan, rows.width + pose.width, rows.view_size)
        self._inner, self._next_inner = (np.zeros((self.num_envs, self._rows.width), np.uint8) for _ in range(2))
        self._nobody = np.zeros(self.num_envs, bool)
        self._stream = np.zeros((self.num_envs, 2), np.uint64)
        seed_streams(self._stream, np.uint64(self._derived(2)), np.int64(0))
        self._spot = np.full(self.num_envs, -1, np.int64)
        self._canvas = np.zeros((self.num_envs, side * side), np.uint8)
        self._drawn = np.zeros(self.num_envs, np.int64)

    @property
    def state(self) -> GridState:
        """The state of the worlds, without their televisions."""
        return self.engine.state

    def reset(self, seed: int | None) -> np.ndarray:
        """Fresh levels and pictures everywhere; the first rows, uint8 [N, W]. None: go on with the random streams.

        With a seed the televisions' streams begin anew as well, from their own seed and this one; unseen pictures go
        on, for those that were shown are not unseen any more.
        """
        self.world.reset(seed)
        if seed is not None:
            seed_streams(self._stream, np.uint64(self._derived(2 + int(seed))), np.int64(0))
        if self._setup.content == BANK:
            self._canvas[:] = self._bank[0]
        self.engine.write(self._inner, self._rows)
        out = np.empty((self.num_envs, self.row_width), np.uint8)
        begin_all(self._inner, *self._worlds(), out)
        return out

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
        for name, rows in (("next_obs_out", next_obs_out), ("obs_out", obs_out)):
            if rows.shape != (self.num_envs, self.row_width) or rows.dtype != np.uint8:
                raise ValueError(
                    f"{name} is {rows.dtype} {list(rows.shape)}, expected uint8 {[self.num_envs, self.row_width]}"
                )
        taken, pressed = np.asarray(action), self._nobody
        if self.press_action is not None:
            pressed = taken == self.press_action
            wrong = (taken < 0) | (taken > self.press_action)
            if wrong.any():
                n = int(wrong.argmax())
                raise ValueError(f"action of environment {n} is {taken[n]}, expected 0 to {self.press_action}")
            taken = np.where(pressed, IDLE, taken)
        self.engine.advance(
            taken, reward_out, terminated_out, truncated_out, self._inner, self._next_inner, layout=self._rows,
            may_idle=self.press_action is not None,
        )  # fmt: skip
        show_all(
            pressed,
            terminated_out,
            truncated_out,
            self._next_inner,
            self._inner,
            *self._worlds(),
            next_obs_out,
            obs_out,
        )

    def frame(self, index: int) -> np.ndarray:
        """The world's picture, as `GridWorld.frame`, and in it the television: a framed square, a colour a picture."""
        picture = self.world.frame(index).copy()
        if self._spot[index] >= 0 and not self._setup.everywhere:
            size = len(picture) // self.engine.spec.height
            x, y = divmod(int(self._spot[index]), self.engine.spec.height)
            shade = np.frombuffer(hashlib.sha256(self._canvas[index].tobytes()).digest()[:3], np.uint8) // 2 + 128
            picture[y * size : (y + 1) * size, x * size : (x + 1) * size] = 255
            picture[y * size + 2 : (y + 1) * size - 2, x * size + 2 : (x + 1) * size - 2] = shade
        return picture

    def state_dict(self) -> dict[str, np.ndarray]:
        """The world's arrays and those of the televisions, copied."""
        own = (self._stream, self._spot, self._canvas, self._drawn)
        return self.world.state_dict() | {name: array.copy() for name, array in zip(_ARRAYS, own, strict=True)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict` of a television with the same spec and seed; ValueError if it does not fit."""
        own = (self._stream, self._spot, self._canvas, self._drawn)
        check_arrays("TV", state, dict(zip(_ARRAYS, own, strict=True)))
        self.world.load_state_dict({name: array for name, array in state.items() if name not in _ARRAYS})
        for name, array in zip(_ARRAYS, own, strict=True):
            array[:] = state[name]

    def _derived(self, use: int) -> int:
        return derived_seed(self._seed, use)

    def _pictures(self, side: int) -> np.ndarray:
        """The bank, uint8 [K, side * side], K = 0 where pictures are drawn as they are shown."""
        if self.spec.content == "balls":
            return _BALLS[:, None].copy()
        count = 1 if self.spec.content == "frozen" else self.spec.pictures or 0
        if side == 1 and count > len(SHOWN):
            raise ValueError(
                f"TV: {self.spec.content} in one cell, expected at most k{len(SHOWN)}: so many symbols there are"
            )
        bank = np.zeros((count, side * side), np.uint8)
        stream = np.zeros((1, 2), np.uint64)
        seed_streams(stream, np.uint64(self._derived(0)), np.int64(0))
        fill_bank(bank, stream[0], side)
        return bank

    def _describe(self, hidden: bool) -> None:
        """The attributes that say what there is in a row and what can be done."""
        world, policy = self.world, self.layout.width
        actions = world.engine.num_actions
        self.succeeds = world.succeeds
        self.press_action = actions if self.spec.has_press else None
        self.action_space = spaces.Discrete(actions + self.spec.has_press)
        seen, other = slice(0, policy), slice(policy, 2 * policy)
        shown, clean = (other, seen) if hidden else (seen, other)
        self.columns = {"obs": seen, "shown": shown, "clean": clean, "tv": slice(2 * policy, 2 * policy + 1)}
        shift = policy + 1
        for name, column in world.columns.items():
            if name != "obs":
                self.columns[name] = slice(column.start + shift, column.stop + shift)
        self.row_width = world.row_width + shift
        looks = {name: world.pixels["obs"] for name in ("obs", "shown", "clean")}
        spaces_seen = {name: world.channel_spaces["obs"] for name in looks}
        on_or_off = np.zeros((1, 3, 3), np.float32)
        on_or_off[0, :, 0] = 0, 0.5, 1
        self.pixels = looks | {"tv": on_or_off} | {k: v for k, v in world.pixels.items() if k != "obs"}
        self.channel_spaces = (
            spaces_seen
            | {"tv": token_space(np.array([3]))}
            | {k: v for k, v in world.channel_spaces.items() if k != "obs"}
        )

    def _worlds(self) -> tuple:
        state = self.engine.state
        return (
            state.cells, state.agent, self._stream, self._spot, self._canvas, self._drawn, self._bank, self._setup,
        )  # fmt: skip
