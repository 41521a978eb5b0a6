"""Whole runs of self-play in MuJoCo's goal worlds, small, and one line for what cannot be."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.evaluate import run_evaluation
from selfplay.stages.alice_bob import AliceBob
from selfplay.train import run_training
from selfplay.watch import run_watch

SMALL = {
    "num_envs": "12", "eval_goals": "8", "proposals": "4", "game.t_max": "60", "game.stop_chance": "0.03",
    "game.target_share": "0.25", "alice.minibatch_size": "128", "bob.minibatch_size": "128", "alice.epochs": "1",
    "bob.epochs": "1", "game.past_share": "0.25", "rewards": "task=1,rnd=0.1",
}  # fmt: skip
ENV = "mujoco/PointMaze-Open-v0"


def train(path, env=ENV, pictures=False, steps=2500, **options):
    return run_training(
        "alice-bob", env, steps=steps, seed=3, run_dir=path, threads=1, quiet=True, overrides=SMALL,
        pictures=pictures, **options,
    )  # fmt: skip


def test_interrupted_equals_unbroken(tmp_path, monkeypatch):
    """A power cut after 2, then after 2 more iterations; the last of each was not saved."""
    whole = train(tmp_path / "whole", checkpoint_seconds=1e9)
    iterate, count = AliceBob.iterate, 0

    def crash(self, progress):
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise RuntimeError("power cut")
        return iterate(self, progress)

    for _ in range(2):
        monkeypatch.setattr(AliceBob, "iterate", crash)
        with pytest.raises(RuntimeError, match="power cut"):
            train(tmp_path / "broken", checkpoint_seconds=0)
    monkeypatch.setattr(AliceBob, "iterate", iterate)
    broken = train(tmp_path / "broken", checkpoint_seconds=0)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    for name in ("metrics.jsonl", "proposals.jsonl"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


@pytest.mark.parametrize("env", [ENV, pytest.param("mujoco/BlockPush-v0", marks=pytest.mark.slow)])
def test_a_run_and_what_is_made_of_it(env, tmp_path, capsys):
    run = train(tmp_path / "run", env, pictures=True, steps=1000)
    assert any(run.glob("events.out.tfevents.*"))
    first = run_evaluation(run, episodes=16, seed=5, as_json=True)
    assert json.loads(capsys.readouterr().out) == first
    assert run_evaluation(run, episodes=16, seed=5, as_json=True) == first
    assert {"task", "goals", "way_back"} <= first.keys()
    if env == ENV:
        assert first["way_back"]["return_possible"] == 1
        assert 0 <= first["way_back"]["returned"] <= 1
    else:
        assert "return_possible" not in first["way_back"]
    capsys.readouterr()
    run_evaluation(run, episodes=16, seed=5)
    said = capsys.readouterr().out
    assert ("shortest way (m)" if env == ENV else "straight distance (m)") in said
    assert "steps a metre where solved" in said

    from selfplay.summary import print_summary

    print_summary(run)
    with Image.open(run / "curriculum.png") as picture:
        assert picture.size[0] > 1000
    words = "shortest way, m" if env == ENV else "straight distance, m"
    assert f"median difficulty of her goals ({words})" in capsys.readouterr().out
    with Image.open(run_watch(run, episodes=1)) as film:
        assert film.n_frames >= 2


def test_what_cannot_be_is_one_line(tmp_path):
    for wrong, env, overrides in (
        (r"^mujoco/Hopper-v5 has no goals, self-play needs one of: mujoco/PointMaze-Open-v0, ", "Hopper-v5", {}),
        (r"^game\.goal: unknown goal part 'objects', PointMazeOpen has position$", ENV, {"game.goal": "objects"}),
        (r"game\.goal: carried is not one of position, objects", ENV, {"game.goal": "carried"}),
        (r"^game\.t_max: 1 step cannot be shared", ENV, {"game.t_max": "1"}),
        (r"^game\.tolerance is 9\.0, expected metres above 0, at most 1\.75", ENV, {"game.tolerance": "9"}),
        (r"game\.tolerance: 0 is not .*0 < tolerance", ENV, {"game.tolerance": "0"}),
        (r"^game\.stop_chance: 0 is not .*0 < stop_chance < 1", ENV, {"game.stop_chance": "0"}),
        (r"^game\.alice_steps: 100 of t_max 100 leaves", ENV, {"game.stop": "false", "game.alice_steps": "100"}),
        (r"^game\.clone: .* repeat mode only", ENV, {"game.mode": "reverse", "game.clone": "0.5"}),
        (r"'view_size' is a setting of grid worlds", ENV, {"view_size": "5"}),
        (r"self-play shows bonuses only obs, not 'position'", ENV,
         {"rewards": "task=1,counts=1", "bonus.counts.reads": "position"}),
        (r"'game\.stop_chance' is a setting of mujoco worlds", "grid/DoorKey-5x5-v0", {"game.stop_chance": "0.1"}),
        (r"'game\.tolerance' is a setting of mujoco worlds", "grid/DoorKey-5x5-v0", {"game.tolerance": "0.1"}),
    ):  # fmt: skip
        with pytest.raises(UserError, match=wrong):
            run_training("alice-bob", env, steps=10, run_dir=tmp_path / "a", overrides=overrides, quiet=True)
        assert not (tmp_path / "a").exists()
    line = f"train alice-bob --env mujoco/Ant-v5 --steps 10 --run-dir {tmp_path / 'b'}"
    done = CliRunner().invoke(main, line.split())
    assert done.exit_code == 2
    assert done.output.strip().count("\n") == 0
    assert "mujoco/Ant-v5 has no goals" in done.output


def test_a_run_can_be_evaluated_in_another_maze(tmp_path):
    run = train(tmp_path / "run", steps=500)
    assert run_evaluation(run, "mujoco/PointMaze-U-v0", episodes=8)["goals"]["success"] >= 0
    with pytest.raises(UserError, match="does not fit"):
        run_evaluation(run, "mujoco/BlockPush-v0", episodes=8)
