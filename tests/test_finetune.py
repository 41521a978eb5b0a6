"""Runs that begin with the policy of another one: what is taken over, the leash, lineage, resuming, and refusals."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.evaluate import load_run, run_evaluation
from selfplay.finetune import run_finetune
from selfplay.stages.finetune import FinetuneStage
from selfplay.train import run_training

SMALL = {"num_envs": "16", "rollout_steps": "8", "eval_episodes": "8", "ppo.minibatch_size": "64"}
PARENTS = {
    "ppo": ("ppo", "grid/DoorKey-5x5-v0", SMALL),
    "memory": ("ppo", "grid/DoorKey-5x5-v0", SMALL | {"ppo.memory": "gru", "ppo.hidden": "16,32"}),
    "curious": ("rnd", "grid/DoorKey-5x5-v0", SMALL | {"tv": "remote,k6,quadrant,spot"}),
    "vectors": ("ppo", "mujoco/InvertedPendulum-v5", SMALL),
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
            "num_envs": "12", "eval_goals": "8", "game.t_max": "30", "game.target_share": "0.25", "alice.epochs": "1",
            "alice.minibatch_size": "128", "bob.minibatch_size": "128", "bob.epochs": "1",
        },
    ),
}  # fmt: skip
KL = {"leash.beta": "0.1"}


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


def finetune(parent, path, settings=None, steps=500, **options):
    options = {"seed": 2, "threads": 1, "quiet": True, "pictures": False} | options
    return run_finetune(parent, steps=steps, run_dir=path, overrides=SMALL | (settings or {}), **options)


def last_policy(run, player="learner"):
    tensors = checkpoint.load_latest(run / "checkpoints").tensors
    return {k.removeprefix(f"{player}/policy."): v for k, v in tensors.items() if k.startswith(f"{player}/policy.")}


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


STILL = {"ppo.learning_rate": "0"}  # what was taken over stays as it was


@pytest.mark.parametrize("name", ["ppo", pytest.param("memory", marks=pytest.mark.slow), "curious", "vectors"])
def test_it_begins_as_the_run_and_pays_for_leaving_it(name, parents, tmp_path):
    parent = parents(name)
    run = finetune(parent, tmp_path / "still", KL | STILL)
    before, after = last_policy(parent), last_policy(run)
    for key, tensor in after.items():
        if not key.startswith(("value_head.", "critic.")):
            shown = before[key][: len(tensor)] if tensor.dim() else before[key]  # the TV's button is left out
            assert torch.equal(tensor, shown), key
    assert (len(before["policy_head.bias"]) > len(after["policy_head.bias"])) == (name == "curious")
    assert all(abs(line["train/leash/kl_per_step"]) < 1e-5 for line in metrics(run)[1:])
    fast = {"ppo.learning_rate": "0.01", "leash.beta": "0"}
    moved = finetune(parent, tmp_path / "moved", fast, steps=1500)
    assert metrics(moved)[-1]["train/leash/kl_per_step"] > 1e-4
    reference = checkpoint.load_latest(moved / "checkpoints").tensors
    for key, tensor in after.items():
        if not key.startswith(("value_head.", "critic.")):
            assert torch.equal(reference[f"learner/source.leash.reference.{key}"], tensor), key


def test_bob_plays_the_task_as_with_an_empty_goal(parents, tmp_path):
    """And Alice as if she could not say STOP: her other actions keep their ratios."""
    game, _ = load_run(parents("game"))
    for player, learner in (("bob", game.bob), ("alice", game.alice)):
        run = finetune(parents("game"), tmp_path / player, STILL, player=player)
        stage, config = load_run(run)
        assert config["parents"][0]["player"] == player
        seen = torch.from_numpy(stage.world.reset(3))
        empty = torch.zeros(len(seen), learner.observation_space.shape[0] - seen.shape[1], dtype=torch.uint8)
        theirs, _ = learner.policy(torch.cat([seen, empty], 1))
        ours, _ = stage.learner.policy(seen)
        assert theirs.shape[1] == (8 if player == "alice" else 7)
        torch.testing.assert_close(ours, theirs[:, :7])
        assert ours.std() > 1e-4


def test_bob_plays_the_task_of_a_maze_as_a_goal_that_was_given(parents, tmp_path):
    """And Alice as if she could not say STOP: the means and deviations of her forces."""
    game, _ = load_run(parents("maze"))
    for player, learner in (("bob", game.bob), ("alice", game.alice)):
        run = finetune(parents("maze"), tmp_path / player, STILL, player=player)
        stage, _ = load_run(run)
        seen = torch.from_numpy(stage.world.reset(3))
        theirs, _ = learner.policy(torch.cat([seen, torch.ones(len(seen), 1)], 1))
        ours, _ = stage.learner.policy(seen)
        means = theirs[:, :2], theirs[:, -2:]
        assert theirs.shape[1] == (5 if player == "alice" else 4)
        torch.testing.assert_close(ours, torch.cat(means, 1), rtol=1e-4, atol=1e-5)
        assert ours[:, :2].std() > 1e-4


def test_bob_of_other_goals_than_the_tasks_is_refused(tmp_path):
    """He saw the way from the ball to its place where the task shows that of the block: as many numbers."""
    game = {"num_envs": "4", "eval_goals": "2", "game.goal": "position", "game.t_max": "10", "game.past_share": "0"}
    run = run_training(
        "alice-bob", "mujoco/BlockPush-v0", steps=20, seed=0, run_dir=tmp_path / "run", threads=1, quiet=True,
        overrides=game, pictures=False,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"learnt with game\.goal=position, the task asks for objects"):
        run_finetune(run, None, steps=100, run_dir=tmp_path / "tuned", threads=1, quiet=True, pictures=False)


def test_parts(parents, tmp_path):
    """Of two runs with one seed those parts differ that only one of them took over; the critic's head by its name."""
    parent = parents("curious")  # rewards task and rnd
    before = last_policy(parent)
    rewards = {"rewards": "icm=0.1,task=1"}
    scratch = last_policy(finetune(parent, tmp_path / "scratch", STILL | {"keep": ""}))
    same = last_policy(finetune(parent, tmp_path / "none", STILL | {"keep": ""} | rewards))
    for part, names in {
        "encoder": {"encoder.table", "encoder.bias"},
        "policy": {"layers.0.weight", "layers.0.bias", "policy_head.weight", "policy_head.bias"},
        "critic": {"value_head.weight", "value_head.bias"},
    }.items():
        kept = last_policy(finetune(parent, tmp_path / part, STILL | {"keep": part} | rewards))
        changed = {key for key, tensor in kept.items() if not torch.equal(tensor, same[key])}
        assert changed == names
        if part == "critic":
            assert torch.equal(kept["value_head.weight"][1], before["value_head.weight"][0])
            assert torch.equal(kept["value_head.weight"][0], same["value_head.weight"][0])
    fresh = run_training(
        "ppo", "grid/DoorKey-5x5-v0", steps=500, seed=2, run_dir=tmp_path / "fresh", overrides=SMALL | STILL,
        threads=1, quiet=True, pictures=False,
    )  # fmt: skip
    for key, tensor in last_policy(fresh).items():
        assert torch.equal(tensor, scratch[key]), f"keep none is from scratch: {key}"


@pytest.mark.parametrize("name", ["ppo", "vectors", "game"])
def test_what_is_frozen_learns_nothing(name, parents, tmp_path):
    """Taken over or not; by the hand-written gradients of tokens and of vectors. The rest learns."""
    parent = parents(name)
    before = last_policy(parent, "bob" if name == "game" else "learner")
    shape = {"ppo.hidden": "32,32"} if name == "game" else {}
    for keep in ("encoder", ""):
        run = finetune(
            parent, tmp_path / f"keep-{keep}", shape | {"freeze": "encoder", "keep": keep, "ppo.entropy": "1"}
        )
        random = finetune(parent, tmp_path / f"still-{keep}", STILL | shape | {"keep": keep})
        began, after = last_policy(random), last_policy(run)
        moved = {key for key in after if not torch.equal(after[key], began[key]) and not key.startswith("normaliser")}
        encoder = {key for key in after if key.startswith("encoder.")}
        assert moved >= {key for key in after if key.startswith(("layers.", "policy_head."))}
        assert encoder and not moved & encoder  # noqa: PT018
        taken = [torch.equal(after[key], before[key][: len(after[key])]) for key in encoder]
        assert all(taken) if keep else not all(taken)


def test_without_anything_frozen_the_settings_are_as_before(parents, tmp_path):
    """A run that was begun when nothing could be frozen is taken up, and a study finds its runs."""
    run = finetune(parents("ppo"), tmp_path / "run", steps=200)
    assert "freeze" not in json.loads((run / "config.json").read_text())["config"]["settings"]


def test_what_a_leash_to_another_policy_cost_is_not_taken_over(parents, tmp_path):
    leashed = finetune(parents("ppo"), tmp_path / "leashed", KL)
    before = last_policy(leashed)["value_head.weight"]
    heads = [
        last_policy(finetune(leashed, tmp_path / (keep or "none"), KL | STILL | {"keep": keep}))["value_head.weight"]
        for keep in ("critic", "")
    ]
    assert torch.equal(heads[0][0], before[0])  # the task's
    assert torch.equal(heads[0][1], heads[1][1])
    assert not torch.equal(heads[0][1], before[1])


def test_lineage(parents, tmp_path):
    first = finetune(parents("game"), tmp_path / "first")
    second = finetune(first, tmp_path / "second", KL, env="grid/DoorKey-5x5-v0")
    third = finetune(second, tmp_path / "third", KL)  # its leash is to `second`, which had one itself
    listed = json.loads((third / "config.json").read_text())["config"]["parents"]
    assert [one["run"] for one in listed] == ["second", "first", "game"]
    assert [one["method"] for one in listed] == ["finetune", "finetune", "alice-bob"]
    for one, run in zip(listed, (second, first, parents("game")), strict=True):
        saved = checkpoint.load_latest(run / "checkpoints")
        assert (one["step"], one["sha256"]) == (saved.step, saved.sha256)
    manifest = json.loads((checkpoint.load_latest(first / "checkpoints").path / "manifest.json").read_text())
    assert listed[1]["sha256"] == manifest["files"]["tensors.safetensors"]["sha256"]


@pytest.mark.parametrize("name", [pytest.param("memory", marks=pytest.mark.slow), "vectors"])
def test_interrupted_equals_unbroken(name, parents, tmp_path, monkeypatch):
    """Crashes after 2, then after 3 more iterations, with β on the move and episodes under way."""
    settings = {"leash.target": "0.01", "leash.horizon": "10", "ppo.learning_rate": "0.01"}
    whole = finetune(parents(name), tmp_path / "whole", settings, steps=1000, checkpoint_seconds=1e9)
    iterate = FinetuneStage.iterate
    for allowed in (2, 3):
        count = 0

        def crash(self, progress, allowed=allowed):
            nonlocal count
            count += 1
            if count > allowed:
                raise RuntimeError("power cut")
            return iterate(self, progress)

        monkeypatch.setattr(FinetuneStage, "iterate", crash)
        with pytest.raises(RuntimeError, match="power cut"):
            finetune(parents(name), tmp_path / "broken", settings, steps=1000, checkpoint_seconds=0)
    monkeypatch.setattr(FinetuneStage, "iterate", iterate)
    broken = finetune(parents(name), tmp_path / "broken", settings, steps=1000, checkpoint_seconds=0)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    assert (whole / "metrics.jsonl").read_bytes() == (broken / "metrics.jsonl").read_bytes()
    if name == "vectors":  # short episodes: enough of them to move β
        assert metrics(whole)[-1]["train/leash/beta"] != 0.1


def test_a_run_goes_on_though_its_parent_did_too(tmp_path):
    method, env, settings = PARENTS["ppo"]
    common = {"seed": 1, "run_dir": tmp_path / "parent", "overrides": settings, "threads": 1, "quiet": True}
    parent = run_training(method, env, steps=300, **common)
    child = finetune(parent, tmp_path / "child", KL, steps=300)
    before = json.loads((child / "config.json").read_text())["config"]["parents"]
    run_training(method, env, steps=900, **common)
    finetune(parent, tmp_path / "child", KL, steps=600)
    record = json.loads((child / "config.json").read_text())["config"]
    assert (record["parents"], record["steps"]) == (before, 600)
    assert checkpoint.load_latest(child / "checkpoints").step >= 600


def test_evaluation(parents, tmp_path):
    run = finetune(parents("ppo"), tmp_path / "run", KL)
    first = run_evaluation(run, episodes=16, seed=5)
    assert first == run_evaluation(run, episodes=16, seed=5)
    assert 0 <= first["task"]["success"] <= 1
    assert 0 <= run_evaluation(run, "grid/DoorKey-6x6-v0", episodes=16, seed=5)["task"]["success"] <= 1


def test_on_a_leash_there_is_no_entropy_bonus_unless_asked_for(parents, tmp_path):
    found = []
    for place, settings in enumerate(({}, KL, {"leash.target": "6"}, KL | {"ppo.entropy": "0.02"})):
        run = finetune(parents("ppo"), tmp_path / str(place), settings, steps=1)
        found.append(json.loads((run / "config.json").read_text())["config"]["settings"]["ppo"]["entropy"])
    assert found == [0.01, 0.0, 0.0, 0.02]


def test_the_command(parents, tmp_path):
    line = ["finetune", parents("ppo"), "--steps", "200", "--kl", "0.2", "--kl-target", "6", "--keep", "encoder,policy"]
    line += ["--reward", "task=1", "--reward", "rnd=0.1", "--num-envs", "8", "--run-dir", tmp_path / "run", "--quiet"]
    line += ["--threads", "1", "--set", "eval_episodes=4", "--set", "ppo.minibatch_size=64", "--freeze", "encoder"]
    done = CliRunner().invoke(main, [str(word) for word in line])
    assert done.exit_code == 0, done.output
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["config"]["settings"]
    assert settings["leash"] == {"beta": 0.2, "target": 6.0, "horizon": 10_000}
    assert settings["keep"] == ["encoder", "policy"]
    assert settings["freeze"] == ["encoder"]
    assert settings["rewards"] == ["task=1", "rnd=0.1"]


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("ppo", ["--player", "bob"], "ppo, which has one player"),
        ("game", ["--player", "bobb"], "unknown player 'bobb'; did you mean 'bob'?"),
        ("game", ["--env", "grid/DoorKey-8x8-v0"], "the worlds differ in size or mission"),
        ("ppo", ["--env", "mujoco/Hopper-v5"], "learnt in grid worlds"),
        ("vectors", ["--env", "mujoco/Hopper-v5"], "sees Box"),
        ("ppo", ["--env", "grid/DoorKey-5x55-v0"], "--env: unknown"),
        ("ppo", ["--keep", "encoders"], "did you mean 'encoder'?"),
        ("ppo", ["--freeze", "encoders"], "did you mean 'encoder'?"),
        ("ppo", ["--kl", "-1"], "leash.beta: -1 is not in range (expected 0 <= beta)"),
        ("ppo", ["--kl", "nan"], "leash.beta: nan is not"),
        ("ppo", ["--kl", "0", "--kl-target", "6"], "leash: beta: 0 cannot be moved towards a target"),
        ("ppo", ["--reward", "tusk=1"], "unknown reward 'tusk'; did you mean 'task'?"),
        ("ppo", ["--set", "leash.bta=1"], "unknown key 'leash.bta'; did you mean 'leash.beta'?"),
        ("ppo", ["--set", "ppo.hidden=32,32"], "ppo.hidden: '"),
    ],
)
def test_refusals_are_one_line(name, words, said, parents, tmp_path):
    line = ["finetune", parents(name), "--run-dir", tmp_path / "run", "--quiet", "--steps", "100", *words]
    done = CliRunner().invoke(main, [str(word) for word in line])
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_is_no_run_is_refused(parents, tmp_path):
    done = CliRunner().invoke(main, ["finetune", f"{parents('ppo')}o"])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
    assert "did you mean" in done.output
    with pytest.raises(UserError, match="method 'finetune' begins with a run: selfplay finetune RUN"):
        run_training("finetune", "grid/DoorKey-5x5-v0", steps=1, run_dir=tmp_path / "run")
    done = CliRunner().invoke(main, ["train", "finetune", "--env", "grid/DoorKey-5x5-v0"])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)


def test_the_same_folder_with_another_parent_is_refused(parents, tmp_path):
    finetune(parents("ppo"), tmp_path / "run")
    with pytest.raises(UserError, match="was started with"):
        finetune(parents("game"), tmp_path / "run")
    assert np.isfinite(metrics(tmp_path / "run")[-1]["train/reward/task"])
