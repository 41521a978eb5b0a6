"""The command line: what it hands on, and one line with exit code 2 for whatever is wrong."""

import json
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

import selfplay
from selfplay.cli import main
from selfplay.environments import EVERY_FAMILY
from selfplay.methods import CONTINUATIONS, METHODS


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def calls(monkeypatch):
    """What `train` and `evaluate` would have been called with."""
    found = []
    fake = types.ModuleType("selfplay.train")
    fake.run_training = lambda *args, **options: found.append((args, options))
    monkeypatch.setitem(sys.modules, "selfplay.train", fake)
    fake = types.ModuleType("selfplay.evaluate")
    fake.run_evaluation = lambda *args, **options: found.append((args, options))
    monkeypatch.setitem(sys.modules, "selfplay.evaluate", fake)
    return found


def test_help_needs_nothing_heavy(run_python):
    for arguments in ([], ["train"], ["finetune"], ["evaluate"], ["bench"], ["bench", "envs"]):
        code = f"""
import sys
from selfplay.cli import main
try:
    main({[*arguments, "--help"]!r})
except SystemExit as end:
    assert not end.code
print("LOADED", *sorted({{"torch", "numba", "gymnasium", "pydantic", "rich", "numpy", "envs"}} & set(sys.modules)))
"""
        out = run_python(code).stdout
        assert out.startswith("Usage: ")
        assert out.splitlines()[-1].strip() == "LOADED"


def test_train_hands_on_what_it_was_given(calls):
    line = "train ppo --env DoorKey-6x6-v0 --steps 5M --num-envs 2k --set ppo.clip=0.1 --set ppo.epochs=3"
    line += " --run-dir x/y --seed 4 --threads 2 --quiet"
    done = invoke(*line.split())
    assert (done.exit_code, done.output) == (0, "")
    options = {"steps": 5_000_000, "seed": 4, "num_envs": 2000, "run_dir": Path("x/y"), "device": "cpu", "threads": 2}
    options |= {"overrides": {"ppo.clip": "0.1", "ppo.epochs": "3"}, "quiet": True, "checkpoint_seconds": 30.0}
    assert calls == [(("ppo", "grid/DoorKey-6x6-v0"), options)]


def test_evaluate_hands_on_what_it_was_given(calls, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": {}}))
    assert invoke("evaluate", tmp_path, "--env", "grid/Empty-5x5-v0", "--episodes", "2k", "--json").exit_code == 0
    assert calls == [
        (
            (tmp_path, "grid/Empty-5x5-v0"),
            {
                "episodes": 2000,
                "seed": 1_000_000,
                "as_json": True,
                "threads": None,
                "deterministic": False,
                "device": None,
            },
        )
    ]


ENV = ("--env", "grid/DoorKey-6x6-v0")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("trian",), "unknown command 'trian'; did you mean 'train'?"),
        (("--verison",), "unknown option '--verison'; did you mean '--version'?"),
        (("train", "alice-bo", *ENV), "unknown method 'alice-bo'; did you mean 'alice-bob'?"),
        (("train", "finetune", "runs/a", "--kl", "1"), "that is a command of its own: `selfplay finetune RUN`"),
        (("train", "clone", "a.safetensors"), "that is a command of its own: `selfplay clone FILE`"),
        (("train", *ENV, "dpo"), "that is a command of its own: `selfplay dpo RUN`"),
        (
            ("study", "--jobs", "2", "--ray", "entropy-bonus"),
            "expected NAME; is 'entropy-bonus', given to --ray, the study?",
        ),
        (("study", "--jobs", "2", "--quick"), "expected NAME beside --jobs (`selfplay study` lists all)"),
        (("study", "--merge", "a", "--merge", "coverage"), "is 'coverage', given to --merge, the study?"),
        (("train", "ppo", "--evn", "x"), "unknown option '--evn'; did you mean '--env'?"),
        (("train", "ppo"), "Missing option '--env'"),
        (("train",), "Missing argument 'METHOD'"),
        (("train", "ppo", "more", *ENV), "Got unexpected extra argument (more)"),
        (("train", "ppo", "--env", "grid/DoorKey-6x6-v1"), "nearest is 'grid/DoorKey-6x6-v0'"),
        (("train", "ppo", *ENV, "--steps", "nan"), "'--steps': 'nan' is not a positive whole number (expected for"),
        (("train", "ppo", *ENV, "--steps"), "'--steps' requires an argument"),
        (("train", "ppo", *ENV, "--checkpoint-every", "nan"), "nan is not a finite number (expected 0 <= seconds)"),
        (("train", "ppo", *ENV, "--checkpoint-every", "-1"), "'--checkpoint-every': -1.0 is not in the range x>=0"),
        (("train", "ppo", *ENV, "--seed", "-1"), "'--seed': -1 is not in the range"),
        (("train", "ppo", *ENV, "--seed", "x"), "'--seed': 'x' is not a valid integer"),
        (("train", "ppo", *ENV, "--threads", "0"), "'--threads': 0 is not in the range"),
        (("train", "ppo", *ENV, "--device", "gpu"), "'--device': 'gpu' is not one of 'cpu', 'cuda', 'mps'"),
        (("train", "ppo", *ENV, "--set", "clip"), "--set clip: expected key=value"),
        (("evaluate", "no/such/run"), "no run in 'no/such/run'"),
        (("evaluate",), "Missing argument 'RUN'"),
    ],
)
def test_wrong_use_is_one_line_and_2(calls, arguments, expected):
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    (line,) = done.output.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert not calls


def test_lists():
    done = invoke("envs")
    assert done.exit_code == 0
    for name in (
        "grid/DoorKey-8x8-v0",
        "grid/MultiRoom-N7-S8-v0",
        "grid/Hallway-25-v0",
        "mujoco/Ant-v5",
        "mujoco/Reacher-v5",
    ):
        assert name in done.output
    assert "16 at the start,\none more for every 1,024 resets, at most 512" in done.output
    assert "entropy-bonus" in invoke("study").output
    done = invoke("methods")
    assert done.exit_code == 0
    assert all(name in done.output for name in METHODS)
    assert invoke("--version").output.strip() == selfplay.__version__


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("method", sorted(METHODS | CONTINUATIONS))
def test_settings_are_listed_of_every_method_everywhere(method, family):
    """Or it is said in one line that the method has no worlds there."""
    env = {"grid": "grid/Empty-5x5-v0", "mujoco": "mujoco/PointMaze-U-v0", "outside": "gymnasium:CartPole-v1"}[family]
    done = invoke("methods", method, "--env", env)
    if family in (METHODS | CONTINUATIONS)[method].families:
        assert done.exit_code == 0, done.output
        assert "ppo.max_grad_norm" in done.output or method == "alice-bob"
        assert ("freeze" in done.output) == (method in ("finetune", "overoptimization"))
    else:
        assert done.exit_code == 2
        assert len(done.output.splitlines()) == 1


def test_ctrl_c_outside_the_loop(monkeypatch, calls):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["selfplay.train"], "run_training", interrupted)
    assert invoke("train", "ppo", *ENV).exit_code == 130
