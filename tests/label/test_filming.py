"""Clips with pictures: what was played is what is shown, its end included."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from envs.grid.interop import engine_frame
from envs.grid.levels import level_spec
from envs.grid.world import GridWorld
from envs.mujoco import rendering
from envs.mujoco.rollout_world import MujocoWorld
from selfplay.cli import main
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.errors import UserError
from selfplay.label.cameras import camera
from selfplay.label.filming import Filmed, film_clips
from selfplay.label.ledger import open_ledger
from selfplay.label.segments import ClipStore
from selfplay.label.serve import ask_some
from selfplay.label.sheets import Sheet, Sheets, shrunk
from selfplay.rewards.task import TaskReward
from selfplay.train import run_training

SMALL = {"num_envs": "4", "rollout_steps": "8", "eval_episodes": "0", "ppo.minibatch_size": "32"}


def unpacked(path, sheet):
    with Image.open(path) as image:
        whole = np.asarray(image)
    places = [divmod(number, sheet.columns) for number in range(sheet.frames)]
    return [
        whole[r * sheet.height : (r + 1) * sheet.height, c * sheet.width : (c + 1) * sheet.width] for r, c in places
    ]


def test_a_sheet_holds_every_frame(tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (5, 7, 3), dtype=np.uint8) for _ in range(11)]
    sheets = Sheets(tmp_path)
    sheets.save("a" * 32, frames)
    sheet = sheets.find("a" * 32)
    assert sheet == Sheet(11, 8, 7, 5)
    for shown, frame in zip(unpacked(tmp_path / f"{'a' * 32}.png", sheet), frames, strict=True):
        assert (shown == frame).all()
    before = sheets.read("a" * 32)
    sheets.save("a" * 32, frames[:2])  # made once
    assert sheets.read("a" * 32) == before
    assert sheets.find("b" * 32) is None
    for wrong in ("../" + "a" * 29, "A" * 32, "a" * 31, "a" * 32 + "\n", ""):
        assert sheets.find(wrong) is None
        with pytest.raises(ValueError, match="is no id of a clip"):
            sheets.read(wrong)
    (tmp_path / f"{'c' * 32}.png").write_bytes(b"no picture")
    assert sheets.find("c" * 32) is None


def test_large_frames_are_shrunk_and_keep_their_shape():
    assert shrunk(np.full((400, 800, 3), 9, np.uint8)).shape == (160, 320, 3)
    small = np.zeros((20, 320, 3), np.uint8)
    assert shrunk(small) is small


def play(world, actions):
    """Film these actions [T, N]; whether each step ended an episode, bool [T, N]."""
    filmed = Filmed(world, camera(world))
    rows = world.reset(3).copy()
    after, reward = np.empty_like(rows), np.zeros(world.num_envs)
    done = np.zeros((len(actions), world.num_envs), bool)
    for t, action in enumerate(actions):
        ended, cut = np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)
        filmed.step(action, after, rows, reward, ended, cut)
        done[t] = ended | cut
    filmed.stop()
    return filmed, done


def test_the_end_of_an_episode_is_seen_though_the_world_has_begun_anew():
    """In Empty-5x5 the goal is two steps on, to the right, two more: the last picture has the agent on the goal."""
    world = GridWorld(level_spec("Empty-5x5-v0"), 2)
    forward, right, stay = 2, 1, 6
    actions = np.array([[forward, stay], [forward, stay], [right, stay], [forward, stay], [forward, stay]])
    filmed, done = play(world, actions)
    assert done.tolist() == [[False, False]] * 4 + [[True, False]]
    shown = filmed.film(0, np.arange(5), True)
    assert len(shown) == 6
    assert (shown[5] != shown[4]).any()
    assert (shown[5] != world.frame(0)).any()  # not the fresh level
    assert (shown[0] == world.frame(0)).all()  # this level is always the same: it begins anew
    assert len({frame.tobytes() for frame in filmed.film(1, np.arange(5), False)}) == 1  # the other one stood still
    assert engine_frame(world.engine, 1).tobytes() == filmed.film(1, np.arange(5), False)[-1].tobytes()
    red, green, _ = shown[5].astype(int).transpose(2, 0, 1)
    y, x = np.argwhere((red > 200) & (green < 120)).mean(0) / 32  # the agent is the only red thing
    assert (int(x), int(y)) == (3, 3)  # the agent's cell, where the goal is


def test_the_end_of_a_physical_episode_is_seen():
    world = MujocoWorld("PointMaze-U-v0", 2)
    world.env.max_steps = 4
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (4, 2, 2)).astype(np.float32)
    filmed, done = play(world, actions)
    assert done[-1].all()
    for n in range(2):
        shown = filmed.film(n, np.arange(4), True)
        assert len(shown) == 5
        assert (shown[-1] != shrunk(world.frame(n))).any()


def test_clips_hold_the_actions_that_were_played(tmp_path):
    """As reward sources are shown them, not as a wide normal distribution drew them."""
    world = MujocoWorld("PointMaze-U-v0", 2)
    spaces = world.observation_space, world.action_space
    learner = Learner(*spaces, PPOConfig(log_std=2.0), [Stream(TaskReward())], seed=0)
    store, sheets = ClipStore(tmp_path), Sheets(tmp_path)
    action = store.load(film_clips(world, learner, store, sheets, count=2, horizon=10, seed=0)).steps.action.numpy()
    low, high = world.action_space.low, world.action_space.high
    assert ((action >= low) & (action <= high)).all()
    assert ((action == low) | (action == high)).mean() > 0.5  # e^2 is far beyond the bounds


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("label") / "run"
    return run_training("ppo", "grid/DoorKey-5x5-v0", steps=32, run_dir=path, overrides=SMALL, quiet=True)


def test_a_newcomer_has_questions_at_once(run, tmp_path):
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        sheets = Sheets(tmp_path / name / "clips")
        with open_ledger(tmp_path / name / "ledger.sqlite") as ledger:
            assert ask_some(run, ledger, sheets, queries=4, horizon=6, seed=1) == 4
            queries = ledger.queries()
            found.append([query.clips for query in queries])
    assert found[0] == found[1]  # the same seed films the same
    store = ClipStore(sheets.folder)
    clips = [id for query in queries for id in query.clips]
    steps = store.load(clips).steps
    for m, id in enumerate(clips):
        sheet = sheets.find(id)
        assert sheet.frames == int(steps.mask[:, m].sum()) + 1
        assert (sheet.width, sheet.height) == (160, 160)
    # A step that left what the player sees as it was and did nothing changes no picture; turning (0, 1) always does.
    for m, id in enumerate(clips):
        frames = unpacked(sheets.path(id), sheets.find(id))
        for t in range(len(frames) - 1):
            if int(steps.action[t, m]) in (0, 1):
                assert (frames[t] != frames[t + 1]).any()


def test_a_game_is_refused_before_anything_is_made(tmp_path):
    """It has two players, so neither `label` nor `dpo` knows whose clips are meant; both say what to do."""
    run = tmp_path / "game"
    run.mkdir()
    (run / "config.json").write_text('{"config": {"method": "alice-bob"}, "threads": 1}')
    for command in ("label", "dpo"):
        done = CliRunner().invoke(main, [command, str(run)])
        assert done.exit_code == 2
        assert f"fine-tune one player first: `selfplay finetune {run} --player bob`" in done.output
        assert len(done.output.splitlines()) == 1
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_what_cannot_be_filmed_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "_backend", lambda: "nowhere")
    monkeypatch.setattr(rendering, "painter", rendering.painter.__wrapped__)  # one that may be there already is kept
    bare = run_training("ppo", "mujoco/Reacher-v5", steps=32, run_dir=tmp_path / "run", overrides=SMALL, quiet=True)
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(
            UserError, match="label: pictures of this world need OpenGL, and nowhere does not work here"
        ):
            ask_some(bare, ledger, Sheets(tmp_path / "clips"), queries=2, horizon=5, seed=0)
        assert ledger.queries() == []
    assert not (tmp_path / "clips").exists()
