"""Self-play in MuJoCo's goal worlds: rounds, what is measured, and that Bob learns."""

import json

import numpy as np
import pytest
import torch

from envs.mujoco.draws import Draws
from envs.mujoco.field import MujocoField
from envs.mujoco.maze import LAYOUTS, Maze
from envs.mujoco.pictures import WALL
from envs.mujoco.worlds import GOAL_WORLDS
from envs.ruler import WAY
from selfplay.environments import find_environment
from selfplay.game.curriculum import coverage
from selfplay.game.pictures import outcome_colours
from selfplay.game.rounds import Game
from selfplay.game.scores import GoalScores
from selfplay.methods import method_settings
from selfplay.train import build_stage

SHORT = {
    "num_envs": "12", "eval_goals": "8", "proposals": "4", "alice.minibatch_size": "128", "bob.minibatch_size": "128",
    "alice.epochs": "1", "bob.epochs": "1",
}  # fmt: skip


def stage(name, seed=0, **overrides):
    settings = method_settings(
        "alice-bob", SHORT | {"game.t_max": "80", "game.stop_chance": "0.04"} | overrides, "mujoco"
    )
    return build_stage("alice-bob", find_environment(f"mujoco/{name}"), settings, seed, "cpu")


@pytest.mark.parametrize("name", GOAL_WORLDS)
@pytest.mark.parametrize("mode", ["repeat", "reverse"])
def test_a_round_in_every_world(name, mode):
    players = stage(name, **{"game.mode": mode})
    played = players.game.play()
    outcome, turn = played.outcome, played.alice_turn
    assert played.steps == outcome.t_alice.sum() + outcome.t_bob.sum()
    assert (outcome.t_alice + outcome.t_bob <= 80).all()
    assert outcome.proposed.any()
    np.testing.assert_array_equal(outcome.proposed, turn.stopped)
    field, everyone = players.field, np.arange(12)
    field.restore(played.before_alice, everyone)
    np.testing.assert_array_equal(field.achieved(), played.start)
    for t in range(int(turn.steps.max())):  # what was given, given again
        field.step(turn.given[t], np.flatnonzero(turn.steps > t))
    np.testing.assert_array_equal(field.achieved(), played.end)
    field.restore(played.before_bob, everyone)
    np.testing.assert_array_equal(field.achieved(), played.start if mode == "repeat" else played.end)
    np.testing.assert_array_equal(played.desired, played.end if mode == "repeat" else played.start)
    space = field.action_space
    assert (turn.given[turn.mask] >= space.low).all()
    assert (turn.given[turn.mask] <= space.high).all()
    if played.demonstration is not None:
        assert mode == "repeat"
        failed = outcome.proposed & ~outcome.solved
        assert len(played.demonstration.action) == outcome.t_alice[failed].sum()
        assert played.demonstration.action.shape[1:] == space.shape
        shown = played.demonstration.obs[: int((failed & (outcome.t_alice > 0)).sum())].numpy()
        rows = np.flatnonzero(failed & (outcome.t_alice > 0))
        columns = np.concatenate(
            [np.arange(c.start, c.stop) for p in field.world.parts for c in [field.world.places[p]]]
        )
        way = (played.end - played.start)[np.ix_(rows, columns)]
        np.testing.assert_allclose(shown[:, -len(columns) :], way, atol=1e-5)  # her own end is the goal


@pytest.mark.parametrize("name", ["PointMaze-U-v0", "BlockPush-Two-v0"])
def test_what_is_told_of_a_run(name):
    players = stage(name)
    for _ in range(2):
        report = players.iterate(0.0)
    scalars = report.scalars | players.evaluate()
    assert all(np.isfinite(value) for key, value in scalars.items() if "explained_variance" not in key)
    assert 0 <= scalars["eval/zero_shot"] <= 1
    assert 0 <= scalars["curriculum/coverage"] <= 1
    assert ("curriculum/unreachable" in scalars) == name.startswith("Point")
    drawn = {tag for group in players.charts.values() for tags in group.values() for tag in (
        [tags.value, tags.lower, tags.upper] if hasattr(tags, "value") else tags)}  # fmt: skip
    silent = {"eval/zero_shot_steps_per_metre", "eval/returned", "eval/return_possible"}  # of goals Bob reached, …
    learns = {f"bob/train/{name}" for name in ("entropy", "approx_kl", "explained_variance/task")} | {"bob/t_B"}
    if "bob/train/entropy" not in scalars:  # nobody moved a block: all goals were trivial
        assert name.startswith("Block")
        silent |= learns
    assert drawn - scalars.keys() <= silent
    line = json.loads(json.dumps(report.proposals[0]))
    assert ("shortest" in line) == name.startswith("Point")
    assert ("straight" in line) == name.startswith("Block")
    found = players.scores(8, 3)
    assert sum(row["goals"] for row in found["goals"]["by_difficulty"]) == 8
    assert found["goals"]["distance"] == ("shortest way (m)" if name.startswith("Point") else "straight distance (m)")
    pictures = players.pictures()
    assert {"curriculum/goals", "curriculum/outcomes", "curriculum/episode"} == pictures.keys()
    assert pictures["curriculum/outcomes"].shape[2] == 3


def test_pace_counts_the_metres_up_to_where_it_is_near_enough():
    """1.3 and .35 m away with .3 m near enough: 1 m in 10 steps and .05 m in 2, 12 steps for 1.05 m; one is missed."""
    distance, solved, steps = np.array([1.3, 0.35, 5.0]), np.array([True, True, False]), np.array([10, 2, 90])
    assert GoalScores(distance, solved, steps, WAY, 0.3).pace == pytest.approx(12 / 1.05)
    assert GoalScores(np.array([4, 2]), np.array([True, True]), np.array([6, 2])).pace == pytest.approx((1.5 + 1) / 2)
    assert stage("PointMaze-U-v0").field.tolerance == 0.3


def test_coverage_counts_ways_between_different_cells():
    """Seven cells have 42 ways; two of them are asked for, one twice, and one goal is in the cell of its start."""
    places = np.array([[1, 1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1], [1, 1, 2, 1]])
    assert coverage(places, 7) == pytest.approx(2 / 42)
    assert coverage(places[:0], 7) == 0


def test_colours_of_outcomes():
    at_once, late, failed = outcome_colours(np.array([0.0, 1.0, np.nan])).astype(int)
    assert failed[0] > failed[1] + 50
    assert at_once.sum() < late.sum()


def test_goals_are_where_the_pictures_of_the_world_have_them():
    """One goal in every free cell: what is grey on the map is what is a wall in the world's picture."""
    players = stage("PointMaze-Medium-v0", **{"game.t_max": "10"})
    maze = players.field.world.maze
    players._goals.append(players.field.goal_cells(maze.centres(maze.free_cells)))
    shown, world = players.pictures()["curriculum/goals"], players.field.frame(0)
    (width, height), side = maze.shape, world.shape[0] // maze.shape[1]
    walls = (world[side // 2 :: side, side // 2 :: side] == WALL).all(axis=2)
    assert walls.shape == (height, width)
    assert (walls != walls[::-1]).any()
    np.testing.assert_array_equal((np.ptp(shown[::24, ::24].astype(int), axis=2) < 20), walls)


def test_uniform_goals_cover_the_area_evenly():
    """The U's seven cells by the area where a disc of .2 m fits: corners of .8 × .8 m less a quarter circle, …"""
    maze = Maze(LAYOUTS["U"], 1.0)
    draws = Draws(np.random.default_rng(0).integers(0, 2**64, (60_000, 2), np.uint64), np.arange(60_000))
    found = maze.draw_clear(draws, 0.2)
    area = {(1, 3): 0.8 * 0.6, (2, 3): 0.6, (3, 3): 0.64 - np.pi * 0.2**2 / 4, (3, 2): 0.6,
            (3, 1): 0.64 - np.pi * 0.2**2 / 4, (2, 1): 0.6, (1, 1): 0.8 * 0.6}  # fmt: skip
    cells, counts = np.unique(maze.cells(found), axis=0, return_counts=True)
    assert {tuple(cell) for cell in cells.tolist()} == area.keys()
    for cell, count in zip(cells.tolist(), counts, strict=True):
        assert count / 60_000 == pytest.approx(area[tuple(cell)] / sum(area.values()), abs=0.006), cell
    assert maze.clearance(found).min() >= 0.2


def test_threads_change_nothing_in_a_round():
    rounds = []
    for threads in (1, 2):
        players = stage("BlockPush-v0", **{"num_envs": "40"})
        field = MujocoField(players.field.world, 40, 5, threads=threads, flag=False)
        rounds.append(Game(field, players.alice, players.bob, players.config.game).play())
    one, two = rounds
    for name in ("start", "end", "alice_payoff", "bob_payoff"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    mask = one.bob.mask
    torch.testing.assert_close(two.bob.obs[mask], one.bob.obs[mask], rtol=0, atol=0)


def test_looking_and_evaluating_change_nothing_that_is_learnt():
    quiet, watched = (stage("PointMaze-Open-v0", **{"game.target_share": "0.25", "game.t_max": "30"}) for _ in range(2))
    for _ in range(2):
        quiet.iterate(0.0)
        watched.evaluate()
        watched.pictures()
        watched.iterate(0.0)
    expected, found = quiet.state_dict(), watched.state_dict()
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(found[key]), key)


def test_the_time_and_the_goal_of_a_game_are_the_worlds_unless_they_are_set():
    settings = method_settings("alice-bob", SHORT, "mujoco")
    assert settings.game.in_world(300, ("objects",)).t_max == 300
    players = stage("BlockPush-v0", **{"game.t_max": "0"})
    assert (players.config.game.t_max, players.config.game.goal) == (300, ("objects",))
    assert players.field.tolerance == 0.1
    assert stage("BlockPush-v0", **{"game.tolerance": "0.4"}).field.tolerance == 0.4
    both = stage("BlockPush-v0", **{"game.goal": "objects,position"})
    assert both.field.parts == ("position", "objects")
    assert both.field.observation_space.shape[0] == players.field.observation_space.shape[0] + 2


def test_the_task_stays_what_it_is_whatever_the_game_asks_for():
    """Goals of the game are places of the ball here, and the task's those of the block."""
    field = stage("BlockPush-v0", **{"game.goal": "position"}).field
    everyone = np.arange(12)
    field.generate(everyone)
    start, wanted = field.achieved(), field.engine.moment().goal.copy()
    asked = start + 0.5
    shown = np.zeros((2, 12, *field.observation_space.shape), np.float32)
    field.observe(asked, shown[0], everyone)
    field.observe(None, shown[1], everyone)
    np.testing.assert_allclose(shown[0, :, -4:], np.tile([0.5, 0.5, 0, 0], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(shown[1, :, -2:], (wanted - start)[:, 2:], atol=1e-6)
    assert not shown[1, :, -4:-2].any()
    asked[:, :2] = start[:, :2]
    assert field.reached(asked, everyone).all()
    now = field.engine.moment()
    now.qpos[3, 2:4], now.qpos[5, :2] = wanted[3, 2:], wanted[5, :2]  # the block is there, the ball is
    reward, terminated, *_ = field.step(np.zeros((12, 2), np.float32), everyone)
    assert terminated.tolist() == reward.tolist() == [n == 3 for n in range(12)]


@pytest.mark.parametrize(("share", "flags"), [("0", 0), ("0.25", 1)])
def test_a_number_tells_the_task_from_a_goal_only_where_bob_meets_both(share, flags):
    """Else, met at the end for the first time, it would be ten deviations from all he knew."""
    players = stage("PointMaze-U-v0", **{"game.target_share": share})
    field = players.field
    assert field.observation_space.shape == (6 + flags,)
    rows = np.zeros((field.num_envs, 6 + flags), np.float32)
    everyone = np.arange(field.num_envs)
    field.generate(everyone)
    field.observe(None, rows, everyone)
    asked = field.world.observe(field.engine.moment())
    np.testing.assert_allclose(rows[:, :6], asked, atol=1e-6)
    again = np.ones_like(rows)
    field.observe(field.engine.moment().goal.copy(), again, everyone)
    np.testing.assert_array_equal(again[:, :6], rows[:, :6])
    assert (rows[:, 6:] == 0).all()
    assert (again[:, 6:] == 1).all()


def test_the_task_may_be_played_beside_the_game():
    players = stage("PointMaze-Open-v0", **{"game.target_share": "0.5"})
    report = players.iterate(0.0)
    assert players.target_steps == report.scalars["bob/target_steps"] > 0
    assert 0 <= report.scalars["bob/target_success"] <= 1


@pytest.mark.slow
def test_bob_gets_where_nobody_asked_him_to_go():
    """From a fifth of all goals, which chance finds, to most, in some 120,000 steps."""
    settings = method_settings("alice-bob", {"eval_goals": "512"}, "mujoco")
    players = build_stage("alice-bob", find_environment("mujoco/PointMaze-U-v0"), settings, 0, "cpu")
    before = players.evaluate()["eval/zero_shot"]
    while players.steps < 120_000:
        players.iterate(0.0)
    after = players.evaluate()
    assert before < 0.35
    assert after["eval/zero_shot"] > 0.7
    assert after["eval/zero_shot_steps_per_metre"] < 50
