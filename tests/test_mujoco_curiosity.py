"""Curiosity and exploration in MuJoCo's worlds, from the command to the curves."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gymnasium.spaces import Box

from curiosity.catalogue import SOURCES
from curiosity.networks import Actions
from selfplay.cli import main
from selfplay.environments import find_environment
from selfplay.methods import method_settings
from selfplay.pictures import heatmap
from selfplay.train import build_stage

SMALL = {"num_envs": "8", "rollout_steps": "32", "ppo.minibatch_size": "128", "ppo.epochs": "2", "eval_episodes": "2"}
GREY = (150, 152, 160)
COUNT_VISITS = [("noveld", "position"), ("ride", "position")]


def stage_of(method, env, seed=0, **overrides):
    return build_stage(method, find_environment(env), method_settings(method, SMALL | overrides, "mujoco"), seed, "cpu")


def test_a_map_by_hand():
    counts, walls = np.zeros((3, 2), int), np.zeros((3, 2), bool)
    counts[2, 0] = 9
    walls[0, 1] = walls[2, 0] = True  # what was visited is drawn as visited
    down, up = (heatmap(counts, 1, walls, y_up) for y_up in (False, True))
    assert down.shape == (2, 3, 3)
    assert down[0, 2].tolist() == [253, 231, 36]  # viridis' yellow
    assert tuple(down[1, 0]) == GREY
    assert (down == GREY).all(axis=-1).sum() == 1
    assert (up == down[::-1]).all()


def test_a_curious_run_in_a_maze_tells_where_it_was(tmp_path):
    run = ["train", "icm", "--env", "mujoco/PointMaze-U-v0", "--steps", "2k", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*run, "--quiet", *(f"--set={key}={value}" for key, value in SMALL.items())])
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    covered = [line["coverage/positions"] for line in told if line.get("coverage/positions") is not None]
    assert covered
    assert all(1 / 7 <= one <= 1 for one in covered)  # of 7 free cells
    assert all("coverage/states" not in line for line in told)


@pytest.mark.parametrize("method", ["ppo", "random", "counts"])
def test_the_share_of_cells_against_the_places_themselves(method):
    """Every step's place is counted again, from the rollout's rows, by rounding.

    Told is the mean over all episodes of the last 7 rollouts, 224 steps, for an episode may have 200.
    """
    more = {"bonus.counts.reads": "position"} if method == "counts" else {"coverage": "true"}
    stage = stage_of(method, "PointMaze-U-v0", seed=1, **more)
    stage.world.env.max_steps = 20
    here, shares, seen, rounds = [set() for _ in range(8)], [], np.zeros((5, 5), int), []
    for iteration in range(1, 10):
        told = stage.iterate(0.0).scalars
        ended = []
        rows, after = (rows[..., 6:].numpy() for rows in (stage.rollout.rows, stage.rollout.next_rows))
        over = (stage.rollout.terminated | stage.rollout.truncated).numpy()
        for t, n in np.ndindex(over.shape):
            here[n].add(tuple(np.round(rows[t, n] + 2).astype(int)))
            cell = tuple(np.round(after[t, n] + 2).astype(int))
            here[n].add(cell)
            seen[cell] += 1
            if over[t, n]:
                ended.append(len(here[n]) / 7)
                here[n] = set()
        rounds.append(ended)
        late = [share for one in rounds[-7:] for share in one]
        assert told.get("coverage/positions") == (pytest.approx(np.mean(late)) if iteration >= 7 else None)
        shares += ended
    assert len(shares) > 40
    picture = stage.pictures()["coverage/visits"]
    assert picture.shape == (120, 120, 3)
    grey = (picture[12::24, 12::24] == GREY).all(axis=-1)
    assert (~grey)[::-1].T.astype(int).tolist() == (stage.world.maze.free).astype(int).tolist()
    brightest = np.unravel_index(seen.argmax(), seen.shape)
    assert picture[24 * (4 - brightest[1]), 24 * brightest[0]].tolist() == [253, 231, 36]
    assert stage.pictures()["coverage/visits"].max() < 200  # begun anew


def test_a_curious_run_goes_on_bit_for_bit():
    stage, other = (stage_of("icm", "PointMaze-U-v0") for _ in range(2))
    for _ in range(8):
        stage.iterate(0.0)
    other.load_state_dict(stage.state_dict())
    for _ in range(2):
        assert stage.iterate(0.5).scalars == other.iterate(0.5).scalars
    assert (stage.pictures()["coverage/visits"] == other.pictures()["coverage/visits"]).all()


@pytest.mark.parametrize(("method", "env"), [("icm", "PointMaze-Open-v0"), ("icm", "Reacher-v5"), ("ppo", "Hopper-v5")])
def test_every_chart_has_its_curves(method, env):
    stage = stage_of(method, env, rollout_steps="128")
    written = set(stage.evaluate())
    for _ in range(2):
        written |= set(stage.iterate(0.0).scalars)
    promised = {tag for group in stage.charts.values() for tags in group.values() for tag in tags}
    assert promised <= written
    assert ("coverage/positions" in promised) == env.startswith("PointMaze")


def test_where_there_is_no_maze_it_is_said(tmp_path):
    for env in ("Reacher-v5", "BlockPush-v0"):
        run = ["train", "icm", "--env", f"mujoco/{env}", "--steps", "1k", "--run-dir", str(tmp_path / "run")]
        refused = CliRunner().invoke(main, [*run, "--set", "coverage=true"])
        assert refused.exit_code == 2
        assert f"coverage: not defined in {env}, which has no maze" in refused.output
        assert refused.output.count("\n") == 1
    assert not list((tmp_path / "run").glob("metrics*"))


@pytest.mark.parametrize(("name", "keys"), [*((name, "obs") for name in SOURCES), *COUNT_VISITS])
def test_every_bonus_is_paid_and_learnt_from(name, keys):
    more = {f"bonus.{name}.keys": keys} if keys != "obs" else {}
    stage = stage_of(name, "PointMaze-U-v0", **more)
    told = stage.iterate(0.0).scalars
    assert all(np.isfinite(value) for key, value in told.items() if "explained_variance" not in key), told
    assert told[f"train/raw_reward/{name}"] > 0
    assert np.isfinite(told["train/loss"])
    assert all(tensor.isfinite().all() for tensor in stage.learner.policy.state_dict().values())


def test_forces_are_seen_between_their_bounds():
    """An inverse model's loss does not depend on what a force is measured in."""
    actions = Actions(Box(np.array([-3.0, 0.0, -np.inf], np.float32), np.array([3.0, 5.0, np.inf], np.float32)), "test")
    force = torch.tensor([[3.0, 5.0, 7.0], [-1.5, 1.25, 0.0]])
    assert actions.code(force).tolist() == [[1.0, 1.0, 7.0], [-0.5, -0.5, 0.0]]
    assert actions.loss(torch.zeros(2, 3), force).item() == (1 + 1 + 49 + 0.25 + 0.25) / 2
