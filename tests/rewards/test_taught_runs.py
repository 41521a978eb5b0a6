"""Runs with rewards that are taught by examples and by weights: from the command to learning, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
import torch
from click.testing import CliRunner

from envs.grid.world import GridWorld
from selfplay.cli import main
from selfplay.environments import find_environment
from selfplay.errors import UserError
from selfplay.finetune import run_finetune
from selfplay.imitation.episodes import save_episodes
from selfplay.imitation.record import run_expert
from selfplay.methods import method_settings
from selfplay.rewards.examples import examples_of, random_play, read_successes
from selfplay.rewards.taught_config import ClassifierConfig
from selfplay.train import build_stage, run_training

SMALL = {"num_envs": "16", "rollout_steps": "8", "ppo.minibatch_size": "64", "eval_episodes": "8"}
WEIGHTS, POSITIVES = "taught.features.weights", "taught.classifier.positives"
CLASSIFIER = {
    "rewards": "classifier=1",
    "taught.classifier.first_steps": "5",
    "taught.classifier.refit_steps": "2",
    "taught.classifier.failures": "64",
    "taught.classifier.successes": "16",
}


def stage_of(env="grid/Empty-5x5-v0", seed=0, **overrides):
    family = env.partition("/")[0]
    settings = method_settings("ppo", {**SMALL, **overrides}, family)
    return build_stage("ppo", find_environment(env), settings, seed, "cpu")


def alike(one, other):
    return one.keys() == other.keys() and all(np.array_equal(np.asarray(one[k]), np.asarray(other[k])) for k in one)


def tensors(stage):
    """A copy of the state."""
    found = stage.state_dict().items()
    return {key: value.clone() if isinstance(value, torch.Tensor) else value.copy() for key, value in found}


@pytest.mark.parametrize(
    ("env", "overrides"),
    [
        ("grid/DoorKey-5x5-v0", CLASSIFIER | {"taught.classifier.reads": "state", "coverage": "true", "levels": "1"}),
        ("grid/DoorKey-5x5-v0", {"rewards": "task=1,features=1", WEIGHTS: "carries_key=1,goal_distance=-1"}),
        ("mujoco/PointMaze-Open-v0", CLASSIFIER | {"taught.classifier.members": "2"}),
        ("mujoco/Walker2d-v5", {"rewards": "features=1", WEIGHTS: "forward=2,upright=1,contacts=0.5"}),
    ],
)  # fmt: skip
def test_a_run_goes_on_bit_for_bit(env, overrides):
    """A stage that takes up the state of another is not taught again, and does what the other does."""
    unbroken, resumed = stage_of(env, **overrides), stage_of(env, **overrides)
    first = unbroken.iterate(0.0).scalars
    resumed.load_state_dict(tensors(unbroken))
    assert unbroken.iterate(0.1).scalars == resumed.iterate(0.1).scalars
    assert alike(tensors(unbroken), tensors(resumed))
    names = [stream.source.name for stream in unbroken.learner.streams]
    assert all(any(key.startswith(f"train/{name}/") for key in first) for name in names if name != "task")
    assert unbroken.charts
    again = stage_of(env, **overrides)
    assert again.iterate(0.0).scalars == first


def test_the_commands_take_them(tmp_path):
    few = ["--steps", "300", "--quiet", *(f"--set={key}={value}" for key, value in SMALL.items())]
    told = [f"--set={key}={value}" for key, value in CLASSIFIER.items() if key != "rewards"]
    run = ["train", "ppo", "--env", "grid/Empty-5x5-v0", "--run-dir", str(tmp_path / "run"), "--reward", "classifier=1"]
    done = CliRunner().invoke(main, [*run, *few, *told])
    assert done.exit_code == 0, done.output
    last = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])
    wanted = {"confidence", "loss", "accuracy", "missed"}
    assert {f"train/classifier/{key}" for key in wanted} <= last.keys()
    path = run_finetune(
        tmp_path / "run", steps=300, run_dir=tmp_path / "tuned", overrides=SMALL | CLASSIFIER, threads=1, quiet=True,
        pictures=False,
    )  # fmt: skip
    assert (path / "checkpoints").is_dir()


@pytest.mark.parametrize(
    ("env", "options", "said"),
    [
        ("mujoco/Walker2d-v5", ["features=1", f"{WEIGHTS}=forwrd=2"], "no feature 'forwrd'; did you mean 'forward'?"),
        ("mujoco/Ant-v5", ["features=1", f"{WEIGHTS}=forward=2"], "has no feature 'forward' (it has none)"),
        ("grid/Empty-5x5-v0", ["features=1", f"{WEIGHTS}=doors=1"], "no feature 'doors'; did you mean 'doors_open'?"),
        ("grid/Empty-5x5-v0", ["features=1"], "features: nothing has a weight"),
        ("grid/Empty-5x5-v0", ["features=1", f"{WEIGHTS}=doors_open"], "'doors_open' is no weight"),
        ("grid/Empty-5x5-v0", ["classifier=1", f"{POSITIVES}=nowhere.st"], "there is no 'nowhere.st'"),
        ("grid/Empty-5x5-v0", ["classifier=1", "tv=sham,k6,cell,spot"], "known without a TV only"),
        ("grid/Dynamic-Obstacles-5x5-v0", ["classifier=1"], "no success is known here: obstacles walk by chance"),
        ("mujoco/Walker2d-v5", ["classifier=1"], "no success is known here: Walker2d has no goals"),
        ("grid/Empty-5x5-v0", ["classifier=1", "taught.classifier.gamma=1"], "expected gamma < 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(tmp_path, env, options, said):
    reward, *pairs = options
    command = ["train", "ppo", "--env", env, "--steps", "300", "--quiet", "--run-dir", str(tmp_path / "run")]
    settings = [f"{key}={value}" for key, value in SMALL.items()] + pairs
    refused = CliRunner().invoke(main, [*command, "--reward", reward, *(f"--set={pair}" for pair in settings)])
    assert refused.exit_code == 2, refused.output
    assert said in refused.output
    assert refused.output.count("\n") == 1


def test_features_are_listed():
    listed = CliRunner().invoke(main, ["envs"])
    assert listed.exit_code == 0
    assert "mujoco/Walker2d-v5" in listed.output.partition("features of")[2]
    assert "goal_distance" in listed.output


def world_of(count, seed=0):
    return GridWorld(find_environment("grid/DoorKey-5x5-v0"), count, channels=("state",))


def test_successes_from_what_record_wrote(tmp_path):
    """The last thing seen in each episode that succeeded; of a player who sees something else it is refused."""
    env = "grid/DoorKey-5x5-v0"
    path, episodes = run_expert(env, tmp_path / "demo.safetensors", episodes=5)
    world = world_of(1)
    spaces = world.observation_space, world.action_space
    np.testing.assert_array_equal(read_successes(path, *spaces), episodes.last_obs)
    half = dataclasses.replace(episodes, success=np.arange(5) % 2 == 0)
    save_episodes(path, half)
    np.testing.assert_array_equal(read_successes(path, *spaces), episodes.last_obs[::2])
    overrides = SMALL | CLASSIFIER | {POSITIVES: str(path)}
    train = {"steps": 128, "run_dir": tmp_path / "run", "threads": 1, "quiet": True, "pictures": False}
    assert (run_training("ppo", env, overrides=overrides, **train) / "checkpoints").is_dir()
    with pytest.raises(UserError, match=r"does not fit: this world shows .* tokens of .* values, there it was"):
        run_training("ppo", env, overrides=overrides | {"view_size": "5"}, **train | {"run_dir": tmp_path / "other"})
    save_episodes(path, dataclasses.replace(episodes, success=np.zeros(5, bool)))
    with pytest.raises(UserError, match="none of 5 episodes is a success"):
        read_successes(path, *spaces)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"positives: .* is damaged"):
        read_successes(path, *spaces)


def test_successes_from_a_demonstration(tmp_path):
    world = world_of(1)
    spaces = world.observation_space, world.action_space
    width = world.columns["obs"].stop
    steps = np.arange(4 * width, dtype=np.uint8).reshape(4, width) % 3
    path = tmp_path / "demonstration.safetensors"
    arrays = {"obs": steps, "next_obs": steps[::-1].copy(), "success": np.array([False, True, False, True])}
    safetensors.numpy.save_file(arrays, path)
    np.testing.assert_array_equal(read_successes(path, *spaces), steps[[2, 0]])
    config = ClassifierConfig(positives=str(path), failures=50)
    examples = examples_of(config, world_of, 3)
    assert examples.success.shape == (2, width)
    assert examples.failure.shape == (50, width)
    assert examples.succeeds
    with pytest.raises(UserError, match=r"expected taught\.classifier\.reads=obs"):
        examples_of(config.model_copy(update={"reads": "state"}), world_of, 3)
    safetensors.numpy.save_file({"next_obs": steps, "success": np.zeros(4, bool)}, path)
    with pytest.raises(UserError, match="no step is marked"):
        read_successes(path, *spaces)
    safetensors.numpy.save_file({"next_obs": steps}, path)
    with pytest.raises(UserError, match="has no success"):
        read_successes(path, *spaces)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        read_successes(path, *spaces)


def test_successes_from_a_folder_of_snapshots(tmp_path):
    solved = world_of(6)
    rows = solved.success_rows(1)
    for part, ids in (("a", [0, 1]), ("b", [2, 3, 4, 5])):
        safetensors.numpy.save_file(solved.engine.state.take(ids).arrays(), tmp_path / f"{part}.safetensors")
    examples = examples_of(ClassifierConfig(positives=str(tmp_path), reads="state", failures=10), world_of, 3)
    assert len(examples.success) == 6
    known = {row.tobytes() for row in rows[:, solved.columns["state"]]}
    assert known <= {row.tobytes() for row in examples.success.numpy()}
    with pytest.raises(UserError, match="holds no snapshots of this world"):
        examples_of(
            ClassifierConfig(positives=str(tmp_path)), lambda n: GridWorld(find_environment("grid/Empty-8x8-v0"), n), 3
        )
    (empty := tmp_path / "empty").mkdir()
    (other := tmp_path / "other").mkdir()
    safetensors.numpy.save_file({"x": np.zeros(3)}, other / "a.safetensors")
    with pytest.raises(UserError, match=r"holds no snapshots of this world: '.*a.safetensors' lacks the array '\w+'"):
        examples_of(ClassifierConfig(positives=str(other)), world_of, 3)
    with pytest.raises(UserError, match=r"holds no \.safetensors"):
        examples_of(ClassifierConfig(positives=str(empty)), world_of, 3)


def test_random_play_is_no_success():
    """In the smallest room a random walk soon finds the goal: none of these states is on it."""
    world = GridWorld(find_environment("grid/Empty-5x5-v0"), 32, channels=("goal_distance",))
    rows = random_play(world, 2000, 0)
    assert rows.shape == (2000, world.row_width)
    assert rows[:, world.columns["goal_distance"]].min() == 1
    np.testing.assert_array_equal(rows, random_play(world, 2000, 0))


LEARNING = {
    "num_envs": "64", "rollout_steps": "32", "ppo.minibatch_size": "512", "eval_episodes": "64",
    "rewards": "classifier=1", "taught.classifier.reads": "state",
}  # fmt: skip


def test_against_a_classifier_the_goal_is_learnt(tmp_path):
    """No task reward at all. At the start a random walk takes its time: return .2 or so; the shortest way earns .95."""
    path = run_training(
        "ppo", "grid/Empty-5x5-v0", steps=60_000, run_dir=tmp_path / "run", overrides=LEARNING, threads=1, quiet=True,
        pictures=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    returns = [line["eval/return"] for line in lines if "eval/return" in line]
    assert returns[0] < 0.6 < 0.9 < returns[-1]
    assert lines[-1]["train/classifier/missed"] <= 0.5


@pytest.mark.slow
def test_a_frozen_classifier_is_fooled_in_the_end(tmp_path):
    """Behind a locked door there is much that random play never saw. The goal is found first, then something that looks
    as good and does not end the episode.
    """
    overrides = LEARNING | {"levels": "1", "eval_episodes": "32", "taught.classifier.adversarial": "false"}
    path = run_training(
        "ppo", "grid/DoorKey-6x6-v0", steps=200_000, seed=100, run_dir=tmp_path / "run", overrides=overrides, threads=1,
        quiet=True, pictures=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    success = [line["eval/success"] for line in lines if "eval/success" in line]
    assert max(success) > 0.9
    assert success[-1] < 0.2
    assert lines[-1]["train/classifier/confidence"] > 0.8
