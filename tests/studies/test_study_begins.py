"""Arms that go on from a run that is trained first."""

import dataclasses
import json

import pytest
from click.testing import CliRunner
from filelock import FileLock
from workers_here import Here

from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.studies import runner
from selfplay.studies.catalogue import find_study
from selfplay.studies.declared.preferences import STUDY
from selfplay.studies.plan import Task, check_folder, expected_config, finished, quick, tasks, with_beginnings
from selfplay.studies.process import request
from selfplay.studies.records import registration
from selfplay.studies.reductions import Last
from selfplay.studies.study import Arm, Measure, Run, Study
from selfplay.studies.waiting import Waiting
from selfplay.studies.worker import train

SMALL = {"num_envs": "16", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "128"}
BEGUN = Run("ppo", "grid/Empty-5x5-v0", 512, SMALL)


def tuned(begins, **changes):
    return Run("finetune", BEGUN.env, 768, SMALL | {"ppo.learning_rate": "0"} | changes, begins)


def study(*arms, **options):
    return Study("tiny", "Does it run?", arms, (Measure("success", "eval/success", Last()),), **options)


def test_an_arm_goes_on_from_a_run_that_is_trained_first(tmp_path):
    first = Task(Arm("begun", BEGUN), 3, tmp_path / "begun")
    task = Task(Arm("tuned", tuned(BEGUN)), 3, tmp_path / "tuned" / "s3", first)
    for each in (first, task):
        assert not finished(each)
        assert train(json.loads(json.dumps(request(each, 1, 1e9)))) == {"done": True}
        assert finished(each)
    config = json.loads((task.folder / "config.json").read_text())["config"]
    assert [(parent["run"], parent["step"]) for parent in config["parents"]] == [("begun", 512)]
    check_folder(task, expected_config(task.arm, 3), 1)
    with pytest.raises(UserError, match=r"ppo\.learning_rate"):
        check_folder(task, expected_config(Arm("tuned", dataclasses.replace(task.arm.run, overrides=SMALL)), 3))


def test_equal_beginnings_are_one_run(tmp_path):
    """Also of two arms, and of the seeds that are nested; an arm's run that another begins with stays where it is."""
    other = dataclasses.replace(BEGUN, steps=1024)
    declared = study(
        Arm("a", tuned(BEGUN)), Arm("b", tuned(BEGUN, **{"ppo.clip": "0.1"})), Arm("c", tuned(other)),
        Arm("after", tuned(tuned(BEGUN))), seeds=4, nested=2,
    )  # fmt: skip
    found = {task.name: task for task in tasks(declared, tmp_path)}
    begun = {name: task.begins for name, task in found.items()}
    assert begun["a/s0"] == begun["a/s1"] == begun["b/s0"] == begun["b/s1"]
    assert begun["a/s2"] == begun["b/s3"] != begun["a/s0"]
    assert begun["c/s0"] not in (begun["a/s0"], None)
    assert [begun[f"a/s{seed}"].seed for seed in range(4)] == [0, 0, 1, 1]
    assert begun["after/s3"] == found["a/s3"]
    everything = with_beginnings(found.values())
    assert len(everything) == 16 + 2 * 2
    places = [task.folder for task in everything]
    assert len(set(places)) == len(places)
    assert all(places.index(task.begins.folder) < places.index(task.folder) for task in everything if task.begins)
    (found["a/s0"].folder / "checkpoints" / "step_000000768").mkdir(parents=True)
    assert with_beginnings([found["a/s0"]]) == [found["a/s0"]]  # what is finished needs nothing any more
    assert with_beginnings([found["after/s1"]]) == [begun["a/s1"], found["a/s1"], found["after/s1"]]


def test_a_beginning_of_its_own_is_kept_to(tmp_path):
    """As studies had them that were begun before runs could share them."""
    declared = study(Arm("a", tuned(BEGUN)), seeds=2)
    (tmp_path / "a" / "s1-begins").mkdir(parents=True)
    shared, own = (task.begins.folder for task in tasks(declared, tmp_path))
    assert own == tmp_path / "a" / "s1-begins"
    assert shared.parent.parent == tmp_path / "begins"


def test_who_waits_for_a_run_begins_when_it_is_finished(tmp_path):
    first = Task(Arm("first", BEGUN), 0, tmp_path / "first")
    second = Task(Arm("second", tuned(BEGUN)), 0, tmp_path / "second", first)
    third = Task(Arm("third", tuned(tuned(BEGUN))), 0, tmp_path / "third", second)
    free = Task(Arm("free", BEGUN), 1, tmp_path / "free")
    waiting = Waiting([first, second, third, free])
    assert waiting.take() is first
    assert (waiting.take(), waiting.take()) == (free, None)
    waiting.again(first)
    assert waiting.take() is first
    (first.folder / "checkpoints" / "step_000000512").mkdir(parents=True)
    assert waiting.take() is None  # it may still be writing, whatever is there
    waiting.over(first, well=True)
    assert waiting.take() is second
    assert waiting.stranded() == []
    waiting.over(second, well=False)
    assert [(task, why) for task, why in waiting.stranded()] == [
        (third, "second/s0, which it begins with, is not finished")
    ]
    assert len(waiting) == 0


SHARED = f"""
from selfplay.studies.reductions import Last
from selfplay.studies.study import Arm, Measure, Run, Study
S = {SMALL!r}
def begun(steps): return Run("ppo", "{BEGUN.env}", steps, S)
def arm(name, first): return Arm(name, Run("finetune", "{BEGUN.env}", 256, S, first))
STUDY = Study("tiny", "Does it run?", (arm("a", begun(256)), arm("b", begun(512)), arm("c", begun(256))),
              (Measure("success", "eval/success", Last()),), seeds=1)
"""


def run(path, folder, *options):
    return CliRunner().invoke(main, ["study", str(path), "--dir", str(folder), *options])


def test_shared_beginnings_run_fail_and_are_taken_up(tmp_path, monkeypatch):
    """What begins with a run that failed fails by name, the rest is there, and the same command mends it."""
    path, folder = tmp_path / "tiny.py", tmp_path / "here"
    path.write_text(SHARED)
    monkeypatch.setattr(runner, "Worker", Here)
    lost, kept = (task.begins for task in tasks(find_study(str(path)), folder)[:2])
    lost.folder.mkdir(parents=True)
    with FileLock(lost.folder / "lock"):
        done = run(path, folder, "--jobs", "1")
    assert done.exit_code == 1
    assert f"3 of 5 runs failed: {lost.name}, a/s0, c/s0" in done.stderr
    assert f"a/s0 failed: {lost.name}, which it begins with, is not finished" in done.stderr
    assert finished(kept)
    again = run(path, folder, "--jobs", "1")
    assert again.exit_code == 0, again.output
    assert "1/4 runs were finished before" in again.stderr
    parents = [json.loads((folder / arm / "s0" / "config.json").read_text())["config"]["parents"] for arm in "abc"]
    assert parents[0] == parents[2] != parents[1]
    assert [parent[0]["step"] for parent in parents] == [256, 512, 256]


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--jobs", "2"), ("--ray", "local", "--jobs", "2")], ids=["processes", "ray"])
def test_side_by_side_gives_the_same(options, tmp_path, monkeypatch):
    """Two of three runs wait for one beginning, and go on when it is there."""
    if "--ray" in options:
        pytest.importorskip("ray")
    path = tmp_path / "tiny.py"
    path.write_text(SHARED)
    assert run(path, tmp_path / "two", *options).exit_code == 0
    monkeypatch.setattr(runner, "Worker", Here)
    assert run(path, tmp_path / "one", "--jobs", "1").exit_code == 0
    one, two = (sorted((tmp_path / name).rglob("metrics.jsonl")) for name in ("one", "two"))
    assert len(one) == len(two) == 5
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_only_a_fine_tuned_run_begins_with_another():
    with pytest.raises(ValueError, match="expected a run with finetune"):
        dataclasses.replace(BEGUN, method="finetune")
    with pytest.raises(ValueError, match="expected a run with finetune"):
        dataclasses.replace(BEGUN, begins=BEGUN)


def test_what_a_run_begins_with_is_registered_and_shortened():
    arm = "DoorKey-6x6.uniform-700"
    assert registration(STUDY)["arms"][arm]["begins"]["steps"] == 230_000
    assert quick(STUDY).arm(arm).run.begins.steps == STUDY.quick_steps
