"""Run folders: the lock, the record that a rerun is held against, and logs cut back to their checkpoint."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selfplay.config import unwritten
from selfplay.errors import UserError, nearest, unknown
from selfplay.jsonfile import JsonLines, plain, read_lines, write_json
from selfplay.rundir import RunDir, default_run_dir, find_run, read_record
from selfplay.runlog import RunLog
from selfplay.stages.finetune_settings import GridFinetuneConfig

CONFIG = {"method": "ppo", "steps": 100, "settings": {"ppo": {"clip": 0.2, "hidden": (64, 64)}}}


def changed(**settings):
    return {**CONFIG, "settings": {"ppo": {**CONFIG["settings"]["ppo"], **settings}}}


def test_default_folder():
    assert default_run_dir("alice-bob", "grid/DoorKey-6x6-v0", 3) == Path("runs/alice-bob-DoorKey-6x6-s3")
    assert default_run_dir("ppo", "MultiRoom-N4-S5-v1", 0) == Path("runs/ppo-MultiRoom-N4-S5-s0")


def test_record_holds_everything_and_a_rerun_keeps_it(tmp_path):
    with RunDir(tmp_path / "a/b") as run:
        assert run.record() is None
        assert run.start(CONFIG, threads=2) is False
    record = read_record(tmp_path / "a/b")
    assert record["config"] == json.loads(json.dumps(CONFIG))
    assert record["threads"] == 2
    assert {"selfplay", "python", "torch", "numba", "numpy", "gymnasium", "minigrid"} <= set(record["versions"])
    assert record["commit"] is None or len(record["commit"].rstrip("+")) == 40
    assert record["command"]
    assert record["started"].endswith("+00:00")
    before = (tmp_path / "a/b/config.json").read_bytes()
    with RunDir(tmp_path / "a/b") as run:
        assert run.start(CONFIG, threads=2) is True
    assert (tmp_path / "a/b/config.json").read_bytes() == before


def test_steps_may_grow(tmp_path):
    with RunDir(tmp_path) as run:
        run.start(CONFIG, threads=2)
        run.start({**CONFIG, "steps": 200}, threads=2)
        assert run.record()["config"]["steps"] == 200
        run.start({**CONFIG, "steps": 200}, threads=1, may_change=("threads",))
        assert run.record()["threads"] == 1


@pytest.mark.parametrize(
    ("config", "threads", "message"),
    [
        (changed(clip=0.3), 2, "was started with settings.ppo.clip = 0.2, not 0.3; give"),
        (changed(hidden=(64,)), 2, r"was started with settings.ppo.hidden = \[64, 64\], not \[64\]; give"),
        (changed(extra=1), 2, "was started with settings.ppo.extra = not there, not 1; give"),
        ({"method": "ppo", "steps": 100}, 2, "was started with settings.ppo.clip = 0.2, not not there; give"),
        (CONFIG, 3, "was started with threads = 2, not 3; give"),
    ],
)
def test_a_different_run_is_refused(tmp_path, config, threads, message):
    with RunDir(tmp_path) as run:
        run.start(CONFIG, threads=2)
        with pytest.raises(UserError, match=message):
            run.start(config, threads=threads)
        assert run.record()["config"]["settings"]["ppo"]["clip"] == 0.2


def test_a_setting_that_is_new_and_unset_takes_an_older_run_up(tmp_path):
    with RunDir(tmp_path) as run:
        run.start(CONFIG, threads=2)
        assert run.start(changed(extra=None), threads=2)


def test_what_is_not_written_is_its_default(tmp_path):
    """What a dump leaves out where it is its default: with another value of it it is another run."""
    frozen = {**CONFIG, "settings": {**CONFIG["settings"], "freeze": ["encoder"]}}
    with RunDir(tmp_path) as run:
        run.start(frozen, threads=2)
        with pytest.raises(UserError, match=r"was started with settings.freeze = \['encoder'\], not \[\]; give"):
            run.start(CONFIG, threads=2, defaults={"settings.freeze": []})
        assert run.start(frozen, threads=2, defaults={"settings.freeze": []})
    assert unwritten(GridFinetuneConfig, "settings.") == {"settings.freeze": []}


def test_other_versions_give_a_warning(tmp_path, capsys):
    with RunDir(tmp_path) as run:
        run.start(CONFIG, threads=2)
        record = run.record()
        record["versions"]["numba"] = "0.1"
        write_json(tmp_path / "config.json", record)
        assert not capsys.readouterr().err
        assert run.start(CONFIG, threads=2)
    assert f"warning: '{tmp_path}' was started with numba 0.1, this is" in capsys.readouterr().err


def test_folder_in_use(tmp_path):
    code = "import sys, pathlib; from selfplay.rundir import RunDir; held = RunDir(pathlib.Path(sys.argv[1]))"
    code += "; print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="is in use by another process; wait for it or choose another --run-dir"):
            RunDir(tmp_path)
        with pytest.raises(UserError, match="is in use by another process"):
            RunDir(tmp_path)  # asking did no harm to the lock
    finally:
        holder.kill()
        holder.communicate()
    with RunDir(tmp_path), pytest.raises(UserError, match="is in use"):  # a killed process holds nothing
        RunDir(tmp_path)
    RunDir(tmp_path).close()


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be made"):
        RunDir(tmp_path / "file/run")
    (tmp_path / "good-run").mkdir()
    write_json(tmp_path / "good-run/config.json", {"config": {}})
    with pytest.raises(UserError, match=r"no run in '.*'; did you mean '.*good-run'"):
        find_run(tmp_path / "god-run")
    assert find_run(tmp_path / "good-run") == tmp_path / "good-run"
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json cannot be read"):
        read_record(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UserError, match=r"is not the record of a run"):
        read_record(tmp_path)


def test_a_record_without_threads_is_one_line(tmp_path):
    write_json(tmp_path / "config.json", {"config": {}})
    with pytest.raises(UserError, match=r"is not the record of a run \(expected a whole number as 'threads'\)"):
        read_record(tmp_path)


def test_a_refused_run_leaves_nothing_behind(tmp_path):
    with RunDir(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    RunDir(tmp_path / "old").close()
    assert (tmp_path / "old").is_dir()  # somebody else made it
    with RunDir(tmp_path / "run") as folder:
        folder.start({"seed": 1}, threads=1)
    assert (tmp_path / "run/config.json").is_file()


def test_lines_are_cut_back_to_the_offset(tmp_path):
    path = tmp_path / "x.jsonl"
    lines = JsonLines(path)
    lines.write({"a": 1}, {"a": np.float32(0.5)})
    offset = lines.sync()
    assert offset == path.stat().st_size == len('{"a": 1}\n{"a": 0.5}\n')
    lines.write({"a": float("nan")})
    lines.close()
    assert [line["a"] for line in read_lines(path)] == [1, 0.5, None]
    path.write_bytes(path.read_bytes() + b'{"a": 1')
    assert len(read_lines(path)) == 3
    lines = JsonLines(path, offset)
    lines.write({"b": [np.int64(3), np.arange(2), (True,)]})
    lines.close()
    assert read_lines(path) == [{"a": 1}, {"a": 0.5}, {"b": [3, [0, 1], [True]]}]
    with pytest.raises(UserError, match=r"x.jsonl has \d+ bytes but its checkpoint was written at byte 9999"):
        JsonLines(path, 9999)
    assert read_lines(tmp_path / "none.jsonl") == []


def test_logs_of_a_run(tmp_path):
    log = RunLog(tmp_path)
    log.metrics(10, {"train/loss": np.float32(0.5), "train/nan": float("nan")})
    log.timings(10, {"steps_per_second": 100.0})
    log.proposals([{"step": 10, "goal": np.array([1, 2])}, {"step": 10, "goal": [3, 4]}])
    offsets = log.offsets()
    log.metrics(20, {"train/loss": 9.0})
    log.close()
    log = RunLog(tmp_path, offsets, step=10)
    log.metrics(20, {"train/loss": 0.25})
    log.close()
    assert read_lines(tmp_path / "metrics.jsonl") == [
        {"step": 10, "train/loss": 0.5, "train/nan": None},
        {"step": 20, "train/loss": 0.25},
    ]
    assert read_lines(tmp_path / "timings.jsonl") == [{"step": 10, "steps_per_second": 100.0}]
    assert [line["goal"] for line in read_lines(tmp_path / "proposals.jsonl")] == [[1, 2], [3, 4]]
    RunLog(tmp_path).close()  # without a checkpoint everything begins anew
    assert not (tmp_path / "metrics.jsonl").read_bytes()


def test_plain_and_atomic_json(tmp_path):
    assert plain({1: float("inf"), "p": tmp_path, "b": np.bool_(True)}) == {"1": None, "p": str(tmp_path), "b": True}
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_nearest():
    assert nearest("DOORKEY", ["doorkey-8", "empty"]) == "doorkey-8"
    assert nearest("qqq", ["doorkey-8", "empty"]) is None
    assert unknown("pet", "cta", ["cat", "dog"]) == "unknown pet 'cta'; did you mean 'cat'?"
    assert unknown("pet", "zzz", ["cat", "dog"]) == "unknown pet 'zzz'; expected one of cat, dog"
