"""Arms that go on from a run that is trained first."""

import dataclasses
import json

import pytest

from selfplay.errors import UserError
from selfplay.studies.plan import Task, check_folder, expected_config, finished, quick
from selfplay.studies.preferences import STUDY
from selfplay.studies.records import registration
from selfplay.studies.study import Arm, Run
from selfplay.studies.worker import train

SMALL = {"num_envs": "16", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "128"}
BEGUN = Run("ppo", "grid/Empty-5x5-v0", 512, SMALL)


def test_an_arm_goes_on_from_a_run_that_is_trained_first(tmp_path):
    run = Run("finetune", BEGUN.env, 768, SMALL | {"ppo.learning_rate": "0"}, BEGUN)
    task = Task(Arm("tuned", run), 3, tmp_path / "tuned" / "s3")
    said = train(json.loads(json.dumps({
        "method": run.method, "env": run.env, "steps": run.steps, "seed": 3, "overrides": run.overrides, "threads": 1,
        "run_dir": str(task.folder), "checkpoint_seconds": 1e9, "begins": dataclasses.asdict(run.begins),
    })))  # fmt: skip
    assert said == {"done": True}
    config = json.loads((task.folder / "config.json").read_text())["config"]
    assert [(parent["run"], parent["step"]) for parent in config["parents"]] == [("s3-begins", 512)]
    check_folder(task, expected_config(task.arm, 3), 1)
    assert finished(task)
    with pytest.raises(UserError, match=r"ppo\.learning_rate"):
        check_folder(
            task, expected_config(dataclasses.replace(task.arm, run=dataclasses.replace(run, overrides=SMALL)), 3)
        )


def test_only_a_fine_tuned_run_begins_with_another():
    with pytest.raises(ValueError, match="expected a run with finetune"):
        dataclasses.replace(BEGUN, method="finetune")
    with pytest.raises(ValueError, match="expected a run with finetune"):
        dataclasses.replace(BEGUN, begins=BEGUN)


def test_what_a_run_begins_with_is_registered_and_shortened():
    arm = "DoorKey-6x6.uniform-700"
    assert registration(STUDY)["arms"][arm]["begins"]["steps"] == 230_000
    assert quick(STUDY).arm(arm).run.begins.steps == STUDY.quick_steps
