"""A noisy television over a MuJoCo world: `with_tv(world, spec, seed)`."""

from __future__ import annotations

import hashlib

import numpy as np
from gymnasium import spaces

from envs.mujoco.actions import checked_actions
from envs.mujoco.draws import Draws
from envs.mujoco.maze import Maze
from envs.mujoco.maze_world import MazeWorld
from envs.mujoco.rollout_world import MujocoWorld
from envs.noisy_tv import PRESS_ABOVE, TVSpec, derived_seed
from envs.rng import seed_streams
from envs.vector import check_arrays

SIGHT = 1.5
"""How far away a television in a maze is seen, in cells, where no wall is between."""
_BALLS = 6
_HALF_BITS = 24  # of a number in a picture: float32 has every multiple of 2 ** -23 below 1
_MASK = np.uint64(2 ** (2 * _HALF_BITS) - 1)
_MIX = np.uint64(0x9E3779B97F4B), np.uint64(0xBF58476D1CE5)  # odd


def with_tv(world: MujocoWorld, spec: TVSpec, seed: int, hidden: bool = False) -> MujocoWorld | NoisyTV:
    """`world` with the television of `spec` in it; the world itself where that is off."""
    return NoisyTV(world, spec, seed, hidden) if spec.on else world


class NoisyTV:
    """N worlds with a television in each: C numbers more in every observation, which are 0 where it is not seen.

    world: physics and random streams stay its own, bit for bit; what is put on top of its D numbers and channels are
    float32.  spec: what hangs there (`envs.noisy_tv`).  seed: of the television's own streams, one an environment, of
    its pictures and of its fixed place.  hidden: the player's C numbers are always 0, only who reads "shown" sees the
    television.

    What the words of the spec mean here:

    PRESS: one number more in the action, the last, from -1 to 1; pressed above `PRESS_ABOVE`. The physics never gets
        it, and the other numbers act as ever: a press costs nothing, not even a step.
    extent: cell: C = 1.  quadrant: C = D / 3 rounded up, 2 at least: a quarter of all that is then seen.  view: C = D.
    content: numbers in [-1, 1].  frozen, kN: vectors drawn once, uniform; of a cell N values evenly spaced.  balls: k6.
        iid: every number anew, independent and uniform.  unseen: the number of the picture (`picture_numbers`),
        scrambled, as two numbers that take turns along the C: 2 ** 48 vectors, all different. A picture that was shown
        never comes again in this object's life, whatever it is reset with; another with the same seed has the same.
    place: for mazes, but everywhere.  spot: the middle of a free cell, drawn anew for every episode.  fixed: drawn
        once, the same in all environments.  It is seen by an agent whose centre is not farther than `SIGHT` cells from
        it with no wall between.

    columns: "obs", the D + C numbers the player sees; "shown", with the television, and "clean", without, each also
    D + C (one of them is "obs" itself); "tv", one number, 1 + (0 or 1: in view in that row); then the world's channels.
    channel_spaces has the same names, row_width is the sum.  press_action: which number of the action is PRESS; None:
    there is none.  env: the worlds' own `MujocoVectorEnv`.  traced: as of `MujocoWorld`.
    """

    def __init__(self, world: MujocoWorld, spec: TVSpec, seed: int, hidden: bool = False) -> None:
        if not spec.on:
            raise ValueError("TV: 'off' is no television, expected with_tv, which leaves the world as it is")
        self.world, self.env, self.spec = world, world.env, spec
        self.num_envs, self.succeeds, self.pixels = world.num_envs, world.succeeds, world.pixels
        self.traced = world.traced
        self._seed, self._bare, self._key = seed, world.columns["obs"].stop, np.uint64(derived_seed(seed, 1))
        self._maze = None if spec.place == "everywhere" else _maze_of(world)
        size = {"cell": 1, "quadrant": max(2, -(-self._bare // 3)), "view": self._bare}[spec.extent]
        self._describe(size, hidden)
        self._bank = self._pictures(size)
        self._stream = np.zeros((self.num_envs, 2), np.uint64)
        seed_streams(self._stream, np.uint64(derived_seed(seed, 2)), np.int64(0))
        self._spot = np.full((self.num_envs, 2), np.nan)
        self._canvas = np.zeros((self.num_envs, size), np.float32)
        self._drawn = np.zeros(self.num_envs, np.int64)
        shapes = (np.empty((self.num_envs, world.row_width), np.float32) for _ in range(2))
        self._inner, self._next_inner = shapes

    def reset(self, seed: int | None) -> np.ndarray:
        """Episodes and pictures begin everywhere; the first rows, float32 [N, W]. None: go on with the random streams.

        With a seed the televisions' streams begin anew as well, from their own seed and this one; unseen pictures go
        on, for those that were shown are not unseen any more.
        """
        self._inner[:] = self.world.reset(seed)
        if seed is not None:
            seed_streams(self._stream, np.uint64(derived_seed(self._seed, 2 + int(seed))), np.int64(0))
        if len(self._bank):
            self._canvas[:] = self._bank[0]
        self._begin(np.arange(self.num_envs))
        out = np.empty((self.num_envs, self.row_width), np.float32)
        self._show(self._inner, out)
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
        """Step all worlds with action float32 [N, A], A one more than the world's where there is a PRESS."""
        taken, pressed = self._parts(action)
        self.world.step(taken, self._next_inner, self._inner, reward_out, terminated_out, truncated_out)
        if self.spec.trigger == "every-step":
            self._change(np.arange(self.num_envs))
        elif self.spec.trigger == "remote":
            self._change(np.flatnonzero(pressed))
        self._show(self._next_inner, next_obs_out)
        ended = np.flatnonzero(terminated_out | truncated_out)
        if len(ended):
            self._begin(ended)
            self._show(self._inner, obs_out)
        else:
            obs_out[:] = next_obs_out

    def frame(self, index: int, trail: np.ndarray | None = None) -> np.ndarray:
        """The world's picture, as `MujocoWorld.frame`, and in it the television: a framed square, a colour for each."""
        picture = self.world.frame(index, trail).copy()
        if self._maze is not None and not np.isnan(self._spot[index]).any():
            scale = picture.shape[1] / (self._maze.shape[0] * self._maze.size)
            right, top = np.array(self._maze.shape) * self._maze.size / 2
            x, y = int((self._spot[index, 0] + right) * scale), int((top - self._spot[index, 1]) * scale)
            half = max(3, int(self._maze.size * scale / 6))
            shade = np.frombuffer(hashlib.sha256(self._canvas[index].tobytes()).digest()[:3], np.uint8) // 2 + 128
            picture[y - half : y + half, x - half : x + half] = 0
            picture[y - half + 2 : y + half - 2, x - half + 2 : x + half - 2] = shade
        return picture

    def state_dict(self) -> dict[str, np.ndarray]:
        """The world's arrays and those of the televisions, copied."""
        return self.world.state_dict() | {name: array.copy() for name, array in self._own().items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict` of a television with the same spec and seed; ValueError if it does not fit."""
        own = self._own()
        check_arrays("TV", state, own)
        self.world.load_state_dict({name: array for name, array in state.items() if name not in own})
        for name, array in own.items():
            array[:] = state[name]

    def _own(self) -> dict[str, np.ndarray]:
        own = {"stream": self._stream, "spot": self._spot, "canvas": self._canvas, "drawn": self._drawn}
        return {f"tv.{name}": array for name, array in own.items()}

    def _describe(self, size: int, hidden: bool) -> None:
        """The attributes that say what there is in a row and what can be done; size: C."""
        world, width = self.world, self._bare + size
        self.observation_space = spaces.Box(-np.inf, np.inf, (width,), np.float32)
        seen, other = slice(0, width), slice(width, 2 * width)
        shown, clean = (other, seen) if hidden else (seen, other)
        self.columns = {"obs": seen, "shown": shown, "clean": clean, "tv": slice(2 * width, 2 * width + 1)}
        self.channel_spaces: dict[str, spaces.Space] = dict.fromkeys(("obs", "shown", "clean"), self.observation_space)
        self.channel_spaces["tv"] = spaces.Box(1, 2, (1,), np.float32)
        shift = 2 * width + 1 - self._bare
        for name, column in world.columns.items():
            if name != "obs":
                self.columns[name] = slice(column.start + shift, column.stop + shift)
                self.channel_spaces[name] = world.channel_spaces[name]
        self.row_width = world.row_width + shift
        box = world.action_space
        assert isinstance(box, spaces.Box)
        self.press_action = box.shape[0] if self.spec.has_press else None
        one = np.ones(1 if self.spec.has_press else 0, np.float32)
        self.action_space = spaces.Box(np.append(box.low, -one), np.append(box.high, one), dtype=np.float32)

    def _pictures(self, size: int) -> np.ndarray:
        """The bank, float32 [K, C], K = 0 where pictures are drawn as they are shown."""
        count = {"frozen": 1, "balls": _BALLS}.get(self.spec.content, self.spec.pictures or 0)
        if size == 1 and count > 1:
            return np.linspace(-1, 1, count, dtype=np.float32)[:, None]
        return (
            self._draws(derived_seed(self._seed, 0)).uniform(-1, 1, count * size).reshape(-1, size).astype(np.float32)
        )

    def _draws(self, seed: int) -> Draws:
        """A stream of its own for what is drawn once."""
        stream = np.zeros((1, 2), np.uint64)
        seed_streams(stream, np.uint64(seed), np.int64(0))
        return Draws(stream, np.zeros(1, np.int64))

    def _parts(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the physics gets, and who presses: bool [N]."""
        if self.press_action is None:
            return action, np.zeros(self.num_envs, bool)
        action = checked_actions(action, self.press_action + 1, self.env.state.steps)
        press = action[:, self.press_action]
        if not np.isfinite(press).all():
            n = int((~np.isfinite(press)).argmax())
            step = self.env.state.steps[n] + 1
            raise ValueError(f"environment {n}, step {step}: PRESS, action[{self.press_action}], is {press[n]}, "
                             "expected a finite number")  # fmt: skip
        return action[:, : self.press_action], press > PRESS_ABOVE

    def _begin(self, ids: np.ndarray) -> None:
        """New episodes in environments `ids` (int [M]): the television is hung up and shows something new."""
        if self._maze is not None:
            fixed = self.spec.place == "fixed"
            draws = self._draws(derived_seed(self._seed, 1)) if fixed else Draws(self._stream, ids)
            free = self._maze.free_cells
            chosen = (draws.uniform(0, 1, 1)[:, 0] * len(free)).astype(np.int64)
            self._spot[ids] = self._maze.centres(free[chosen])
        self._change(ids)

    def _change(self, ids: np.ndarray) -> None:
        """Put the next picture before environments `ids` (int [M])."""
        draws, size = Draws(self._stream, ids), self._canvas.shape[1]
        if len(self._bank) > 1:
            self._canvas[ids] = self._bank[(draws.uniform(0, 1, 1)[:, 0] * len(self._bank)).astype(np.int64)]
        elif self.spec.content == "iid":
            self._canvas[ids] = draws.uniform(-1, 1, size)
        elif self.spec.content == "unseen":
            self._canvas[ids] = signs(picture_numbers(ids, self._drawn[ids]), self._key)[:, np.arange(size) % 2]
        self._drawn[ids] += 1

    def _show(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write rows float32 [N, D + channels] of the worlds as they go out, float32 [N, W]."""
        bare, width = self._bare, self.observation_space.shape[0]
        live = np.ones(self.num_envs, bool)
        if self._maze is not None:
            places = rows[:, self.world.columns["position"]].astype(np.float64)
            near = np.hypot(*(places - self._spot).T) <= SIGHT * self._maze.size
            live = near & self._maze.open_between(places, self._spot)
        for name in ("shown", "clean"):
            part = out[:, self.columns[name]]
            part[:, :bare] = rows[:, :bare]
            part[:, bare:] = np.where(live[:, None], self._canvas, 0) if name == "shown" else 0
        out[:, 2 * width] = 1 + live
        out[:, 2 * width + 1 :] = rows[:, bare:]


def picture_numbers(ids: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """int64 [M]: a number that no other environment (`ids`, int64 [M]) and no other of its pictures (`drawn`) has.

    Cantor's pairing function, so that it does not depend on how many environments there are. Below 2 ** 48 for
    environments and pictures up to 2 ** 23.
    """
    both = ids + drawn
    return both * (both + 1) // 2 + drawn


def signs(numbers: np.ndarray, key: np.uint64) -> np.ndarray:
    """float32 [M, 2] in [-1, 1): the `numbers` (int64 [M], below 2 ** 48), scrambled one to one with `key`."""
    mixed = (numbers.astype(np.uint64) + key) & _MASK
    for odd in _MIX:
        mixed = (mixed * odd) & _MASK  # the product's lower bits are right whatever overflows
        mixed ^= mixed >> np.uint64(_HALF_BITS)
    halves = np.stack([mixed >> np.uint64(_HALF_BITS), mixed & np.uint64(2**_HALF_BITS - 1)], axis=1)
    return (halves / 2.0 ** (_HALF_BITS - 1) - 1).astype(np.float32)


def _maze_of(world: MujocoWorld) -> Maze:
    """Where the television is to hang; ValueError where that cannot be."""
    if not isinstance(world.env.world, MazeWorld):
        raise ValueError(f"TV: {type(world.env.world).__name__} has no maze to hang it in, expected place 'everywhere'")
    if "position" not in world.columns:
        raise ValueError(f"TV: the world's channels are {', '.join(world.columns)}, expected 'position' among them: "
                         "MujocoWorld(…, channels=('position',))")  # fmt: skip
    return world.env.world.maze
