"""Studies on a Ray cluster. Slow: a cluster takes its time to come up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.studies import ray_runner

ROOT = Path(__file__).resolve().parents[2]
DECLARED = """
from selfplay.studies.reductions import LateMean
from selfplay.studies.study import Arm, Measure, Run, Study
SETTINGS = {"num_envs": "32", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "64"}
def arm(name, rate):
    return Arm(name, Run("ppo", "grid/Empty-5x5-v0", 60_000, {**SETTINGS, "ppo.learning_rate": rate}), {})
STUDY = Study("tiny", "Does it run?", (arm("slow", "1e-4"), arm("fast", "1e-3")),
              (Measure("success", "eval/success", LateMean(0.5)),), (), seeds=2)
"""


def test_without_ray_it_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    found = CliRunner().invoke(main, ["study", "coverage", "--quick", "--ray"])
    assert found.exit_code == 2
    assert "--ray needs the package ray" in found.output
    assert found.output.count("\n") == 1


def test_jobs_belong_to_a_cluster_of_this_machine(monkeypatch):
    monkeypatch.setattr(ray_runner, "_import_ray", lambda address: None)
    found = CliRunner().invoke(main, ["study", "coverage", "--quick", "--ray", "10.0.0.1:6379", "--jobs", "3"])
    assert found.exit_code == 2
    assert "--jobs 3 has no use with --ray 10.0.0.1:6379" in found.output


@pytest.mark.slow
def test_a_lost_node_changes_nothing(tmp_path):
    pytest.importorskip("ray")
    declared = tmp_path / "tiny.py"
    declared.write_text(DECLARED)
    told = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("two_nodes.py")
    broken = subprocess.run(
        [sys.executable, str(script), str(declared), str(tmp_path / "ray")],
        env=told, capture_output=True, text=True, timeout=500, cwd=tmp_path,
    )  # fmt: skip
    assert broken.returncode == 0, broken.stdout + broken.stderr
    assert "killed one of two nodes" in broken.stdout
    alone = CliRunner().invoke(main, ["study", str(declared), "--jobs", "1", "--dir", str(tmp_path / "alone")])
    assert alone.exit_code == 0, alone.output
    for run in ("slow/s0", "slow/s1", "fast/s0", "fast/s1"):
        ours, theirs = tmp_path / "ray" / run, tmp_path / "alone" / run
        assert (ours / "metrics.jsonl").read_bytes() == (theirs / "metrics.jsonl").read_bytes()
        one, other = (checkpoint.load_latest(folder / "checkpoints") for folder in (ours, theirs))
        assert one.step == other.step >= 60_000
        assert one.tensors.keys() == other.tensors.keys()
        assert all((one.tensors[name] == other.tensors[name]).all() for name in one.tensors)
    values = [json.loads((tmp_path / name / "results.json").read_text())["values"] for name in ("ray", "alone")]
    assert values[0] == values[1]


SHARED = """
from selfplay.studies.reductions import Last
from selfplay.studies.study import Arm, Measure, Run, Study
SETTINGS = {"num_envs": "16", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "128"}
BEGUN = Run("ppo", "grid/Empty-5x5-v0", 4_096, SETTINGS)
def arm(name, rate):
    return Arm(name, Run("finetune", BEGUN.env, 2_048, {**SETTINGS, "ppo.learning_rate": rate}, BEGUN), {})
STUDY = Study("shared", "Does it go on?", (arm("slow", "1e-4"), arm("fast", "1e-3")),
              (Measure("success", "eval/success", Last()),), (), seeds=2)
"""


@pytest.mark.slow
def test_what_two_arms_begin_with_is_trained_once_and_first(tmp_path):
    pytest.importorskip("ray")
    declared = tmp_path / "shared.py"
    declared.write_text(SHARED)
    for name, words in (("ray", ["--ray", "local", "--jobs", "2"]), ("alone", ["--jobs", "1"])):
        told = [sys.executable, "-m", "selfplay", "study", str(declared), *words, "--dir", str(tmp_path / name)]
        done = subprocess.run(
            told, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=500, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
    begun = {name: sorted((tmp_path / name / "begins").rglob("metrics.jsonl")) for name in ("ray", "alone")}
    assert len(begun["ray"]) == len(begun["alone"]) == 2  # one for each seed, not for each arm
    found = {name: sorted((tmp_path / name).rglob("metrics.jsonl")) for name in begun}
    assert len(found["ray"]) == 6
    for one, other in zip(found["ray"], found["alone"], strict=True):
        assert one.relative_to(tmp_path / "ray") == other.relative_to(tmp_path / "alone")
        assert one.read_bytes() == other.read_bytes()
    values = [json.loads((tmp_path / name / "results.json").read_text())["values"] for name in found]
    assert values[0] == values[1]
