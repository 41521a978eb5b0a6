"""Behaviour cloning: the maximum of the likelihood where it is known, and runs from recorded files."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.environments import find_environment
from selfplay.errors import UserError
from selfplay.evaluate import load_run, run_evaluation
from selfplay.finetune import run_finetune
from selfplay.imitation.clone import run_clone
from selfplay.imitation.episodes import Episodes
from selfplay.imitation.record import run_record
from selfplay.methods import method_settings
from selfplay.stages.clone import CloneStage
from selfplay.train import build_stage, run_training

SMALL = {"num_envs": "16", "rollout_steps": "8", "eval_episodes": "8", "ppo.minibatch_size": "64"}
PARENTS = {
    "ppo": ("ppo", "grid/Empty-5x5-v0", SMALL | {"view_size": "3", "levels": "1"}),
    "game": (
        "alice-bob", "grid/DoorKey-5x5-v0",
        {
            "num_envs": "16", "eval_goals": "8", "proposals": "4", "game.t_max": "12", "alice.minibatch_size": "64",
            "bob.minibatch_size": "64", "bob.hidden": "32,32",
        },
    ),
    "maze": (
        "alice-bob", "mujoco/PointMaze-Open-v0",
        {
            "num_envs": "12", "eval_goals": "8", "game.t_max": "30", "alice.epochs": "1",
            "alice.minibatch_size": "128", "bob.minibatch_size": "128", "bob.epochs": "1",
        },
    ),
}  # fmt: skip
QUICK = {"eval_episodes": "8", "fit.epochs": "4", "fit.minibatch_size": "64"}


@pytest.fixture(scope="module")
def parents(tmp_path_factory):
    """Name to run folder, trained when first asked for."""
    folder, found = tmp_path_factory.mktemp("parents"), {}

    def get(name):
        if name not in found:
            method, env, settings = PARENTS[name]
            found[name] = run_training(
                method, env, steps=300, seed=1, run_dir=folder / name, overrides=settings, threads=1, quiet=True,
                pictures=False,
            )  # fmt: skip
        return found[name]

    return get


def clone(file, path, settings=None, **options):
    return run_clone(
        file, run_dir=path, overrides=QUICK | (settings or {}), threads=1, quiet=True, pictures=False, **options
    )


def stage_for(env, settings, episodes, held_out=None):
    family = env.partition("/")[0]
    found = method_settings("clone", {"eval_episodes": "0"} | settings, family)
    stage = build_stage("clone", find_environment(env), found, 0, "cpu")
    assert isinstance(stage, CloneStage)
    stage.give(episodes, np.zeros(len(episodes), bool) if held_out is None else held_out)
    return stage


def episodes_of(obs, action, length):
    count = len(length)
    return Episodes(
        obs, obs[:count], action, np.zeros(len(obs), np.float32), np.array(length), np.ones(count, bool),
        np.zeros(count, bool),
    )  # fmt: skip


def test_discrete_actions_come_to_their_shares():
    """Two observations; actions 0, 1, 2 in shares .5, .3, .2 and .1, 0, .9: so likely is what maximises Σ log π."""
    shares = np.array([[0.5, 0.3, 0.2], [0.1, 0.0, 0.9]])
    kinds = np.zeros((2, 50), np.uint8)
    kinds[1] = 1
    action = np.concatenate([np.repeat(np.arange(3), counts) for counts in (shares * 20).round().astype(int)])
    obs = kinds[np.repeat([0, 1], 20)]
    order = np.random.default_rng(0).permutation(40)
    stage = stage_for(
        "grid/Empty-5x5-v0", {"fit.epochs": "300", "fit.learning_rate": "0.01"},
        episodes_of(obs[order], action[order], [10, 30]),
    )  # fmt: skip
    while not stage.finished:
        report = stage.iterate(0.0).scalars
    learnt = torch.softmax(stage.learner.policy(torch.from_numpy(kinds))[0], -1).detach().numpy()
    np.testing.assert_allclose(learnt[:, :3], shares, atol=0.01)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(shares * np.log(shares)) / 2
    assert report["train/loss"] == pytest.approx(entropy, abs=0.01)
    assert report["train/accuracy"] == pytest.approx(0.7)  # .5 and .9 are the likeliest
    assert stage.steps == 300 * 40


def test_continuous_actions_come_to_their_mean_and_deviation():
    """InvertedPendulum's bounds are ±3 N: in the policy's units a third. Of one observation, the moments are all."""
    action = np.random.default_rng(0).normal(0.6, 0.3, (400, 1)).astype(np.float32)
    stage = stage_for(
        "mujoco/InvertedPendulum-v5", {"fit.epochs": "500", "fit.learning_rate": "0.01", "ppo.normalise_obs": "false"},
        episodes_of(np.ones((400, 4), np.float32), action, [100] * 4),
    )  # fmt: skip
    while not stage.finished:
        report = stage.iterate(0.0).scalars
    (mean, log_std), (wanted, spread) = stage.learner.policy(torch.ones(1, 4))[0][0].tolist(), (
        action.mean() / 3, action.std() / 3,
    )  # fmt: skip
    assert mean == pytest.approx(wanted, abs=0.005)
    assert log_std == pytest.approx(math.log(spread), abs=0.02)
    assert report["train/rmse"] == pytest.approx(spread, abs=0.002)
    assert report["train/loss"] == pytest.approx(math.log(spread) + 0.5 * math.log(2 * math.pi * math.e), abs=0.01)


def test_with_a_memory_episodes_are_met_from_their_beginning():
    """The loss of two episodes of 3 and 5 steps is what acting step by step, with nothing remembered first, says."""
    rng = np.random.default_rng(0)
    obs, action, length = rng.integers(0, 3, (8, 50), np.uint8), rng.integers(0, 7, 8), [3, 5]
    stage = stage_for(
        "grid/Empty-5x5-v0", {"ppo.memory": "gru", "ppo.hidden": "16,16"}, episodes_of(obs, action, length),
    )  # fmt: skip
    stage.iterate(0.0)
    nats, at = [], 0
    with torch.no_grad():
        found = {name: float(mean) for name, (mean, _) in stage.objective(torch.tensor([1, 0]))[1].items()}
        for steps in length:
            state = torch.zeros(1, 16)
            for t in range(at, at + steps):
                logits, _, state = stage.learner.policy.step(torch.from_numpy(obs[t : t + 1]), state)
                nats.append(-torch.log_softmax(logits, -1)[0, action[t]].item())
            at += steps
    assert found["loss"] == pytest.approx(np.mean(nats), rel=1e-5)


def test_it_stops_where_what_is_held_out_gets_worse():
    """Training episodes say 0 where the held-out ones say 0 and 1 alike: the best is soon over, and comes back."""
    obs, action = np.ones((200, 50), np.uint8), np.zeros(200, np.int64)
    action[100::2] = 1
    held = np.array([False, True])
    stage = stage_for(
        "grid/Empty-5x5-v0",
        {"fit.learning_rate": "0.01", "fit.patience": "5"},
        episodes_of(obs, action, [100, 100]),
        held,
    )
    losses = [stage.evaluate()["heldout/loss"]]
    while not stage.finished:
        losses.append(stage.iterate(0.0).scalars["heldout/loss"])
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 5 < 100
    assert stage.evaluate()["heldout/loss"] == pytest.approx(losses[best], rel=1e-5)
    assert losses[-1] > losses[best] + 0.1
    assert stage.steps == 100 * (len(losses) - 1)


@pytest.mark.parametrize(("name", "who"), [("ppo", None), ("game", "bob"), ("game", "alice"), ("maze", "alice")])
def test_a_clone_is_a_run_like_any_other(name, who, parents, tmp_path):
    """Recorded, cloned, evaluated, watched where there is something to see, and fine-tuned."""
    parent = parents(name)
    file, played = run_record(parent, tmp_path / "file", episodes=12, player=who, threads=1)
    run = clone(file, tmp_path / "clone")
    config = json.loads((run / "config.json").read_text())["config"]
    assert config["method"] == "clone"
    assert config["seed"] == 1
    assert config["parents"][0]["run"] == parent.name
    assert config["parents"][0].get("player") == who
    assert config["demonstrations"] == {"file": "file", "sha256": played_sha(file), "episodes": len(played)}
    first, *_, last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert last["heldout/loss"] <= first["heldout/loss"]  # who was hardly trained is hard to foretell
    assert {"eval/success", "train/loss"} <= set(last)
    scores = run_evaluation(run, episodes=8, threads=1)
    assert 0 <= scores["task"]["success"] <= 1
    tuned = run_finetune(
        run, steps=200, run_dir=tmp_path / "tuned", overrides=SMALL | {"leash.beta": "0.1"}, threads=1, quiet=True,
        pictures=False,
    )  # fmt: skip
    lineage = json.loads((tuned / "config.json").read_text())["config"]["parents"]
    assert [entry["method"] for entry in lineage] == ["clone", config["parents"][0]["method"]]
    assert lineage[0]["demonstrations"] == config["demonstrations"]["sha256"]
    assert f"played by {parent.name}" in (run / "model_card.md").read_text()
    assert "nothing from people" not in (tuned / "model_card.md").read_text()
    if name == "ppo":
        result = CliRunner().invoke(main, ["watch", str(run), "--episodes", "1", "--longest", "3"])
        assert result.exit_code == 0, result.output
        assert load_run(run)[0].config.levels == 1


def played_sha(file):
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_interrupted_equals_unbroken(parents, tmp_path, monkeypatch):
    """A crash after two passes of four; early stopping has then been under way."""
    file, _ = run_record(parents("ppo"), tmp_path / "file", episodes=12, threads=1)
    whole = clone(file, tmp_path / "whole")
    iterate, count = CloneStage.iterate, 0

    def crash(self, progress):
        nonlocal count
        count += 1
        if count > 2:
            raise RuntimeError("power cut")
        return iterate(self, progress)

    monkeypatch.setattr(CloneStage, "iterate", crash)
    with pytest.raises(RuntimeError, match="power cut"):
        clone(file, tmp_path / "broken", checkpoint_seconds=0)
    monkeypatch.setattr(CloneStage, "iterate", iterate)
    broken = clone(file, tmp_path / "broken", checkpoint_seconds=0)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    assert (whole / "metrics.jsonl").read_bytes() == (broken / "metrics.jsonl").read_bytes()


def test_refusals(parents, tmp_path):
    file, _ = run_record(parents("ppo"), tmp_path / "file.safetensors", episodes=5, threads=1)
    for words, arguments in {
        "did you mean": [str(tmp_path / "fil.safetensors")],
        "is a folder": [str(tmp_path)],
        "holds no episodes": [str(parents("ppo") / "config.json")],
        "recorded in grid worlds": [str(file), "--env", "mujoco/Hopper-v5"],
        "does not fit": [str(file), "--set", "view_size=5"],
        "did you mean 'fit.epochs'?": [str(file), "--set", "fit.epoch=3"],
        "unknown setting of clone 'ppo.clip'": [str(file), "--set", "ppo.clip=0.1"],
        "are held out": [str(file), "--set", "fit.held_out=0.95"],
    }.items():
        result = CliRunner().invoke(main, ["clone", *arguments, "--run-dir", str(tmp_path / "none")])
        assert result.exit_code == 2, result.output
        assert result.output.count("\n") == 1
        assert words in result.output
        assert not (tmp_path / "none").exists()
    with pytest.raises(UserError, match="method 'clone' begins with a file: selfplay clone FILE"):
        run_training("clone", "grid/Empty-5x5-v0", steps=1)
