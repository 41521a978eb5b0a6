"""To and from the minigrid package: the same world as our arrays and as its objects.

`minigrid` is imported here and in `envs.grid.wfc` only, and only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
from gymnasium.vector import AutoresetMode
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall, WorldObj
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import FullyObsWrapper, ViewSizeWrapper

from envs.grid import symbols
from envs.grid.engine import GridEngine
from envs.grid.interop_rules import CLASSES, RULES, load_rule, place_rule
from envs.grid.levels import LEVELS, LevelSpec, MissionText
from envs.grid.levels.rules import RULE_HALLWAY, RULE_PICKUP_TARGET, RULE_UNLOCK
from envs.grid.state import CARRYING, DIRECTION, MISSION, OVER, STEPS, GridState, X, Y
from envs.grid.vector_env import GridVectorEnv
from envs.grid.wfc import make_minigrid

_KINDS: dict[type, int] = {
    Wall: symbols.WALL,
    Floor: symbols.FLOOR,
    Door: symbols.DOOR,
    Key: symbols.KEY,
    Ball: symbols.BALL,
    Box: symbols.BOX,
    Goal: symbols.GOAL,
    Lava: symbols.LAVA,
}
_CLASSES = {kind: kind_class for kind_class, kind in _KINDS.items()}
_OWN_METHODS = ("_reward", "gen_obs", "gen_obs_grid", "get_view_exts")
# Wrappers that leave rewards, actions and episode ends alone, beside those that only change the observation.
_TRANSPARENT = (gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker, gym.wrappers.RecordEpisodeStatistics)
# What may differ from a registered level without changing how its levels are drawn.
_HARMLESS = {"max_steps", "render_mode", "agent_view_size", "see_through_walls", "highlight", "tile_size", "agent_pov"}
_HARMLESS.add("screen_size")


def pack_object(item: WorldObj | None, target: WorldObj | None = None, where: str = "object") -> int:
    """A MiniGrid object as a packed cell (`envs.grid.symbols`); `target` gets the target mark.

    ValueError where it cannot be packed: an unknown class, a box in a box, the target inside a box, a colour that
    kind never has, a door both open and locked. `where` names the object in the message.
    """
    if item is None:
        return symbols.EMPTY
    if type(item) not in _KINDS:
        raise ValueError(f"{where}: class {type(item).__name__} is unknown, expected one of minigrid's own objects")
    if isinstance(item, Door) and item.is_open and item.is_locked:
        raise ValueError(f"{where}: the door is both open and locked, expected one of the two")
    kind, colour, state = (int(part) for part in item.encode())
    cell = kind | colour << 4 | state << 7
    if symbols.PACKED[symbols.SYMBOL[cell]] != cell:
        raise ValueError(f"{where}: there is no {item.color} {item.type}")
    held = getattr(item, "contains", None)
    if held is not None:
        if isinstance(held, Box):
            raise ValueError(f"{where}: a box in a box, expected at most one box around an object")
        if held is target:
            raise ValueError(f"{where}: the mission's object is inside a box, expected it outside")
        cell |= int(symbols.SYMBOL[pack_object(held, None, where) & symbols.LOOK]) << 9
    return cell | symbols.TARGET if item is target else cell


def unpack_object(cell: int) -> WorldObj | None:
    """A packed cell as a new MiniGrid object."""
    kind = symbols.kind_of(cell)
    if kind not in _CLASSES:
        return None
    colour = symbols.COLOURS[symbols.colour_of(cell)]
    if kind == symbols.LAVA:
        return Lava()
    if kind == symbols.DOOR:
        state = symbols.state_of(cell)
        return Door(colour, is_open=state == symbols.OPEN, is_locked=state == symbols.LOCKED)
    if kind == symbols.BOX:
        held = symbols.contents_of(cell)
        return Box(colour, unpack_object(int(symbols.PACKED[held])) if held else None)
    return _CLASSES[kind](colour)


def from_minigrid(envs: Sequence[gym.Env]) -> GridVectorEnv:
    """The batched engine in exactly the states of `envs`, minigrid environments that were reset.

    They may be wrapped (ViewSizeWrapper and FullyObsWrapper choose our observation) and in the middle of an episode,
    but must share size, step limit, view and rule. Autoreset is DISABLED. Where all are one registered level, `reset`
    draws levels of it; otherwise there is no generator, and `restore` is the way to go on. Random streams start
    unseeded: minigrid's own generators cannot be carried over.

    Raises ValueError, one line, for mixed sizes or rules, an environment that was not reset, objects, classes or
    wrappers that do not behave as plain MiniGrid.
    """
    envs = list(envs)
    if not envs:
        raise ValueError("the list of environments is empty, expected at least one")
    forms = [_form(env, n) for n, env in enumerate(envs)]
    for n, form in enumerate(forms):
        for key, value in form.items():
            if value != forms[0][key] and key != "level":
                raise ValueError(f"environment {n} has {key} {value}, environment 0 has {forms[0][key]}: expected one")
    plain: list[Any] = [env.unwrapped for env in envs]
    form = forms[0]
    missions = [env.mission for env in plain]
    level = form["level"]
    if level is None or any(other["level"] != level for other in forms):
        texts = tuple(dict.fromkeys(missions))
        width, height = form["size"]
        level = LevelSpec(
            id="FromMiniGrid", minigrid_id=None, family=0, params=(), width=width, height=height,
            max_steps=form["max_steps"], rule=form["rule"], see_through_walls=form["see_through_walls"],
            num_actions=form["actions"], mission=MissionText("{}", (texts,)), has_native=False,
        )  # fmt: skip
    level = replace(level, max_steps=form["max_steps"], see_through_walls=form["see_through_walls"])
    worlds = GridVectorEnv(
        level, len(envs), form["observation"], form["view size"], autoreset_mode=AutoresetMode.DISABLED
    )
    state = GridState.zeros(len(envs), level.width, level.height)
    for n, env in enumerate(plain):
        _load(env, level, state.cells[n], state.agent[n], f"environment {n}")
    worlds.restore(state)
    return worlds


def _form(env: gym.Env, n: int) -> dict[str, Any]:
    """What all environments of a batch must share, and the registered level `env` is, if any."""
    if not isinstance(env.unwrapped, MiniGridEnv):
        raise ValueError(f"environment {n} is a {type(env.unwrapped).__name__}, expected a MiniGridEnv")
    observation, view_size = "image", None
    outer: Any = env
    while isinstance(outer, gym.Wrapper):
        if isinstance(outer, FullyObsWrapper):
            observation = "full"
        elif isinstance(outer, ViewSizeWrapper) and view_size is None:
            view_size = outer.agent_view_size
        elif not isinstance(outer, (*_TRANSPARENT, gym.ObservationWrapper)):
            raise ValueError(f"environment {n}: wrapper {type(outer).__name__} may change more than the observation")
        outer = outer.env
    step = type(outer).step
    own = [name for name in _OWN_METHODS if getattr(type(outer), name) is not getattr(MiniGridEnv, name)]
    if step not in RULES or own:
        name = type(outer).__name__
        raise ValueError(f"environment {n}: {name} has its own {own[0] if own else 'step'}, unknown here")
    if outer.agent_pos is None or outer.agent_dir is None or outer.agent_dir < 0:
        raise ValueError(f"environment {n} was not reset, expected one in an episode")
    return {
        "size": (outer.width, outer.height),
        "max_steps": int(outer.max_steps),
        "rule": RULES[step],
        "see_through_walls": bool(outer.see_through_walls),
        "observation": observation,
        "view size": int(outer.agent_view_size if view_size is None else view_size),
        "actions": int(outer.action_space.n),
        "level": _registered(outer),
    }


def _registered(env: MiniGridEnv) -> LevelSpec | None:
    """Our level that draws as `env` does; None where it is not registered or was made with other arguments."""
    if env.spec is None:
        return None
    usual = gym.spec(env.spec.id).kwargs if env.spec.id in gym.registry else None
    kept = {key: getattr(value, "preset", value) for key, value in env.spec.kwargs.items() if key not in _HARMLESS}
    if usual is None or kept != {key: value for key, value in usual.items() if key not in _HARMLESS}:
        return None
    return next((level for level in LEVELS.values() if level.minigrid_id == env.spec.id), None)


def _load(env: MiniGridEnv, level: LevelSpec, cells: np.ndarray, agent: np.ndarray, where: str) -> None:
    """Write one environment's world into cells uint16 [W, H] and agent int32 [14]."""
    target = env.obj if level.rule == RULE_PICKUP_TARGET else None
    doors: set[int] = set()
    for x in range(env.width):
        for y in range(env.height):
            item = env.grid.get(x, y)
            cells[x, y] = pack_object(item, target, f"{where}, cell ({x}, {y})")
            if isinstance(item, Door):
                if id(item) in doors:
                    raise ValueError(f"{where}, cell ({x}, {y}): this door object stands in two cells")
                doors.add(id(item))
    agent[X], agent[Y] = env.agent_pos
    agent[DIRECTION] = env.agent_dir
    agent[STEPS] = env.step_count
    if not (0 <= agent[X] < env.width and 0 <= agent[Y] < env.height):
        raise ValueError(f"{where}: the agent is at ({agent[X]}, {agent[Y]}), outside the grid")
    if env.carrying is not None:
        agent[CARRYING] = pack_object(env.carrying, target, f"{where}, carried")
    load_rule(env, level.rule, cells, agent, where)
    codes = level.mission.codes(env.mission)
    agent[MISSION : MISSION + len(codes)] = codes


class LoadedLevel(MiniGridEnv):
    """A MiniGrid environment in a given state, for levels minigrid has no class for. `reset` loads that state again."""

    def __init__(self, level: LevelSpec, max_steps: int, view_size: int, cells: np.ndarray, agent: np.ndarray) -> None:
        mission = level.mission.text(agent[MISSION:OVER])
        super().__init__(
            MissionSpace(lambda: mission), width=level.width, height=level.height, max_steps=max_steps,
            see_through_walls=level.see_through_walls, agent_view_size=view_size,
        )  # fmt: skip
        self.rule = level.rule
        self.mission = mission
        self._cells, self._agent = cells.copy(), agent.copy()
        self.reset()

    def _gen_grid(self, width: int, height: int) -> None:
        _place(self, self.rule, self._cells, self._agent)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Load the state again."""
        super().reset(seed=seed, options=options)
        _place(self, self.rule, self._cells, self._agent)  # once more: MiniGrid's reset drops what is carried
        return self.gen_obs(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """MiniGrid's step, then the level's rule."""
        if self.rule == RULE_HALLWAY:
            self.agent_dir = 0 if action == 1 else 2
            observation, reward, terminated, truncated, info = super().step(self.actions.forward)
            self.agent_dir = int(self._agent[DIRECTION])
            return self.gen_obs(), reward, terminated, truncated, info
        observation, reward, terminated, truncated, info = super().step(action)
        opened = self.rule == RULE_UNLOCK and action == self.actions.toggle and self.door.is_open
        if opened or (
            self.rule == RULE_PICKUP_TARGET
            and action == self.actions.pickup
            and self.carrying is not None
            and self.carrying is self.obj
        ):
            reward, terminated = self._reward(), True
        return observation, reward, terminated, truncated, info


def _place(env: MiniGridEnv, rule: int, cells: np.ndarray, agent: np.ndarray) -> None:
    """Put a world of a level with `rule` into `env`."""
    env.grid = Grid(*cells.shape)
    env.obj = None
    for x, y in np.ndindex(*cells.shape):
        item = unpack_object(int(cells[x, y]))
        env.grid.set(x, y, item)
        if item is not None:
            item.init_pos = item.cur_pos = (x, y)
        if cells[x, y] & symbols.TARGET:
            env.obj = item
    env.carrying = unpack_object(int(agent[CARRYING])) if agent[CARRYING] else None
    if agent[CARRYING] & symbols.TARGET:
        env.obj = env.carrying
    env.agent_pos = (int(agent[X]), int(agent[Y]))
    env.agent_dir = int(agent[DIRECTION])
    env.step_count = int(agent[STEPS])
    place_rule(env, rule, cells, agent)


def to_minigrid(worlds: GridVectorEnv, index: int = 0) -> MiniGridEnv:
    """A minigrid environment in the state of world `index`: minigrid's own class where it has one."""
    if not 0 <= index < worlds.num_envs:
        raise ValueError(f"index is {index}, expected 0 to {worlds.num_envs - 1}")
    level, cells, agent = worlds.level, worlds.state.cells[index], worlds.state.agent[index]
    view_size = worlds.layout.view_size
    env: Any
    if level.minigrid_id is not None:
        env = make_minigrid(level.minigrid_id, view_size).unwrapped
    elif level.rule in CLASSES:
        env = CLASSES[level.rule](agent_view_size=view_size)
        env.width, env.height = level.width, level.height
    else:
        return LoadedLevel(level, worlds.max_steps, view_size, cells, agent)
    env.max_steps = worlds.max_steps
    env.see_through_walls = level.see_through_walls
    env.mission = level.mission.text(agent[MISSION:OVER])
    _place(env, level.rule, cells, agent)
    return env


def picture(worlds: GridVectorEnv, index: int = 0, tile_size: int = 32) -> np.ndarray:
    """MiniGrid's own picture of world `index`, uint8 [tile_size * H, tile_size * W, 3], the agent's view lit up."""
    return to_minigrid(worlds, index).get_frame(highlight=True, tile_size=tile_size)


def engine_frame(engine: GridEngine, index: int) -> np.ndarray:
    """MiniGrid's picture of world `index`, uint8 [S * H, S * W, 3] with S pixels a cell: 32, in large worlds 16."""
    spec, state = engine.spec, engine.state
    level = LoadedLevel(spec, engine.max_steps, 7, state.cells[index], state.agent[index])
    return level.get_frame(tile_size=32 if max(spec.width, spec.height) <= 10 else 16)
