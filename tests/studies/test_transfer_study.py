"""The studies of transfer: that what they compare can be compared, and that their small version runs through."""

import json

import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.studies.declared import transfer, transfer_bonuses
from selfplay.studies.declared.coverage import BONUSES
from selfplay.studies.declared.transfer_runs import ACTOR, FAMILIES, RANDOM, SCRATCH, TOTAL
from selfplay.studies.plan import expected_config, tasks
from selfplay.studies.study import Run


def runs_of(study):
    """Each arm's run and all that come before it."""
    for arm in study.arms:
        chain = [arm.run]
        while chain[-1].begins is not None:
            chain.append(chain[-1].begins)
        yield arm, chain


@pytest.mark.parametrize("study", [transfer.STUDY, transfer_bonuses.STUDY], ids=["transfer", "bonuses"])
def test_pretraining_sees_neither_a_task_nor_its_reward(study):
    for arm, chain in runs_of(study):
        first: Run = chain[-1]
        if first.method in ("ppo", "random"):
            continue
        family = FAMILIES[arm.name.partition(".")[0]]
        assert first.env == family.env(family.pretrained_on)
        assert family.pretrained_on not in family.tasks
        settings = expected_config(type(arm)("first", first), 0)["settings"]
        if first.method == "alice-bob":
            assert settings["game"]["target_share"] == 0
        else:
            assert settings["rewards"] == [f"{first.method}=1"]


def test_every_comparator_is_there_on_at_least_four_tasks_of_either_family():
    declared = transfer.STUDY
    assert (declared.seeds, declared.nested) == (20, 2)
    for name, family in declared.transfer.families.items():
        assert len(family.tasks) >= 4
        assert {SCRATCH, TOTAL, RANDOM, "alice-bob", "alice-bob+critic", "rnd"} <= family.methods.keys()
        assert set(BONUSES) | {SCRATCH, TOTAL, RANDOM} <= transfer_bonuses.STUDY.transfer.families[name].methods.keys()
        for method, group in family.methods.items():
            runs = [declared.arm(arm).run for arm in declared.groups[group]]
            assert [run.env for run in runs] == [FAMILIES[name].env(task) for task in family.tasks]
            worlds = FAMILIES[name]
            assert {run.steps for run in runs} == {worlds.steps + (worlds.before if method == TOTAL else 0)}


def test_arms_differ_in_where_they_begin_and_in_nothing_else():
    """The settings of PPO, of what is seen and of evaluations are those of learning from scratch."""
    for name, family in transfer.STUDY.transfer.families.items():
        told = {}
        for method in family.methods:
            settings = expected_config(transfer.STUDY.arm(f"{name}.{method}.{family.tasks[0]}"), 0)["settings"]
            own = ("keep", "freeze", "leash")
            told[method] = {key: value for key, value in settings.items() if key not in own}
            told[method]["ppo"] = {k: v for k, v in settings["ppo"].items() if k != "log_std"}  # Bob's, if taken over
        assert all(each == told[SCRATCH] for each in told.values())
        random = expected_config(transfer.STUDY.arm(f"{name}.{RANDOM}.{family.tasks[0]}"), 0)["settings"]
        assert (random["keep"], random["freeze"]) == (["encoder"], ["encoder"])


def test_one_policy_serves_all_tasks_and_two_runs_on_each(tmp_path):
    found = tasks(transfer.STUDY, tmp_path, 4, "grid.rnd.*")
    begun = {task.begins.folder for task in found if ".after-" not in task.name}
    assert len(begun) == 2  # of seeds 0 and 1, 2 and 3; the probe before, too
    probed = [task for task in found if ".after-" in task.name]
    assert {task.begins.name for task in probed} <= {task.name for task in found}
    assert {task.begins.begins.folder for task in probed} == begun


@pytest.mark.slow
def test_the_small_version_runs_through(tmp_path):
    """The grid's scratch and NovelD; twice, and the second time there is nothing left to do."""
    line = ["study", "transfer", "--quick", "--arms", "grid.[sn]*", "--jobs", "1", "--dir", str(tmp_path / "runs")]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "runs" / "README.md").read_text()
    assert text.index("## What did not beat learning from scratch") < text.index("## Claims")
    assert "| noveld | coverage where it was pretrained |" in text
    assert (tmp_path / "runs" / "profiles-grid.png").exists()
    found = json.loads((tmp_path / "runs" / "results.json").read_text())
    assert {"noveld", "noveld+frozen"} <= found["transfer"]["against_scratch"]["grid"].keys()
    assert len(list((tmp_path / "runs" / "begins").glob("noveld.*/s*"))) == 1
    again = CliRunner().invoke(main, line)
    assert again.stderr.startswith("19/19 runs were finished before")


def test_in_grids_a_bonus_leaves_no_critic_to_take_over(tmp_path):
    """Its one layer of its own is the head for another reward: why `transfer-bonuses` has no such rows there."""
    small = {"segments": "view,direction", "num_envs": 32, "rollout_steps": 32}
    common = ["--steps", "4096", *(word for key, value in small.items() for word in ("--set", f"{key}={value}"))]
    first = ["train", "rnd", "--env", "grid/DoorKey-6x6-v0", "--reward", "rnd=1", "--set", "eval_episodes=0"]
    assert CliRunner().invoke(main, [*first, *common, "--run-dir", str(tmp_path / "rnd")]).exit_code == 0
    found = []
    for keep in (ACTOR, f"{ACTOR},critic"):
        run = tmp_path / keep
        line = ["finetune", str(tmp_path / "rnd"), "--env", "grid/Unlock-v0", "--keep", keep, "--run-dir", str(run)]
        assert CliRunner().invoke(main, [*line, *common]).exit_code == 0
        found.append((run / "metrics.jsonl").read_bytes())
    assert found[0] == found[1]
