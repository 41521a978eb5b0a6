"""Each player learns its part, which a random one fails; the game agrees with the engine's exact oracle."""

import numpy as np
import pytest

from envs.grid.field import GridField
from envs.grid.levels import LEVELS
from envs.grid.levels.catalogue import empty, hallway
from envs.grid.state import STEPS, X
from envs.grid.symbols import GOAL, LAVA
from selfplay.game.scores import goal_scores, task_scores
from selfplay.methods import method_settings
from selfplay.train import build_stage

SHORT = {
    "num_envs": "256",
    "segments": "position",
    "game.goal": "position",
    "game.t_max": "24",
    "game.clone": "0",
    "alice.minibatch_size": "512",
    "bob.minibatch_size": "512",
    "alice.entropy": "0.03",
}


def stage(spec, seed=0, method="alice-bob", **overrides):
    return build_stage(method, spec, method_settings(method, overrides), seed, "cpu")


def test_bob_learns_to_reach_goals_nobody_asked_for():
    players = stage(hallway(9), **SHORT)
    before = players.evaluate()["eval/zero_shot"]
    while players.steps < 250_000:
        players.iterate(0.0)
    after = players.evaluate()
    assert before < 0.8
    assert after["eval/zero_shot"] > 0.98
    assert after["eval/zero_shot_t_B_over_shortest"] < 1.1


def test_alice_learns_to_find_what_bob_cannot_do():
    """Bob stays as random as he was born; Alice's payoff must grow well beyond that of a random Alice."""
    players = stage(hallway(25), **SHORT | {"bob.learning_rate": "1e-9"})
    first = np.mean([players.iterate(0.0).scalars["alice/payoff"] for _ in range(3)])
    while players.steps < 300_000:
        last = players.iterate(0.0).scalars["alice/payoff"]
    assert last > 1.5 * first


def test_bob_clones_what_he_cannot_find():
    """With a hopeless reward (Bob's own steps teach him nothing) cloning alone makes him follow Alice's ways."""
    quiet = {"bob.value_coef": "0", "game.payoff_scale": "1e-6", "game.clone": "1", "bob.normalise_advantage": "false"}
    followed = {}
    for weight in ("1", "0"):
        players = stage(hallway(9), **SHORT | quiet | {"game.clone": weight})
        while players.steps < 150_000:
            players.iterate(0.0)
        followed[weight] = players.evaluate()["eval/zero_shot"]
    assert followed["1"] > followed["0"] + 0.1


def test_target_share_teaches_bob_the_task():
    players = stage(empty(5), **{"num_envs": "256", "game.target_share": "0.5", "bob.minibatch_size": "1024"})
    before = task_scores(players.bob, players.make_field(256, 1)).lengths.mean()
    while players.steps < 300_000:
        report = players.iterate(0.0)
    after = task_scores(players.bob, players.make_field(256, 1))
    assert after.success > 0.98
    assert after.lengths.mean() < 0.5 * before
    assert 0 < players.target_steps < players.steps
    assert report.scalars["bob/target_success"] > 0.9


def test_ppo_learns_the_empty_room():
    plain = stage(
        empty(5, random_start=True),
        method="ppo",
        **{"num_envs": "256", "rollout_steps": "32", "ppo.minibatch_size": "1024"},
    )
    before = plain.evaluate()["eval/length"]
    while plain.steps < 300_000:
        plain.iterate(0.0)
    after = plain.evaluate()
    assert after["eval/success"] > 0.98
    assert after["eval/length"] < 0.5 * before


@pytest.mark.parametrize("mode", ["repeat", "reverse"])
def test_what_bob_is_asked_for_agrees_with_the_oracle(mode):
    """In repeat mode every goal can be reached from Bob's start in at most Alice's steps. In reverse mode, behind a
    door that was unlocked, some cannot; and Bob never beats the shortest path."""
    players = stage(
        LEVELS["DoorKey-5x5-v0"],
        **{"num_envs": "512", "game.mode": mode, "game.t_max": "60", "game.alice_steps": "59"},
    )
    unreachable = 0
    for _ in range(4):
        played = players.game.play()
        ids = np.flatnonzero(played.outcome.proposed)
        shortest = players.field.difficulty(played.before_bob, played.desired, ids, players.config.game.goal)
        solved = played.outcome.solved[ids]
        assert (shortest[solved] <= played.outcome.t_bob[ids][solved]).all()
        assert (shortest[solved] >= 0).all()
        unreachable += (shortest < 0).sum()
        if mode == "repeat":
            assert (shortest >= 0).all()
            assert (shortest <= played.outcome.t_alice[ids]).all()
        players.iterate(0.0)
    assert (unreachable > 0) == (mode == "reverse")


def test_uniform_goals_are_uniform_over_what_can_be_reached():
    """In a corridor of 9 every other cell is as likely as any, whatever the distance."""
    field = GridField(hallway(9), 4000, 0, ("position",), goal=True, parts=("position",))
    field.generate(np.arange(4000))
    start = field.achieved()[:, 0].astype(int) - 1
    desired, distance = field.sample_goals(np.random.default_rng(0), ("position",))
    goal = desired[:, 0].astype(int) - 1
    np.testing.assert_array_equal(distance, np.abs(goal - start))
    counts = np.bincount(goal - 1, minlength=9)
    assert counts.sum() == 4000
    assert abs(counts / 4000 - 1 / 9).max() < 0.02


def test_goal_scores_count_only_worlds_with_a_goal():
    field = GridField(hallway(9), 64, 0, ("position",), goal=True, parts=("position",))
    players = stage(hallway(9), **SHORT)
    scores = goal_scores(players.bob, field, np.random.default_rng(0), players.config.game)
    assert len(scores.distance) == 64
    assert sum(row["goals"] for row in scores.by_difficulty()) == 64


def test_only_lava_kills():
    """The hallway's goal tile, entered after the task's 30 steps, ends nothing; lava does at once."""
    field = GridField(hallway(25), 1, 0, ("position",), goal=True, parts=("position",))
    only = np.arange(1)
    field.generate(only)
    agent, cells = field.engine.state.agent, field.engine.state.cells
    cells[0, 1:26, 1] = 1  # empty
    cells[0, 20, 1] = GOAL | 1 << 4
    agent[0, X] = 19
    agent[0, STEPS] = 100
    reward, terminated, _, dead, _ = field.step(np.array([1]), only)
    assert terminated[0]
    assert reward[0] < 0
    assert not dead[0]
    cells[0, 21, 1] = LAVA
    assert field.step(np.array([1]), only)[3][0]
