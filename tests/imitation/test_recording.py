"""Recorded episodes: what is in the file is what happened, and a file that was touched is refused."""

import numpy as np
import pytest
from click.testing import CliRunner

from envs.errors import UnmeasurableError
from envs.grid.field import GridField
from envs.grid.levels import level_spec
from envs.grid.oracle import shortest_to_reward
from envs.grid.world import GridWorld
from envs.mujoco.rollout_world import MujocoWorld
from selfplay.cli import main
from selfplay.core.config import PPOConfig
from selfplay.core.episodes import first_episodes
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.errors import UserError
from selfplay.game.config import GameConfig
from selfplay.imitation.episodes import Episodes, load_episodes, save_episodes
from selfplay.imitation.expert import record_expert
from selfplay.imitation.record import run_record
from selfplay.imitation.recording import record_alice, record_policy
from selfplay.rewards.task import TaskReward
from selfplay.train import run_training

WORLDS = {
    "grid": lambda count: GridWorld(level_spec("LavaGapS5-v0"), count, channels=("position",)),
    "mujoco": lambda count: MujocoWorld("PointMaze-Open-v0", count),
}


def player(world, **config):
    streams = [Stream(TaskReward(), 1.0, 0.99)]
    return Learner(world.observation_space, world.action_space, PPOConfig(**config, fused=False), streams, seed=0)


def made_up(count=3, **changes):
    steps = np.arange(1, count + 1)
    fields = {
        "obs": np.arange(steps.sum() * 2, dtype=np.uint8).reshape(-1, 2), "last_obs": np.zeros((count, 2), np.uint8),
        "action": np.arange(steps.sum()), "task_reward": np.ones(steps.sum(), np.float32), "length": steps,
        "terminated": np.ones(count, bool), "truncated": np.zeros(count, bool), "about": {"env": "grid/x"},
    }  # fmt: skip
    return Episodes(**fields | changes)


@pytest.mark.parametrize("name", sorted(WORLDS))
@pytest.mark.parametrize("memory", ["none", "gru"])
def test_the_actions_played_again_show_the_same(name, memory):
    """In other worlds of the same seed, the recorded actions alone bring every observation, reward and end."""
    count, world = 12, WORLDS[name](12)
    played = record_policy(world, player(world, memory=memory, hidden=(16, 16)), 7, {"x": 1})
    other = player(world, memory=memory, hidden=(16, 16))
    with other.aside(7):
        stats = first_episodes(WORLDS[name](count), other, 7)
    assert (played.length == stats.lengths).all()
    assert name == "mujoco" or played.length.min() < played.length.max()
    assert (played.success == stats.successes).all()
    np.testing.assert_allclose(played.returns(), stats.returns, rtol=1e-6)
    again, width = WORLDS[name](count), world.columns["obs"].stop
    rows = again.reset(7)
    after, successor = np.empty_like(rows), np.empty_like(rows)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    begins = np.cumsum(played.length) - played.length
    for t in range(played.length.max()):
        here = np.flatnonzero(played.length > t)
        at = begins[here] + t
        assert (played.obs[at] == rows[here, :width]).all()
        action = np.zeros((count, *played.action.shape[1:]), played.action.dtype)
        action[here] = played.action[at]
        again.step(action, successor, after, reward, terminated, truncated)
        assert (played.task_reward[at] == reward[here].astype(np.float32)).all()
        ended = played.length[here] == t + 1
        assert ((terminated | truncated)[here] == ended).all()
        over = here[ended]
        assert (played.last_obs[over] == successor[over, :width]).all()
        assert (played.terminated[over] == terminated[over]).all()
        assert (played.truncated[over] == truncated[over]).all()
        rows, after = after, rows


@pytest.mark.parametrize("mode", ["repeat", "reverse"])
def test_alices_turns_lead_to_the_goal_that_is_seen(mode):
    """In fresh worlds of the same seed her actions, given to the field, end in what the last tokens asked for."""
    spec, count, game = level_spec("DoorKey-5x5-v0"), 24, GameConfig(t_max=20, mode=mode, clone=0.0)
    sees = ("position", "direction")
    parts = ("position",)
    field = GridField(spec, count, 3, sees, goal=True, parts=parts)
    alice = Learner(
        field.observation_space, type(field.action_space)(field.action_space.n + 1), PPOConfig(),
        [Stream(TaskReward(), 1.0, 0.99)], seed=1,
    )  # fmt: skip
    played = record_alice(field, alice, game, 5, {})
    assert 5 < len(played) <= count
    assert set(played.action.tolist()) <= set(range(7))
    assert 0 < played.success.mean() < 1  # some never said STOP
    assert (played.terminated == played.success).all()
    assert (played.length[~played.success] == game.alice_limit).all()
    again = GridField(spec, count, 3, sees, goal=True, parts=parts)
    again.generate(np.arange(count))
    rows = np.zeros((count, again.observation_space.shape[0]), np.uint8)
    again.observe(again.achieved(), rows, np.arange(count))
    of = [
        np.flatnonzero((rows[:, :3] == first[:3]).all(1))
        for first in played.obs[np.cumsum(played.length) - played.length]
    ]
    begins = np.cumsum(played.length) - played.length
    before = again.snapshot()
    for e, worlds in enumerate(of):
        matched = False
        for n in worlds:  # several worlds may begin alike
            again.restore(before, np.arange(count))
            row, fits = np.zeros_like(rows), True
            for k in range(played.length[e]):
                again.observe(None, row, np.array([n]))
                fits &= bool((row[n, :3] == played.obs[begins[e] + k, :3]).all())
                again.step(np.full(count, played.action[begins[e] + k]), np.array([n]))
            again.observe(again.achieved(), row, np.array([n]))  # asks for what is the case
            matched |= fits and bool((row[n] == played.last_obs[e]).all())
            matched &= (played.obs[begins[e], 3:6] == played.last_obs[e, 3:6]).all()  # the rest: how far it is
        assert matched


@pytest.mark.parametrize("name", ["Empty-5x5-v0", "DoorKey-5x5-v0"])
def test_an_expert_takes_a_shortest_way(name):
    """From each level as it began to its success, in as many steps as the oracle counts at once: 5 in Empty-5x5."""
    world = GridWorld(level_spec(name), 6)
    played = record_expert(world, 3, {})
    again = GridWorld(level_spec(name), 6)
    again.reset(3)
    shortest = shortest_to_reward(again.engine.state, rule=again.engine.spec.rule)
    assert (played.length == shortest).all()
    assert played.success.all()
    if name == "Empty-5x5-v0":
        assert (shortest == 5).all()
    else:
        with pytest.raises(UnmeasurableError, match="random"):
            record_expert(GridWorld(level_spec("Dynamic-Obstacles-5x5-v0"), 2), 0, {})


def test_a_file_comes_back_and_a_touched_one_does_not(tmp_path):
    path, episodes = tmp_path / "some.safetensors", made_up(success=np.array([True, False, True]))
    save_episodes(path, episodes)
    back = load_episodes(path)
    for name in ("obs", "last_obs", "action", "task_reward", "length", "terminated", "truncated", "success"):
        np.testing.assert_array_equal(getattr(back, name), getattr(episodes, name))
    assert back.about == {"env": "grid/x"}
    assert len(back.sha256) == 64
    chosen = back.where(np.array([False, True, True]))
    assert chosen.action.tolist() == [1, 2, 3, 4, 5]
    assert chosen.episode.tolist() == [0, 0, 1, 1, 1]
    assert chosen.returns().tolist() == [2, 3]
    content = path.read_bytes()
    for place in (len(content) // 2, len(content) - 1, content.index(b"grid/x")):
        touched = bytearray(content)
        touched[place] ^= 1
        path.write_bytes(touched)
        with pytest.raises(ValueError, match=r"is damaged|holds no episodes"):
            load_episodes(path)
    for wrong in (content[:-1], b"", b"\x80\x04K\x01."):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="holds no episodes"):
            load_episodes(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": np.array([1, 2, 4])}, "obs must have 7 rows, got 6"),
        ({"length": np.array([0, 3, 3])}, "every episode must have a step"),
        ({"terminated": np.ones(2, bool)}, "terminated must have 3 rows, got 2"),
        ({"task_reward": np.full(6, np.nan, np.float32)}, "finite"),
        ({"last_obs": np.zeros((3, 1), np.uint8)}, "obs and last_obs must be alike"),
        ({"truncated": np.zeros(3)}, "truncated must be bool"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        made_up(**changes)


def test_a_file_is_not_replaced_unasked(tmp_path):
    settings = {"num_envs": "4", "rollout_steps": "4", "eval_episodes": "0"}
    run = run_training(
        "ppo", "grid/Empty-5x5-v0", steps=16, run_dir=tmp_path / "run", overrides=settings, threads=1, quiet=True,
        pictures=False,
    )  # fmt: skip
    path, _ = run_record(run, episodes=3, threads=1)
    assert path == run / "episodes.safetensors"
    before = path.read_bytes()
    with pytest.raises(UserError, match="is there already"):
        run_record(run, episodes=4, threads=1)
    assert path.read_bytes() == before
    run_record(run, episodes=3, threads=1, force=True)
    assert path.read_bytes() == before  # the same seed, the same file
    assert run_record(run, tmp_path / "other", episodes=3, seed=1, threads=1)[1].about["lineage"][0]["run"] == "run"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "run"]
    for arguments, words in (
        (["--player", "alice"], "which has one player"),
        (["--player", "alic"], "unknown player 'alic'; did you mean 'alice'?"),
        (["--out", str(tmp_path / "no" / "file")], "there is no folder"),
        (["--out", str(path)], "is there already"),
        (["--env", "grid/Empty-6x6-v1", "--force"], "nearest is"),
        (["--episodes", "0"], "not a positive whole number"),
        (["--episode", "3"], "did you mean '--episodes'?"),
        (["--expert"], "expected a RUN, or --expert"),
        (["--set", "view_size=3"], "expected it with --expert only"),
    ):
        result = CliRunner().invoke(main, ["record", str(run), *arguments])
        assert result.exit_code == 2, result.output
        assert words in result.output
        assert result.output.count("\n") == 1
