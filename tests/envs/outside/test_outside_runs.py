"""The commands in environments of somebody else's."""

import json

import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.label.ledger import open_ledger
from selfplay.label.serve import Places, ask_some
from selfplay.label.sheets import Sheets


@pytest.fixture(autouse=True)
def strange(monkeypatch, request, tmp_path):
    monkeypatch.syspath_prepend(request.path.parent)
    monkeypatch.chdir(tmp_path)


def said(*args, code=0):
    found = CliRunner().invoke(main, [str(arg) for arg in args])
    assert found.exit_code == code, found.output
    return found.output


COUNT = ("--env", "strange_envs:strange/Count-v0", "--env-kwargs", "goal=3", "--quiet", "--set", "eval_episodes=4")


def test_check_env_of_a_sound_one():
    found = json.loads(said("check-env", "strange_envs:strange/Count-v0", "--steps", 300, "--json"))
    verdicts = {row["what"]: row["verdict"] for row in found["findings"]}
    assert verdicts["playing"] == verdicts["seeds"] == verdicts["episodes"] == "fine"
    assert "note" in next(row["words"] for row in found["findings"] if "text" in row["words"])
    assert found["uses"] == {"ppo": True, "bonuses": True, "alice-bob": False}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Endless-v0?fault=nan", "step 3: the observation is not in"),
        ("Endless-v0?fault=raise&goal=90", "the sky fell"),
        ("Words-v0", "text is not seen"),
        ("Unmade-v0", "no such plug"),
    ],
)
def test_check_env_of_a_broken_one(name, words):
    shown = said("check-env", f"strange_envs:strange/{name}", code=2)
    assert words in shown
    assert "nothing, until this is mended" in shown


def test_check_env_minds_what_never_ends():
    assert "! episodes" in said("check-env", "strange_envs:strange/Endless-v0?goal=99", "--steps", 300)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("strange_envs:strange/Ladder-v0", "by its own vector entry point"),
        ("strange_envs:strange/Count-v0", "one after the other, by Gymnasium"),
        ("strange_envs:strange/Losing-v0", "one after the other, by Gymnasium: its vector environment loses the last"),
        ("gymnasium:CartPole-v1", "one after the other, by Gymnasium: its vector environment loses the last"),
    ],
)
def test_check_env_goes_the_way_that_training_goes(name, way):
    found = json.loads(said("check-env", name, "--steps", 300, "--json"))["findings"]
    (row,) = [row for row in found if row["what"] == "many at once"]
    assert row["verdict"] == "fine"
    assert row["words"].startswith(way)
    assert {row["verdict"] for row in found if row["what"] in ("playing", "seeds", "episodes")} == {"fine"}


TRAINED = ("--steps", "500", "--set", "num_envs=8", "--set", "rollout_steps=16", "--set", "eval_episodes=4", "--quiet")


@pytest.mark.parametrize("name", ["Ladder", "Crumbling", "Losing", "Noise", "Count"])
def test_check_env_says_what_train_does(name, tmp_path):
    env = f"strange_envs:strange/{name}-v0"
    code = 2 if name == "Crumbling" else 0
    shown = said("check-env", env, "--steps", 200, code=code)
    trained = said("train", "ppo", "--env", env, "--run-dir", tmp_path / "run", *TRAINED, code=code)
    if code:
        assert "step 1: RuntimeError: the rungs broke" in shown
        assert "step 1: RuntimeError: the rungs broke" in trained
        assert "--set vectorisation=sync does without" in shown
        way = ("--set", "vectorisation=sync", "--run-dir", tmp_path / "sync")
        said("train", "ppo", "--env", env, *way, *TRAINED)


def test_check_env_minds_what_no_seed_repeats():
    rows = json.loads(said("check-env", "strange_envs:strange/Noise-v0", "--steps", 200, "--json"))["findings"]
    found = {row["what"]: (row["verdict"], row["words"]) for row in rows}
    assert found["seeds"] == ("mind", "the same seed and actions give another episode: runs cannot be repeated")
    assert found["gymnasium's checker"][0] == "mind"
    assert "non-deterministic" in found["gymnasium's checker"][1]


def test_train_learns_resumes_evaluates_and_goes_on(tmp_path):
    run = tmp_path / "run"
    train = ("train", "ppo", *COUNT, "--run-dir", run, "--set", "success=true", "--set", "ppo.epochs=4")
    said(*train, "--steps", "16k")
    record = json.loads((run / "config.json").read_text())["config"]
    assert record["env"] == "strange_envs:strange/Count-v0?goal=3"
    score = json.loads(said("evaluate", run, "--episodes", 20, "--json"))["task"]
    assert score["success"] == 1
    assert score["length"] < 5
    said(*train, "--steps", "18k")
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[-1] >= 18_000
    said("finetune", run, "--steps", "2k", "--kl", "0.1", "--quiet", "--run-dir", tmp_path / "more")
    said("watch", run, "--episodes", 1)
    assert (run / "watch.gif").stat().st_size > 0


def test_a_bonus_is_paid(tmp_path):
    said("train", "rnd", *COUNT, "--run-dir", tmp_path / "rnd", "--steps", "3k")
    lines = [json.loads(line) for line in (tmp_path / "rnd" / "metrics.jsonl").read_text().splitlines()]
    assert any(line.get("train/reward/rnd", 0) > 0 for line in lines)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "ppo", "--env", "strange_envs:strange/Endless-v0?fault=raise&goal=90"), "the sky fell"),
        (("train", "ppo", "--env", "strange_envs:strange/Cuont-v0"), "did you mean"),
        (("train", "ppo", "--env", "no_such_module:X-v0"), "'no_such_module' is not there"),
        (("train", "ppo", "--env", "grid/Empty-5x5-v0", "--env-kwargs", "a=1"), "takes no arguments"),
        (("train", "ppo", "--env", "strange_envs:strange/Count-v0", "--env-kwargs", "a"), "expected KEY=VALUE"),
        (
            ("train", "alice-bob", "--env", "strange_envs:strange/Count-v0"),
            "does not play in environments from outside",
        ),
        (("train", "ppo", "--env", "strange_envs:strange/Count-v0", "--tv", "remote,k30,view,everywhere"), "has no TV"),
        (("bench", "envs", "--env", "strange_envs:strange/Count-v0"), "is not for this command"),
        (("check-env", "grid/Empty-5x5-v0"), "one of our own"),
        (("check-env", "CartPole-v1"), "error: unknown level 'CartPole-v1'; did you mean gymnasium:CartPole-v1?"),
        (("train", "ppo", "--env", "cartpole-v1"), "--env: unknown level 'cartpole-v1'; did you mean gymnasium:CartPo"),
        (
            ("check-env", "gymnasium:FrozenLake-v1", "--env-kwargs", "is_slipery=false"),
            "error: --env-kwargs: gymnasium:FrozenLake-v1 takes no argument 'is_slipery'; did you mean 'is_slippery'?",
        ),
        (
            ("train", "ppo", "--env", "gymnasium:FrozenLake-v1?is_slipery=false"),
            "error: --env: gymnasium:FrozenLake-v1 takes no argument",
        ),
    ],
)
def test_bad_input_is_one_line(words, expected):
    more = ("--steps", "3k", "--quiet") if words[0] == "train" else ()
    shown = said(*words, *more, code=2)
    assert expected in shown
    assert shown.count("\n") == 1
    assert "selfplay envs" not in shown  # it lists none of these


def test_our_own_are_listed():
    assert said("train", "ppo", "--env", "Hoper-v5", code=2) == (
        "error: --env: unknown level 'Hoper-v5'; nearest is 'mujoco/Hopper-v5'; `selfplay envs` lists all\n"
    )
    assert "nearest is 'grid/DoorKey-8x8-v0'; `selfplay envs` lists" in said("check-env", "DorKey-8x8-v0", code=2)


def test_what_was_played_outside_is_learnt_from(tmp_path):
    """Recorded and cloned, the clone labelled and made to agree with the answers; DPO asks for more than is known."""
    run, clone = tmp_path / "run", tmp_path / "clone"
    few = ("--set", "eval_episodes=2", "--threads", "1", "--quiet")
    said("train", "ppo", "--env", "gymnasium:CartPole-v1", "--steps", "1k", "--run-dir", run, *few)
    said("record", run, "--episodes", "6", "--threads", "1", "--out", tmp_path / "played.safetensors")
    said("clone", tmp_path / "played.safetensors", "--run-dir", clone, "--set", "fit.epochs=2", *few)
    Places(clone).folder.mkdir()
    with open_ledger(Places(clone).folder / "ledger.sqlite") as ledger:
        for horizon in (10, 6):  # of several lengths
            assert ask_some(clone, ledger, Sheets(Places(clone).clips), queries=10, horizon=horizon, seed=0) == 10
        for query in ledger.queries():
            ledger.answer(query.id, "anna", "left")
    fit = (*few, "--set", "fit.epochs=2")
    shown = said("dpo", clone, "--run-dir", tmp_path / "dpo", *fit, code=2)
    assert "whether gymnasium:CartPole-v1 draws anything by chance is not known" in shown
    assert "expected --loss cpl" in shown
    said("dpo", clone, "--loss", "cpl", "--run-dir", tmp_path / "cpl", *fit)
    last = json.loads((tmp_path / "cpl" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["train/chosen"] > last["train/rejected"]
    assert last["eval/length"] > 1
