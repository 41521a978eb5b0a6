"""Moving pictures of runs."""

import pytest
from PIL import Image

from envs.mujoco import rendering
from envs.mujoco.pictures import TRAIL
from selfplay.errors import UserError
from selfplay.evaluate import load_run
from selfplay.train import run_training
from selfplay.watch import run_watch

SMALL = {"num_envs": "4", "rollout_steps": "8", "eval_episodes": "0", "ppo.minibatch_size": "32"}
GAME = {"num_envs": "4", "eval_goals": "4", "game.t_max": "6", "alice.minibatch_size": "64", "bob.minibatch_size": "64"}
_HOLD = 6  # frames that a start and an end stay; equal frames are joined, so what counts is their time


def milliseconds(path):
    with Image.open(path) as gif:
        total = 0
        for frame in range(gif.n_frames):
            gif.seek(frame)
            total += gif.info["duration"]
        return total, gif.size


def test_an_episode_is_shown_step_by_step(tmp_path):
    run = run_training("ppo", "grid/Empty-5x5-v0", steps=32, run_dir=tmp_path / "run", overrides=SMALL, quiet=True)
    out = run_watch(run, episodes=2, longest=3, fps=10)
    assert out == run / "watch.gif"
    time, size = milliseconds(out)
    assert size == (160, 178)  # 5 cells of 32 pixels, and the bar
    assert time == 100 * 2 * (_HOLD + 3 + _HOLD)
    first = out.read_bytes()
    assert run_watch(run, tmp_path / "again.gif", episodes=2, longest=3, fps=10).read_bytes() == first
    assert run_watch(run, tmp_path / "other.gif", episodes=2, longest=3, fps=10, seed=5).read_bytes() != first


def test_a_round_of_the_game_is_shown(tmp_path):
    run = run_training("alice-bob", "grid/Empty-5x5-v0", steps=32, run_dir=tmp_path / "run", overrides=GAME, quiet=True)
    time, _ = milliseconds(run_watch(run, tmp_path / "round.gif", episodes=1, fps=10))
    assert time >= 100 * 2 * _HOLD


def test_a_way_through_a_maze_is_drawn(tmp_path):
    run = run_training("ppo", "mujoco/PointMaze-U-v0", steps=32, run_dir=tmp_path / "run", overrides=SMALL, quiet=True)
    stage, _ = load_run(run)
    frames = stage.film(3, 60, False)
    drawn = [int((frame == TRAIL).all(axis=-1).sum()) for frame in frames[:60:12]]
    assert drawn[0] == 0
    assert drawn[-1] > 20


def test_what_cannot_be_watched_is_one_line(tmp_path, monkeypatch):
    few = {"steps": 32, "overrides": SMALL, "quiet": True, "pictures": False}
    run = run_training("ppo", "mujoco/Reacher-v5", run_dir=tmp_path / "run", **few)
    with pytest.raises(UserError, match=r"expected a name that ends in \.gif or \.mp4"):
        run_watch(run, tmp_path / "x.avi")
    monkeypatch.setattr(rendering, "_backend", lambda: "nowhere")
    monkeypatch.setattr(rendering, "painter", rendering.painter.__wrapped__)  # one that may be there already is kept
    with pytest.raises(UserError, match="watch: pictures of this world need OpenGL, and nowhere does not work here"):
        run_watch(run)
    grid = run_training("ppo", "grid/Empty-5x5-v0", steps=32, run_dir=tmp_path / "grid", overrides=SMALL, quiet=True)
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match="MP4 needs the package imageio-ffmpeg"):
        run_watch(grid, tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
