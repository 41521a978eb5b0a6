"""Whole runs through the Python entry point, small: what they leave behind, and that they go on where they stopped."""

import json

import pytest

from selfplay import checkpoint
from selfplay.errors import UserError
from selfplay.evaluate import run_evaluation
from selfplay.stages.alice_bob import AliceBob
from selfplay.stages.base import Report
from selfplay.stages.ppo import PPOStage
from selfplay.train import run_training

SMALL = {
    "ppo": {"num_envs": "16", "rollout_steps": "8", "eval_episodes": "8", "ppo.minibatch_size": "64"},
    "alice-bob": {
        "num_envs": "16",
        "eval_goals": "8",
        "proposals": "4",
        "game.t_max": "12",
        "game.target_share": "0.25",
        "alice.minibatch_size": "64",
        "bob.minibatch_size": "64",
        "rewards": "task=1,rnd=0.1",
    },
}
SMALL["noveld"] = {
    **SMALL["ppo"], "rewards": "task=1,noveld=0.1,e3b=0.1,counts=0.1", "bonus.counts.reads": "position",
    "bonus.noveld.keys": "state", "tv": "remote,k6,quadrant,spot",
}  # fmt: skip
SMALL["icm"] = {
    "num_envs": "8", "rollout_steps": "16", "eval_episodes": "4", "ppo.minibatch_size": "64", "ppo.epochs": "2",
}  # fmt: skip
STAGES = {"ppo": PPOStage, "alice-bob": AliceBob, "noveld": PPOStage, "icm": PPOStage}
STEPS = {"ppo": 1500, "alice-bob": 8000, "noveld": 1500, "icm": 1500}
ENV = dict.fromkeys(SMALL, "grid/DoorKey-5x5-v0") | {"icm": "mujoco/Reacher-v5"}


def train(method, path, pictures=False, **options):
    return run_training(
        method, ENV[method], steps=STEPS[method], seed=3, run_dir=path, threads=1, quiet=True,
        overrides=SMALL[method], pictures=pictures, **options,
    )  # fmt: skip


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("method", SMALL)
def test_run_folder(method, tmp_path):
    run = train(method, tmp_path / "run", pictures=True)
    metrics = lines(run / "metrics.jsonl")
    assert metrics[0]["step"] == 0
    assert metrics[-1]["step"] >= STEPS[method]
    assert any("eval/" in key for key in metrics[0])
    assert checkpoint.load_latest(run / "checkpoints").step == metrics[-1]["step"]
    assert any(run.glob("events.out.tfevents.*"))
    assert f"- {metrics[-1]['step']:,} env steps of its own play" in (run / "model_card.md").read_text()
    if method == "alice-bob":
        proposal = lines(run / "proposals.jsonl")[0]
        assert {"step", "start", "goal", "t_A", "t_B", "shortest", "solved", "stopped"} <= proposal.keys()


@pytest.mark.parametrize("method", SMALL)
def test_a_finished_run_is_left_as_it_is(method, tmp_path):
    run = train(method, tmp_path / "run")
    before = (run / "metrics.jsonl").read_bytes()
    train(method, run)
    assert (run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("method", SMALL)
def test_interrupted_equals_unbroken(method, tmp_path, monkeypatch):
    """Crashes after 2, then after 3 more iterations; checkpoints after every iteration but the last before a crash."""
    whole = train(method, tmp_path / "whole", checkpoint_seconds=1e9)
    iterate = STAGES[method].iterate
    for allowed in (2, 3):
        count = 0

        def crash(self, progress, allowed=allowed):
            nonlocal count
            count += 1
            if count > allowed:
                raise RuntimeError("power cut")
            return iterate(self, progress)

        monkeypatch.setattr(STAGES[method], "iterate", crash)
        with pytest.raises(RuntimeError, match="power cut"):
            train(method, tmp_path / "broken", checkpoint_seconds=0)
        assert not (tmp_path / "broken/model_card.md").exists()
    monkeypatch.setattr(STAGES[method], "iterate", iterate)
    broken = train(method, tmp_path / "broken", checkpoint_seconds=0)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    for name in ("metrics.jsonl", "proposals.jsonl"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


@pytest.mark.parametrize("method", SMALL)
def test_evaluation_repeats_itself_and_leaves_the_run_alone(method, tmp_path, capsys):
    run = train(method, tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    first = run_evaluation(run, episodes=16, seed=5, as_json=True)
    assert json.loads(capsys.readouterr().out) == first
    assert run_evaluation(run, episodes=16, seed=5, as_json=True) == first
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert 0 <= first["task"].get("success", 0) <= 1
    assert ("success" in first["task"]) == ENV[method].startswith("grid/")
    if method == "alice-bob":
        assert sum(row["goals"] for row in first["goals"]["by_difficulty"]) > 0


def test_evaluation_does_not_disturb_training(tmp_path):
    """Evaluating and drawing between iterations changes nothing that is learnt."""
    from envs.grid.levels import level_spec
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("alice-bob", SMALL["alice-bob"])
    quiet, watched = (build_stage("alice-bob", level_spec("DoorKey-5x5-v0"), settings, 0, "cpu") for _ in range(2))
    for _ in range(3):
        quiet.iterate(0.0)
        watched.evaluate()
        watched.pictures()
        watched.iterate(0.0)
    expected, found = quiet.state_dict(), watched.state_dict()
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert (value == found[key]).all(), key


def test_a_world_too_large_to_search_is_said_once_and_remembered(capsys):
    """KeyCorridorS3R3 has too many states: no difficulty, no reachable goals, and a resumed run does not ask again."""
    from envs.grid.levels import level_spec
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("alice-bob", SMALL["alice-bob"])
    stage, resumed = (build_stage("alice-bob", level_spec("KeyCorridorS3R3-v0"), settings, 0, "cpu") for _ in range(2))
    assert "eval/zero_shot" not in stage.evaluate()
    stage.iterate(0.0)
    resumed.load_state_dict(stage.state_dict())
    for _ in range(2):
        first, second = stage.iterate(0.0), resumed.iterate(0.0)
        assert first.proposals == second.proposals
        assert all(line["shortest"] is None for line in first.proposals)
        assert "curriculum/unreachable" not in first.scalars
    assert capsys.readouterr().err.count("more than max_states") == 1


def test_what_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"game\.t_max"):
        run_training("alice-bob", "DoorKey-5x5-v0", steps=10, run_dir=tmp_path / "a", overrides={"game.t_max": "nan"})
    with pytest.raises(UserError, match="target_share"):
        run_training(
            "alice-bob", "DoorKey-5x5-v0", steps=10, run_dir=tmp_path / "b",
            overrides={"num_envs": "4", "game.target_share": "0.01"},
        )  # fmt: skip
    for wrong, overrides in {
        r"bob\.normalise_over": {"bob.normalise_over": "minibatch"},
        r"game\.alice_steps": {"game.stop": "false", "game.alice_steps": "80"},
        "payoff_scale": {"game.payoff_scale": "1e38"},
    }.items():
        with pytest.raises(UserError, match=wrong):
            run_training("alice-bob", "DoorKey-5x5-v0", steps=10, run_dir=tmp_path / "c", overrides=overrides)


def test_a_diverging_run_is_one_line(tmp_path, monkeypatch):
    def diverge(self, progress):
        raise FloatingPointError("learner: loss nan")

    monkeypatch.setattr(PPOStage, "iterate", diverge)
    with pytest.raises(UserError, match="diverged after 0 steps: learner: loss nan"):
        train("ppo", tmp_path / "run")


def test_an_alice_who_always_stops_at_once_ends_the_run(tmp_path, monkeypatch):
    """STOP costs no step, so the budget would never be spent."""
    monkeypatch.setattr("selfplay.loop._IDLE_ITERATIONS", 3)
    monkeypatch.setattr(AliceBob, "iterate", lambda self, progress: Report({"curriculum/proposed": 1.0}))
    with pytest.raises(UserError, match="nothing was played in 3 iterations"):
        train("alice-bob", tmp_path / "run")


def test_no_training_ends_for_a_picture(tmp_path, monkeypatch, capsys):
    def broken(stage):
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(PPOStage, "pictures", broken)
    run = train("ppo", tmp_path / "run", pictures=True)
    assert checkpoint.load_latest(run / "checkpoints").step >= STEPS["ppo"]
    assert "steps are left out: RuntimeError: the driver is gone" in capsys.readouterr().err
