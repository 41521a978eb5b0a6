"""What a noisy television must do whatever it hangs in: grids and MuJoCo's mazes, against twins without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from envs.grid import tv as grid_tv
from envs.grid.levels import level_spec
from envs.grid.world import GridWorld
from envs.mujoco import tv as mujoco_tv
from envs.mujoco.rollout_world import MujocoWorld
from envs.mujoco.worlds.point_maze import PointMazeU
from envs.noisy_tv import TVSpec

N, STEPS = 12, 90
TRIGGERS = ("none", "sham", "every-step", "remote")


class ShortMaze(PointMazeU):
    __doc__ = PointMazeU.__doc__
    max_steps = 40


@dataclass(frozen=True)
class Grid:
    """Three rooms; MiniGrid's `done` action does nothing there."""

    name = "grid"

    def bare(self, num_envs: int) -> GridWorld:
        return GridWorld(level_spec("MultiRoom-N2-S4-v0"), num_envs, channels=("position",))

    def television(self, text: str, num_envs: int = N, seed: int = 5, hidden: bool = False) -> Any:
        return grid_tv.with_tv(self.bare(num_envs), TVSpec.parse(text), seed, hidden)

    def actions(self, num_envs: int, press: bool) -> tuple[np.ndarray, np.ndarray]:
        """What a player does, and who presses."""
        rng = np.random.default_rng(3)
        actions = np.where(rng.random((STEPS, num_envs)) < 0.4, 2, rng.integers(7, size=(STEPS, num_envs)))
        pressed = (rng.random((STEPS, num_envs)) < 0.3) & press
        return np.where(pressed, 7, actions), pressed

    def without(self, actions: np.ndarray, pressed: np.ndarray) -> np.ndarray:
        """What the player's actions are to the world itself."""
        return np.where(pressed, 6, actions)

    def state(self, world: Any) -> list[np.ndarray]:
        return [world.engine.state.cells, world.engine.state.agent, world.engine.state.stream]


@dataclass(frozen=True)
class Mujoco:
    """A small maze with short episodes."""

    name = "mujoco"

    def bare(self, num_envs: int) -> MujocoWorld:
        return MujocoWorld(ShortMaze(), num_envs, channels=("position",))

    def television(self, text: str, num_envs: int = N, seed: int = 5, hidden: bool = False) -> Any:
        return mujoco_tv.with_tv(self.bare(num_envs), TVSpec.parse(text), seed, hidden)

    def actions(self, num_envs: int, press: bool) -> tuple[np.ndarray, np.ndarray]:
        """What a player does, and who presses."""
        rng = np.random.default_rng(3)
        actions = rng.uniform(-1, 1, (STEPS, num_envs, 3)).astype(np.float32)
        actions[:, :, :2] = np.repeat(actions[::10, :, :2], 10, axis=0)  # pushed one way for a while
        pressed = (actions[:, :, 2] > 0.75) & press
        return actions[:, :, : 2 + press], pressed

    def without(self, actions: np.ndarray, pressed: np.ndarray) -> np.ndarray:
        """What the player's actions are to the world itself."""
        return actions[:, :, :2]

    def state(self, world: Any) -> list[np.ndarray]:
        state = world.env.state
        return [state.physics, state.steps, state.stream]


FAMILIES = pytest.mark.parametrize("family", [Grid(), Mujoco()], ids=lambda one: one.name)


def played(world: Any, actions: np.ndarray, seed: int | None = 9) -> Iterator[list[np.ndarray]]:
    """First rows, then what every step wrote: copies."""
    rows = world.reset(seed) if seed is not None else None
    yield [rows]
    kind = np.uint8 if rows is None or rows.dtype == np.uint8 else np.float32
    if rows is None and isinstance(world, mujoco_tv.NoisyTV):
        kind = np.float32
    out = [np.zeros((world.num_envs, world.row_width), kind) for _ in range(2)]
    out += [np.zeros(world.num_envs), np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)]
    for action in actions:
        world.step(action, *out)
        yield [part.copy() for part in out]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for got, wanted in zip(one, other, strict=True):
        np.testing.assert_array_equal(got, wanted)


@FAMILIES
def test_off_is_the_world_itself(family):
    world = family.bare(2)
    with_tv = grid_tv.with_tv if family.name == "grid" else mujoco_tv.with_tv
    for hidden in (False, True):
        assert with_tv(world, TVSpec.parse("off"), 0, hidden) is world
    with pytest.raises(ValueError, match="'off' is no television"):
        (grid_tv if family.name == "grid" else mujoco_tv).NoisyTV(world, TVSpec.parse("off"), 0)


@FAMILIES
@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("hidden", [False, True])
def test_the_world_goes_on_as_without_it(family, trigger, hidden):
    tv, bare = family.television(f"{trigger},k30,quadrant,spot", hidden=hidden), family.bare(N)
    press = trigger in ("sham", "remote")
    assert (tv.press_action is not None) == press
    actions, pressed = family.actions(N, press)
    seen = ends = 0
    start = bare.columns["obs"].stop
    for ours, theirs in zip(played(tv, actions), played(bare, family.without(actions, pressed)), strict=True):
        same(ours[2:], theirs[2:])
        same(family.state(tv), family.state(bare))
        for got, wanted in zip(ours[:2], theirs[:2], strict=True):
            obs, shown, clean = (got[:, tv.columns[name]] for name in ("obs", "shown", "clean"))
            np.testing.assert_array_equal(clean[:, :start], wanted[:, :start])
            assert (clean[:, start:] == 0).all()  # no number of a television
            np.testing.assert_array_equal(obs, clean if hidden else shown)
            np.testing.assert_array_equal(got[:, tv.columns["position"]], wanted[:, bare.columns["position"]])
            live = got[:, tv.columns["tv"]][:, 0]
            assert np.isin(live, (1, 2)).all()
            changed = (shown != clean).any(axis=1)
            assert not (changed & (live == 1)).any()
            assert changed[live == 2].all()
            assert got.shape == (N, tv.row_width)
            for name, space in tv.channel_spaces.items():
                part = got[:, tv.columns[name]]
                inside = (part < space.nvec) if family.name == "grid" else (part >= space.low) & (part <= space.high)
                assert inside.all()
            seen += int((live == 2).sum())
        ends += int(np.sum(ours[3:5])) if len(ours) > 1 else 0
    assert ends > 0
    assert 0 < seen < 2 * N * STEPS


@FAMILIES
@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("place", ["spot", "fixed", "everywhere"])
def test_pictures_change_when_the_trigger_says_and_with_every_episode(family, trigger, place):
    tv = family.television(f"{trigger},unseen,view,{place}")
    actions, pressed = family.actions(N, tv.press_action is not None)
    before = None
    ends = 0
    for t, out in enumerate(played(tv, actions)):
        canvas = tv.state_dict()["tv.canvas"]
        if t > 0:
            ended = out[3] | out[4]
            changes = np.full(N, trigger == "every-step") | (pressed[t - 1] & (trigger == "remote"))
            np.testing.assert_array_equal((canvas != before).any(axis=1), changes | ended)
            np.testing.assert_array_equal(out[0][~ended], out[1][~ended])
            ends += int(ended.sum())
        before = canvas
    assert ends > 0


@FAMILIES
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_frozen_is_one_picture_for_good(family, trigger):
    tv, other = (family.television(f"{trigger},frozen,quadrant,everywhere", seed=seed) for seed in (5, 6))
    actions, _ = family.actions(N, tv.press_action is not None)
    canvases = [tv.state_dict()["tv.canvas"] for _ in played(tv, actions)]
    assert len(np.unique(np.concatenate(canvases), axis=0)) == 1
    other.reset(9)
    assert (other.state_dict()["tv.canvas"] != canvases[0]).any()


@FAMILIES
@pytest.mark.parametrize("content", ["k6", "iid", "unseen"])
def test_a_twin_is_equal_and_a_saved_one_goes_on_bit_for_bit(family, content):
    text = f"remote,{content},quadrant,spot"
    actions, _ = family.actions(N, press=True)
    tv, twin, first, later = (family.television(text) for _ in range(4))
    whole = list(played(tv, actions))
    for one, other in zip(played(twin, actions), whole, strict=True):
        same(one, other)
    list(played(first, actions[:30]))
    later.load_state_dict(first.state_dict())
    for one, other in zip(list(played(later, actions[30:], None))[1:], whole[31:], strict=True):
        same(one, other)
    same(list(later.state_dict().values()), list(tv.state_dict().values()))


@FAMILIES
def test_unseen_pictures_do_not_come_again_after_a_reset(family):
    tv = family.television("every-step,unseen,quadrant,everywhere")
    actions, _ = family.actions(N, press=False)
    found = []
    for seed in (9, 9, 10):
        for out in played(tv, actions[:10], seed):
            found.append(tv.state_dict()["tv.canvas"])
            assert len(out) in (1, 5)
    shown = np.concatenate(found)
    assert len(np.unique(shown, axis=0)) == len(shown) == 3 * 11 * N


@FAMILIES
def test_its_own_seed_changes_pictures_and_nothing_else(family):
    one, other = (family.television("every-step,iid,view,everywhere", seed=seed) for seed in (5, 6))
    actions, _ = family.actions(N, press=False)
    for ours, theirs in zip(played(one, actions), played(other, actions), strict=True):
        for got, wanted in zip(ours[:2], theirs[:2], strict=True):
            np.testing.assert_array_equal(got[:, one.columns["clean"]], wanted[:, one.columns["clean"]])
            assert (got[:, one.columns["shown"]] != wanted[:, one.columns["shown"]]).any()
    first = one.reset(4)
    assert (first != one.reset(3)).any()
    np.testing.assert_array_equal(one.reset(4), first)


@FAMILIES
def test_worlds_do_not_depend_on_how_many_there_are(family):
    few, many = (family.television("every-step,iid,quadrant,spot", num_envs=count) for count in (3, 20))
    actions, _ = family.actions(20, press=False)
    for one, other in zip(played(few, actions[:, :3]), played(many, actions), strict=True):
        for got, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, wanted[:3])


@FAMILIES
def test_what_cannot_be_is_said(family):
    with pytest.raises(ValueError, match="TV: seed is -1, expected an integer from 0"):
        family.television("every-step,iid,view,everywhere", seed=-1)
    tv = family.television("every-step,iid,view,everywhere")
    with pytest.raises(ValueError, match=r"the state has no 'tv\.stream'"):
        tv.load_state_dict(tv.world.state_dict())
    with pytest.raises(ValueError, match=r"'tv\.stream' is uint64 \[12, 2\], expected uint64 \[3, 2\]"):
        family.television("every-step,iid,view,everywhere", num_envs=3).load_state_dict(tv.state_dict())
