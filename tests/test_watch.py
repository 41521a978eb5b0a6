"""Moving pictures of runs."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from envs.mujoco import rendering
from envs.mujoco.pictures import TRAIL
from selfplay.errors import UserError
from selfplay.evaluate import load_run
from selfplay.gif import Reel, gif_bytes
from selfplay.train import run_training
from selfplay.watch import pace, run_watch

SMALL = {"num_envs": "4", "rollout_steps": "8", "eval_episodes": "0", "ppo.minibatch_size": "32"}
GAME = {"num_envs": "4", "eval_goals": "4", "game.t_max": "6", "alice.minibatch_size": "64", "bob.minibatch_size": "64"}
_HOLD = 8  # frames that a start and an end stay, .75 s at 10 a second; equal ones are joined: what counts is their time


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


def test_a_round_is_shown_as_far_as_asked_and_by_likeliest_actions(tmp_path):
    """Alice's 6 steps without STOP, then Bob's in reverse: of each turn 2 are shown. Nothing is drawn by chance."""
    still = GAME | {"game.stop": "false", "game.alice_steps": "3"}
    run = run_training(
        "alice-bob", "grid/Empty-5x5-v0", steps=32, run_dir=tmp_path / "run", overrides=still, quiet=True
    )
    [cut, long] = [run_watch(run, tmp_path / f"{n}.gif", episodes=1, fps=10, longest=n) for n in (2, 3)]
    times = [milliseconds(path)[0] for path in (cut, long)]
    assert times[1] - times[0] in (100, 200)  # Bob may be there after 2
    stage, _ = load_run(run)
    likely, again, chance = (
        [frame.tobytes() for frame in stage.film(seed, 6, deterministic)]
        for seed, deterministic in ((1, True), (1, True), (1, False))
    )
    assert likely == again
    assert likely != chance


def test_a_round_in_a_maze_shows_the_way_of_each_turn(tmp_path):
    game = GAME | {"game.t_max": "200", "game.stop": "false", "game.clone": "0"}
    run = run_training(
        "alice-bob", "mujoco/PointMaze-U-v0", steps=300, run_dir=tmp_path / "run", overrides=game, quiet=True
    )
    stage, _ = load_run(run)
    frames = list(stage.film(3, 1000, False, 20, 1))
    drawn = [int((frame == TRAIL).all(axis=-1).sum()) for frame in frames]
    bars = [tuple(frame[0, 0].tolist()) for frame in frames]  # of another colour for each of them
    alice, bob = ([n for n, bar in zip(drawn, bars, strict=True) if bar == who] for who in (bars[0], bars[-1]))
    assert len(alice) == 1 + 5  # 100 steps
    assert len(alice) + len(bob) == len(frames) > 7
    assert alice[0] == bob[0] == 0  # both start anew
    assert min(alice[-1], bob[-1]) > 20


def test_a_film_runs_as_fast_as_the_world():
    assert pace(None, None, None) == (8, 1)
    assert pace(0.05, None, None) == (20, 1)
    assert pace(0.008, None, None) == (25, 5)
    assert pace(0.05, 5, None) == (5, 4)
    assert pace(0.05, None, 4) == (5, 4)
    assert pace(0.05, 10, 1) == (10, 1)
    assert pace(0.001, None, 1) == (60, 1)


def test_frames_are_kept_small_and_a_gif_is_what_they_are():
    reel, frames = Reel(), []
    frame = np.full((40, 60, 3), 200, np.uint8)
    frame[0, :3] = [[0], [100], [255]]  # all colours there are
    for k in range(300):
        if k % 3 == 0:
            frame = frame.copy()
            row, column = 1 + k // 10, k % 50
            frame[row : row + 5, column : column + 5] = [0, 100, 255][k // 3 % 3]
        reel.append(frame)
        frames.append(frame)
    assert sum(len(packed) for packed in {*reel._packed}) < 0.1 * frame.nbytes * 300
    assert all((kept == frame).all() for kept, frame in zip(reel, frames, strict=True))
    with Image.open(io.BytesIO(gif_bytes(reel, 40))) as gif:
        assert (gif.n_frames, gif.info["loop"]) == (100, 0)
        for k in range(100):
            gif.seek(k)
            assert gif.info["duration"] == 120
            np.testing.assert_array_equal(np.asarray(gif.convert("RGB")), frames[3 * k])
    with pytest.raises(ValueError, match=r"a frame is \[3, 3, 3\], those before are \[40, 60, 3\]"):
        reel.append(np.zeros((3, 3, 3), np.uint8))


def test_an_mp4_is_written(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    run = run_training("ppo", "mujoco/PointMaze-U-v0", steps=32, run_dir=tmp_path / "run", overrides=SMALL, quiet=True)
    out = run_watch(run, tmp_path / "x.mp4", episodes=1, longest=10)
    # not by imageio_ffmpeg.read_frames, which leaves pipes open where ffmpeg ends before it looks
    words = [ffmpeg.get_ffmpeg_exe(), "-i", str(out), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = subprocess.run(words, capture_output=True, check=True)
    stage, _ = load_run(run)
    expected = list(stage.film(1_000_000, 10, False, 1, 15))
    height, width, _ = expected[0].shape
    assert f"{width}x{height}" in read.stderr.decode()  # both are even
    assert "20 fps" in read.stderr.decode()
    frames = np.frombuffer(read.stdout, np.uint8).reshape(-1, height, width, 3)
    assert len(frames) == len(expected) == 15 + 10 + 15  # .75 s at 20 frames a second
    assert np.abs(frames[-1].astype(int) - expected[-1]).mean() < 5


def test_a_way_through_a_maze_is_drawn(tmp_path):
    run = run_training("ppo", "mujoco/PointMaze-U-v0", steps=32, run_dir=tmp_path / "run", overrides=SMALL, quiet=True)
    stage, _ = load_run(run)
    frames = list(stage.film(3, 60, False))
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
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for run_there in (grid, tmp_path / "nowhere"):  # said before anything is loaded
        with pytest.raises(UserError, match=r"MP4 needs the package imageio-ffmpeg: pip install .*\[mp4\]"):
            run_watch(run_there, tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
