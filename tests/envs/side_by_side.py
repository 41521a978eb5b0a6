"""Our engine and the minigrid package driven by the same actions, compared at every step.

As a script: `python tests/envs/side_by_side.py --episodes 300 [ID ...]` runs every id in full, random and scripted.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy

import gymnasium as gym
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall
from minigrid.envs import MultiRoomEnv
from minigrid.minigrid_env import MiniGridEnv, MissionSpace
from minigrid.wrappers import FullyObsWrapper, ViewSizeWrapper

from envs.grid import from_minigrid, symbols
from envs.grid.kernel import transition
from envs.grid.levels import LEVELS, rules
from envs.grid.obstacles import note_what_is_ahead
from envs.grid.state import CARRYING, DIRECTION, OTHER_X, OTHER_Y, OVER, TARGET_X, TARGET_Y, X, Y
from envs.grid.vector_env import GridVectorEnv
from envs.grid.wfc import make_minigrid

MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


class ScatteredEnv(MiniGridEnv):
    """A hand-made room with every kind of object, boxes with and without contents, and a few walls."""

    def __init__(
        self,
        size: int = 9,
        objects: int = 30,
        see_through_walls: bool = False,
        max_steps: int = 200,
        deadly: bool = True,
    ) -> None:
        self.objects = objects
        self.deadly = deadly
        space = MissionSpace(lambda: "wander about")
        super().__init__(space, grid_size=size, max_steps=max_steps, see_through_walls=see_through_walls)

    def _gen_grid(self, width: int, height: int) -> None:
        from minigrid.core.grid import Grid

        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.place_agent()
        for _ in range(self.objects):
            x, y = (int(self.np_random.integers(1, edge - 1)) for edge in (width, height))
            if self.grid.get(x, y) is None and (x, y) != tuple(self.agent_pos):
                self.grid.set(x, y, self.draw_object())
        if self.np_random.integers(4) == 0:  # start on something one can stand on
            colour = self._rand_color()
            self.grid.set(*self.agent_pos, (Floor(colour), Door(colour, is_open=True))[int(self.np_random.integers(2))])
        self.mission = "wander about"

    def draw_object(self, in_box: bool = False):
        kind = int(self.np_random.integers(5 if in_box else 16))
        colour = self._rand_color()
        if not self.deadly and kind in (3, 8):  # neither goals nor lava: episodes last
            kind = 2 if in_box else 5
        if kind in (0, 1, 2):
            return (Key, Ball, Floor)[kind](colour)
        if kind == 3:
            return Goal() if self.np_random.integers(2) else Goal(colour)
        if kind == 4:
            return Door(colour, is_locked=bool(self.np_random.integers(2)))
        if kind in (5, 6, 7):
            return Box(colour, self.draw_object(in_box=True) if self.np_random.integers(2) else None)
        if kind == 8:
            return Lava()
        if kind in (9, 10):
            return Wall() if self.np_random.integers(2) else Wall(colour)
        if kind in (11, 12):
            state = int(self.np_random.integers(3))
            return Door(colour, is_open=state == 0, is_locked=state == 2)
        return (Key, Ball, Floor)[kind - 13](colour)


def _unregistered() -> dict[str, Callable[[], MiniGridEnv]]:
    """What our ids mirror but minigrid does not register, and hand-made rooms."""
    return {
        "MultiRoom-N7-S4": lambda: MultiRoomEnv(7, 7, 4),
        "MultiRoom-N7-S8": lambda: MultiRoomEnv(7, 7, 8),
        "MultiRoom-N10-S4": lambda: MultiRoomEnv(10, 10, 4),
        "Scattered": ScatteredEnv,
        "Scattered-seen-through": lambda: ScatteredEnv(see_through_walls=True),
        "Scattered-lasting": lambda: ScatteredEnv(size=11, objects=50, deadly=False),
        "Scattered-crowded": lambda: ScatteredEnv(size=7, objects=60),
    }


_REGISTERED = [spec for spec in LEVELS.values() if spec.minigrid_id]
IDS = [spec.minigrid_id for spec in _REGISTERED if spec.has_native] + list(_unregistered())
WFC_IDS = [spec.minigrid_id for spec in _REGISTERED if spec.pooled]  # slow to draw: a second or more a level


def make(name: str, max_steps: int | None = None, view_size: int = 7, full: bool = False) -> gym.Env:
    """A minigrid environment by minigrid's id or a name of ours above, wrapped as asked."""
    if name in _unregistered():
        env: gym.Env = _unregistered()[name]()
    else:
        env = make_minigrid(name)
    if max_steps is not None:
        env.unwrapped.max_steps = max_steps
    if view_size != 7:
        env = ViewSizeWrapper(env, view_size)
    return FullyObsWrapper(env) if full else env


_drawn: dict[tuple[str, int], tuple] = {}


def with_few_levels(env: gym.Env, count: int) -> gym.Env:
    """`env`, drawing one of `count` levels of its kind; each is drawn once in this process and copied afterwards."""
    plain = env.unwrapped
    draw = plain._gen_grid

    def recall(width: int, height: int) -> None:
        key = (plain.spec.id, int(plain.np_random.integers(count)))
        if key not in _drawn:
            plain.np_random = np.random.default_rng(key[1])
            draw(width, height)
            _drawn[key] = deepcopy((plain.grid, plain.agent_pos, plain.agent_dir, plain.mission))
        plain.grid, plain.agent_pos, plain.agent_dir, plain.mission = deepcopy(_drawn[key])

    plain._gen_grid = recall
    return env


def scripted_action(cells: np.ndarray, agent: np.ndarray, rule: int, actions: int, rng: np.random.Generator) -> int:
    """A policy on the full state that walks to the most useful thing in reach and uses it; one action in 12 is random.

    Usefulness: what the level's rule asks for, the goal, a locked door whose key is carried, a key that fits a locked
    door, a closed door, a box or ball. It carries, and drops what is in the way of the mission or of no more use.
    """
    if rng.random() < 1 / 12:
        return int(rng.integers(actions))
    kinds = cells & 15
    colours = (cells >> 4) & 7
    states = (cells >> 7) & 3
    carried = int(agent[CARRYING])
    locked = set(colours[(kinds == symbols.DOOR) & (states == symbols.LOCKED)].tolist())
    useless = carried != 0 and not (carried & 15 == symbols.KEY and (carried >> 4) & 7 in locked)
    targets = (int(agent[TARGET_X]), int(agent[TARGET_Y])), (int(agent[OTHER_X]), int(agent[OTHER_Y]))
    brings = rule == rules.RULE_PUT_NEAR and carried & symbols.TARGET != 0
    useless &= not brings

    def by_a_door(x: int, y: int) -> bool:
        return any(
            kinds[x + dx, y + dy] == symbols.DOOR
            for dx, dy in MOVES
            if 0 <= x + dx < len(kinds) and 0 <= y + dy < len(kinds[0])
        )

    def use(x: int, y: int) -> tuple[int, int] | None:
        """(rank, action) of a cell, None where there is nothing to do."""
        kind, colour = int(kinds[x, y]), int(colours[x, y])
        if rule == rules.RULE_DONE_BESIDE and (x, y) == targets[0]:
            return (0, symbols.DONE)
        if rule == rules.RULE_MEMORY and (x, y) in targets:
            return (0 if (x, y) == targets[0] else 1, symbols.FORWARD)
        if rule == rules.RULE_RED_BLUE and (x, y) in targets and states[x, y] == symbols.CLOSED:
            return (0 if (x, y) == targets[0] else 1, symbols.TOGGLE)
        if rule == rules.RULE_PUT_NEAR and not (kind and cells[x, y] & symbols.TARGET):
            near = max(abs(x - targets[0][0]), abs(y - targets[0][1])) <= 1
            return (0, symbols.DROP) if brings and near and kind == symbols.EMPTY else None
        if rule in (rules.RULE_FETCH, rules.RULE_OBSTACLES) and not cells[x, y] & symbols.TARGET:
            return (1, symbols.FORWARD) if kind == symbols.GOAL else None
        if cells[x, y] & symbols.TARGET:
            return (0, symbols.DROP if carried else symbols.PICKUP)
        if kind == symbols.GOAL:
            return (1, symbols.FORWARD)
        if kind == symbols.DOOR and states[x, y] == symbols.LOCKED:
            fits = carried & 15 == symbols.KEY and (carried >> 4) & 7 == colour
            return (2, symbols.TOGGLE) if fits else None
        if kind == symbols.KEY and not carried and colour in locked:
            return (3, symbols.PICKUP)
        if kind == symbols.DOOR and states[x, y] == symbols.CLOSED:
            return (4, symbols.TOGGLE)
        if kind == symbols.BOX:
            return (5, symbols.TOGGLE)
        blocks = kind == symbols.BALL and by_a_door(x, y)
        return (3, symbols.PICKUP) if blocks and not carried else None

    start = (int(agent[X]), int(agent[Y]))
    came_from: dict[tuple[int, int], tuple[int, int]] = {start: start}
    best: tuple[int, int, tuple[int, int]] | None = None
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for dx, dy in MOVES:
            there = (here[0] + dx, here[1] + dy)
            if there in came_from or not (0 <= there[0] < cells.shape[0] and 0 <= there[1] < cells.shape[1]):
                continue
            found = use(*there)
            kind = kinds[there]
            if found is not None:
                came_from[there] = here
                if best is None or found[0] < best[0]:
                    best = (*found, there)
            elif kind in (symbols.EMPTY, symbols.FLOOR) or (kind == symbols.DOOR and states[there] == symbols.OPEN):
                came_from[there] = here
                queue.append(there)
    x, y = start[0] + MOVES[agent[DIRECTION]][0], start[1] + MOVES[agent[DIRECTION]][1]
    wants_drop = useless and (best is None or best[0] in (0, 3, 6))
    if wants_drop or (best is not None and best[1] == symbols.DROP and not brings):
        if kinds[x, y] == symbols.EMPTY and not by_a_door(x, y):
            return symbols.DROP
        return int(rng.integers(3))
    if best is None:
        return int(rng.integers(actions))
    step = best[2]
    while came_from[step] != start:
        step = came_from[step]
    heading = MOVES.index((step[0] - start[0], step[1] - start[1]))
    if heading != agent[DIRECTION]:
        return symbols.RIGHT if (heading - agent[DIRECTION]) % 4 in (1, 2) else symbols.LEFT
    return best[1] if step == best[2] else symbols.FORWARD


def follow(worlds: GridVectorEnv, n: int, env: gym.Env, action: int) -> tuple[float, bool, bool]:
    """Our step of world n where its balls walk as those of `env`, which has stepped already, did."""
    cells, agent = worlds.state.cells[n], worlds.state.agent[n]
    note_what_is_ahead(cells, agent)
    balls = cells[cells & 15 == symbols.BALL][0] & 0x1FF
    cells[cells & 15 == symbols.BALL] = symbols.EMPTY
    for order, ball in enumerate(env.unwrapped.obstacles, 1):
        cells[tuple(ball.cur_pos)] = balls | order << 9
    return transition(cells, agent, action, rules.RULE_OBSTACLES, worlds.max_steps)


def compare(envs: Sequence[gym.Env], seed: int, scripted: bool, each_state: bool = False) -> dict[str, int]:
    """Play one episode in each of `envs` (reset from `seed` up) on both sides; AssertionError at the first difference.

    Observation, reward, terminated and truncated are compared at every step; the full state, box contents included, at
    the end of every episode (with each_state after every step). Returns counts of what happened.
    """
    theirs = [env.reset(seed=seed + n)[0] for n, env in enumerate(envs)]
    worlds = from_minigrid(envs)
    ours = worlds.observe()
    for n, observation in enumerate(theirs):
        _same_observation(ours, n, observation, worlds)
    rng = np.random.default_rng(seed)
    count = len(envs)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    active = np.ones(count, bool)
    actions = np.zeros(count, np.int64)
    tally = {"steps": 0, "episodes": count, "terminated": 0, "rewarded": 0, "carried": 0, "changed": 0}
    cells, agent = worlds.state.cells, worlds.state.agent
    rule, kinds_of_action = worlds.level.rule, worlds.engine.num_actions
    while active.any():
        for n in np.flatnonzero(active):
            chosen = scripted_action(cells[n], agent[n], rule, kinds_of_action, rng) if scripted else None
            actions[n] = rng.integers(kinds_of_action) if chosen is None else chosen
        before = cells.copy()
        answers = [env.step(int(actions[n])) if active[n] else None for n, env in enumerate(envs)]
        if rule == rules.RULE_OBSTACLES:
            for n in np.flatnonzero(active):
                reward[n], terminated[n], truncated[n] = follow(worlds, n, envs[n], int(actions[n]))
        else:
            worlds.engine.step(actions, reward, terminated, truncated, active)
        ours = worlds.observe()
        for n in np.flatnonzero(active):
            observation, paid, ended, cut, _ = answers[n]
            found = (reward[n], terminated[n], truncated[n])
            assert found == (paid, ended, cut), f"env {n}: {found} != {(paid, ended, cut)}"
            _same_observation(ours, n, observation, worlds)
            if ended or cut or each_state:
                again = from_minigrid([envs[n]]).state
                np.testing.assert_array_equal(again.cells[0], cells[n])
                np.testing.assert_array_equal(again.agent[0, :OVER], agent[n, :OVER])
        tally["steps"] += int(active.sum())
        tally["terminated"] += int((terminated & active).sum())
        tally["rewarded"] += int(((reward > 0) & active).sum())
        tally["carried"] += int(((agent[:, CARRYING] != 0) & active).sum())
        tally["changed"] += int((before != cells).any(axis=(1, 2)).sum())
        active &= ~(terminated | truncated)
    return tally


def _same_observation(ours: dict, n: int, theirs: dict, worlds: GridVectorEnv) -> None:
    assert theirs["image"].dtype == ours["image"].dtype
    np.testing.assert_array_equal(ours["image"][n], theirs["image"])
    assert ours["direction"][n] == theirs["direction"]
    assert worlds.level.mission.text(ours["mission"][n]) == theirs["mission"]


def _make_quickly(name: str, longest: int) -> gym.Env:
    """`make`, cut to `longest` steps an episode, with few levels where they are slow to draw."""
    env = make(name)
    env.unwrapped.max_steps = min(env.unwrapped.max_steps, longest)
    return with_few_levels(env, 40) if name in WFC_IDS else env


def main() -> None:
    """Run ids in full and print what was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", default=IDS + WFC_IDS)
    parser.add_argument("--episodes", type=int, default=300, help="for each id and each policy")
    parser.add_argument("--longest", type=int, default=10**6, help="steps an episode is cut to")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    for name in chosen.ids:
        for scripted in (False, True):
            started = time.perf_counter()
            total: dict[str, int] = {}
            for first in range(0, chosen.episodes, 50):
                envs = [_make_quickly(name, chosen.longest) for _ in range(min(50, chosen.episodes - first))]
                for key, value in compare(envs, chosen.seed + first, scripted).items():
                    total[key] = total.get(key, 0) + value
            seconds = time.perf_counter() - started
            print(f"{name:36s} {'scripted' if scripted else 'random':8s} equal {total} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
