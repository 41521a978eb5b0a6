"""Running a study: the same numbers at any --jobs, resuming, kills, failures, stops, reports of what is there."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock
from workers_here import Here

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.studies import runner
from selfplay.studies.catalogue import STUDIES, find_study
from selfplay.studies.plan import Task, tasks
from selfplay.studies.process import Worker
from selfplay.studies.runner import run_tasks
from selfplay.studies.study import Arm, Run

ROOT = Path(__file__).resolve().parents[2]
DECLARED = """
from selfplay.studies.reductions import FirstStep, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
SETTINGS = {"num_envs": "16", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "256"}
def arm(name, rate):
    run = Run("ppo", "grid/Empty-5x5-v0", 2048, {**SETTINGS, "ppo.learning_rate": rate})
    return Arm(name, run, {"rate": name})
STUDY = Study(
    "tiny", "Does it run?", (arm("slow", "1e-4"), arm("fast", "1e-3")),
    (Measure("success", "eval/success", LateMean(0.5)),
     Measure("steps", "eval/success", FirstStep(1.1), better="down")),
    (Claim("fast is better", "success", "fast", "slow", "difference", "> 0"),), ("eval/success",),
    seeds=2, quick_seeds=1, quick_steps=512,
)
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(DECLARED)
    return path


def study(*arguments):
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


def metrics(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("metrics.jsonl"))}


def test_any_number_of_jobs_gives_the_same_and_failures_leave_the_others_alone(tiny, tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setattr(runner, "Worker", Here)
    (one / "fast" / "s0").mkdir(parents=True)
    with FileLock(one / "fast" / "s0" / "lock"):
        done = study(tiny, "--jobs", 1, "--dir", one)
    assert done.exit_code == 1
    assert "error: 1 of 4 runs failed: fast/s0" in done.stderr
    assert "2/4 fast/s0 failed: run folder" in done.stderr
    assert "- Partial: 1 of 4 runs are missing." in done.stdout
    assert re.search(r"- Failed: fast/s0: run folder '.*' is in use", done.stdout)
    assert set(metrics(one)) == {"slow/s0/metrics.jsonl", "slow/s1/metrics.jsonl", "fast/s1/metrics.jsonl"}

    before = (one / "slow/s0/metrics.jsonl").stat().st_mtime_ns
    again = study(tiny, "--jobs", 1, "--dir", one)
    assert again.exit_code == 0, again.output
    assert "3/4 runs were finished before" in again.stderr
    assert "Failed" not in again.stdout
    assert (one / "slow/s0/metrics.jsonl").stat().st_mtime_ns == before

    monkeypatch.setattr(runner, "Worker", Worker)
    assert study(tiny, "--jobs", 2, "--dir", two).exit_code == 0
    assert metrics(one) == metrics(two)
    assert len(metrics(one)) == 4

    result = json.loads((two / "results.json").read_text())
    last = [json.loads(line)["eval/success"] for line in metrics(two)["fast/s1/metrics.jsonl"].splitlines()
            if b"eval/success" in line and json.loads(line)["step"] >= 1024]  # fmt: skip
    assert result["values"]["success"]["fast"]["s1"]["low"] == pytest.approx(sum(last) / len(last))
    assert result["values"]["steps"]["slow"]["s0"] == {"low": 2048, "high": None, "censored": True}
    assert result["configuration"]["fast"]["settings"]["ppo"]["learning_rate"] == 1e-3
    assert result["verdicts"][0]["verdict"] == "undecided"  # two seeds decide nothing
    assert (two / "figure.png").stat().st_size > 5000
    assert (two / "curves.png").stat().st_size > 5000

    wrong = study(tiny, "--dir", two, "--threads", 2)
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    assert "was started with threads = 1, the study has 2" in wrong.stderr
    tiny.write_text(DECLARED.replace("1e-3", "2e-3").replace('"> 0"', '"< 0"'))
    other = study(tiny, "--dir", two)
    assert other.exit_code == 2
    assert re.search(r"fast.s0' was started with settings.ppo.learning_rate = 0.001, the study has 0.002", other.stderr)
    tiny.write_text(DECLARED.replace('"> 0"', '"< 0"').replace("LateMean(0.5)", "LateMean(0.4)"))
    moved = study(tiny, "--dir", two, "--seeds", 3, "--report-only")
    assert moved.exit_code == 0, moved.output
    assert "- Partial: 2 of 6 runs are missing." in moved.stdout
    for what in ("measures", "claims"):
        assert f"- Not as registered: {what} changed after the first run" in moved.stdout


def longer(folder, steps=100_000):
    settings = {"num_envs": "64", "eval_episodes": "8"}
    arm = Arm("long", Run("ppo", "grid/Empty-5x5-v0", steps, settings))
    return Task(arm, 0, folder / "long/s0")


def wait_for_checkpoint(task):
    deadline = time.monotonic() + 60
    while not checkpoint.list_steps(task.folder / "checkpoints"):
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_its_run_goes_on(tmp_path, monkeypatch):
    started = []

    class Watched(Worker):
        def __init__(self):
            super().__init__()
            started.append(self)

    monkeypatch.setattr(runner, "Worker", Watched)
    broken, whole = longer(tmp_path / "broken"), longer(tmp_path / "whole")
    reports = []

    def kill():
        wait_for_checkpoint(broken)
        started[0]._process.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    code = run_tasks([broken, whole], jobs=1, checkpoint_seconds=0.1, report=lambda *over: reports.append(over))
    thread.join()
    assert (code, reports) == (0, [(broken, None), (whole, None)])
    assert len(started) == 2
    assert (broken.folder / "metrics.jsonl").read_bytes() == (whole.folder / "metrics.jsonl").read_bytes()


def test_a_worker_that_is_always_killed_is_a_failure(tmp_path, monkeypatch):
    class Doomed(Worker):
        def give(self, task, threads, checkpoint_seconds):
            self._process.kill()
            super().give(task, threads, checkpoint_seconds)

    monkeypatch.setattr(runner, "Worker", Doomed)
    reports = []
    task = longer(tmp_path)
    assert run_tasks([task], jobs=2, report=lambda *over: reports.append(over)) == 0
    assert reports == [(task, "its process was killed by SIGKILL (2 times)")]


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_stopping_leaves_a_checkpoint_and_no_process(signum, tiny, tmp_path):
    tiny.write_text(DECLARED.replace("2048", "3_000_000"))
    folder = tmp_path / "runs"
    command = [sys.executable, "-m", "selfplay", "study", str(tiny), "--jobs", "1", "--dir", str(folder),
               "--checkpoint-every", "600"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    run = folder / "slow" / "s0"
    deadline = time.monotonic() + 60
    while not (run / "timings.jsonl").exists() or not (run / "timings.jsonl").stat().st_size:
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.05)
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        assert "stopped; the same command goes on" in said
    with FileLock(run / "lock", timeout=30):  # held by the worker as long as it lives
        (step,) = checkpoint.list_steps(run / "checkpoints")
    assert 0 < step < 3_000_000


def test_runs_are_balanced_over_arms(tmp_path):
    planned = tasks(find_study("entropy-bonus"), tmp_path, seeds=2)
    assert [task.name for task in planned] == [
        "none/s0", "default/s0", "large/s0", "none/s1", "default/s1", "large/s1",
    ]  # fmt: skip
    assert [task.name for task in tasks(find_study("entropy-bonus"), tmp_path, 1, "*e")] == ["none/s0", "large/s0"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_listed_study_fits_what_there_is(name):
    assert find_study(name).name == name
    done = study(name, "--dry-run")
    assert done.exit_code == 0, done.output
    assert len(re.findall(r"^run .*: to do$", done.stdout, re.MULTILINE)) >= 2
    assert name in study().stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["entropy-bonsu"], "error: unknown study 'entropy-bonsu'; did you mean 'entropy-bonus'?"),
        (["nowhere.py"], "error: there is no file 'nowhere.py' (expected a study, docs/studies.md)"),
        (["entropy-bonus", "--arms", "nune"], "error: --arms: unknown arm 'nune'; did you mean 'none'?"),
        (["entropy-bonus", "--dir", "nothing", "--report-only"],
         "error: no finished run of study 'entropy-bonus' in 'nothing'"),
        (["entropy-bonus", "--jbos", "2"], "error: unknown option '--jbos'; did you mean '--jobs'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = study(*arguments)
    assert (done.exit_code, done.stderr) == (2, said + "\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Empty-5x5", "Emty-5x5", "arm slow: unknown level 'grid/Emty-5x5-v0'"),
        ("num_envs", "num_env", "arm slow: --set: unknown key 'num_env'; did you mean 'num_envs'?"),
        ('"fast", "slow", "diff', '"fst", "slow", "diff', "unknown arm 'fst'; did you mean 'fast'?"),
        ("STUDY =", "STUDIO =", "declares no study"),
    ],
)
def test_mistakes_in_a_file_are_one_line_before_anything_runs(old, new, said, tiny, tmp_path):
    tiny.write_text(DECLARED.replace(old, new))
    done = study(tiny, "--dir", tmp_path / "runs")
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_the_example_in_the_manual_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "Worker", Here)
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs/studies.md").read_text(), re.DOTALL)[1]
    (tmp_path / "minibatch.py").write_text(example)
    done = study(tmp_path / "minibatch.py", "--quick", "--jobs", 1, "--dir", tmp_path / "runs")
    assert done.exit_code == 0, done.output
    assert "# minibatch-quick" in (tmp_path / "runs/README.md").read_text()
