"""Studies made in parts: merging and exporting, what does not belong together, and damaged files."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.studies.archive import read_archive
from selfplay.studies.plan import tasks
from selfplay.studies.records import Session, read_sessions

DECLARED = """
from selfplay.studies.reductions import Above, FirstStep, Last
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)
STUDY = Study(
    "tiny", "Does it add up?", (Arm("a", RUN), Arm("b", RUN)),
    (Measure("success", "eval/success", Last()), Measure("solved", "eval/success", Above(0.5)),
     Measure("steps", "eval/success", FirstStep(0.9), arms=("a",))),
    (Claim("a is better", "success", "a", "b", "difference", ">= 0.4"),
     Claim("a solves more often", "solved", "a", "b", "difference", "> 0")), ("eval/success",),
    seeds=6, quick_seeds=1, quick_steps=500,
)
"""
HIGH = {f"a/s{k}": [0.1, 0.9 if k < 2 else 0.8] for k in range(6)}
LOW = {f"b/s{k}": [0.1, 0.2] for k in range(6)}
ALL = {**HIGH, **LOW}


def some(*seeds):
    return {name: values for name, values in ALL.items() if int(name[-1]) in seeds}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(option, …): `selfplay study tiny.py` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(DECLARED)
    return lambda *arguments: CliRunner().invoke(main, ["study", "tiny.py", *arguments])


@pytest.fixture
def declared(run, tmp_path):
    namespace = {}
    exec(DECLARED, namespace)
    return namespace["STUDY"]


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def found(folder):
    result = json.loads((folder / "results.json").read_text())
    return {key: result[key] for key in ("values", "averages", "verdicts", "missing", "seconds_of_training")}


def test_parts_together_are_the_whole(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "whole", ALL)
    fake(declared, tmp_path / "p0", some(0, 1, 2))
    fake(declared, tmp_path / "p1", some(3, 4, 5))
    assert run("--dir", "whole", "--report-only").exit_code == 0
    part = run("--dir", "p0", "--report-only")
    assert "- Partial: 6 of 12 runs are missing." in part.stdout
    assert {verdict["verdict"] for verdict in found(tmp_path / "p0")["verdicts"]} == {"provisional"}
    before = everything(tmp_path / "p1")
    merged = run("--merge", "p0", "--merge", "p1", "--dir", "both")
    assert merged.exit_code == 0, merged.output
    assert found(tmp_path / "both") == found(tmp_path / "whole")
    assert everything(tmp_path / "p1") == before
    first, second = found(tmp_path / "both")["verdicts"]  # 0.8 is the middle of .9 .9 .8 .8 .8 .8 … less .2
    assert (first["verdict"], second["verdict"]) == ("as predicted", "as predicted")
    assert second["found"]["low"] == 1
    assert run("--merge", "p1", "--merge", "p0", "--dir", "both").exit_code == 0  # a report may be written anew
    assert found(tmp_path / "both") == found(tmp_path / "whole")


def test_an_export_says_what_the_runs_said(run, fake, declared, tmp_path):
    curves = {**ALL, "a/s0": [round(0.123456 + k / 1000, 6) for k in range(200)]}
    fake(declared, tmp_path / "whole", curves)
    assert run("--dir", "whole", "--report-only").exit_code == 0
    exported = run("--dir", "whole", "--export", "small")
    assert exported.exit_code == 0, exported.output
    assert found(tmp_path / "small") == found(tmp_path / "whole")
    kept = read_archive(declared, tmp_path / "small")["a/s0"]
    steps, values = kept.curves["eval/success"]
    assert (len(steps), steps[0], steps[-1], values[0]) == (60, 5, 1000, 0.1235)  # the first of 200 points is step 5
    assert kept.values["success"].low == 0.322456  # not rounded
    assert np.isinf(kept.values["steps"].high)
    assert not list((tmp_path / "small").rglob("metrics.jsonl"))
    first = (tmp_path / "small/runs.json.gz").read_bytes()
    shutil.copytree(tmp_path / "small", tmp_path / "copy")
    assert run("--dir", "copy", "--report-only").exit_code == 0
    assert found(tmp_path / "copy") == found(tmp_path / "whole")
    assert run("--merge", "copy", "--export", "again").exit_code == 0
    assert (tmp_path / "again/runs.json.gz").read_bytes() == first
    date = json.loads((tmp_path / "whole/registered.json").read_text())["registered"]
    assert json.loads((tmp_path / "again/registered.json").read_text())["registered"] == date


def test_an_export_of_parts_keeps_the_first_date_and_all_sessions(run, fake, declared, tmp_path, monkeypatch):
    for k, date in enumerate(("2026-02-02", "2026-01-01", "2026-03-03")):
        fake(declared, tmp_path / f"p{k}", some(2 * k, 2 * k + 1))
        path = tmp_path / f"p{k}/registered.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"registered": date}))
        monkeypatch.setattr("sys.argv", ["/somewhere/bin/selfplay", "study", "tiny", "--first-seed", str(2 * k)])
        Session(tmp_path / f"p{k}", jobs=1, threads=1).save(k)
    monkeypatch.setattr("sys.argv", ["selfplay", "study", "tiny", "--export", "small"])
    done = run("--merge", "p0", "--merge", "p1", "--merge", "p2", "--export", "small")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "small/registered.json").read_text())["registered"] == "2026-01-01"
    assert [entry["runs"] for entry in read_sessions(tmp_path / "small")] == [0, 1, 2]
    assert "minutes of wall-clock in 3 sessions." in done.stdout
    commands = "; ".join(f"selfplay study tiny --first-seed {2 * k}" for k in range(3))
    assert f"- command: {commands}\n" in done.stdout
    assert json.loads((tmp_path / "small/results.json").read_text())["machine"]["command"] == commands


def test_an_export_has_more_seeds_than_were_registered_where_asked(run, fake, declared, tmp_path):
    more = {name.replace("s0", "s6"): values for name, values in some(0).items()}
    fake(declared, tmp_path / "whole", {**ALL, **more})
    assert run("--dir", "whole", "--export", "six").exit_code == 0
    assert not any("s6" in name for name in read_archive(declared, tmp_path / "six"))
    done = run("--dir", "whole", "--export", "seven", "--seeds", "7")
    assert done.exit_code == 0, done.output
    assert "a/s6" in read_archive(declared, tmp_path / "seven")
    assert found(tmp_path / "seven")["verdicts"] == found(tmp_path / "six")["verdicts"]  # of those registered


def refused(done, said):
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert said in done.stderr
    assert not done.stdout


def test_what_does_not_belong_together_is_refused_and_left_alone(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "p0", some(0, 1, 2))
    fake(declared, tmp_path / "p1", some(2, 3))
    (tmp_path / "file").write_text("mine")
    assert run("--dir", "p0", "--export", "small").exit_code == 0
    before = everything(tmp_path)
    refused(run("--merge", "p0", "--merge", "p1", "--dir", "x"), "run a/s2 is finished in 'p0' and in 'p1'")
    refused(run("--merge", "p0", "--merge", "p0/", "--dir", "x"), "--merge: a folder is given twice (p0, p0)")
    refused(run("--merge", "p0", "--merge", "no", "--dir", "x"), "'no' cannot be merged: nothing was registered")
    refused(run("--merge", "p0", "--dir", "p1"), "--dir 'p1' holds a study already (expected another folder)")
    refused(run("--merge", "p0", "--export", "p1"), "--export 'p1' holds a study already")
    refused(run("--dir", "p0", "--export", "p0"), "--export 'p0' holds a study already")
    refused(run("--dir", "p0", "--export", "small"), "--export 'small' holds a study already")
    refused(run("--merge", "p0", "--dir", "file"), "study folder 'file' cannot be made")
    refused(run("--dir", "p0", "--export", "file"), "study folder 'file' cannot be made")
    refused(run("--dir", "small"), "'small' holds an exported study (expected --report-only")
    refused(run("--quick", "--dir", "p0"), "'p0' holds study 'tiny' (expected 'tiny-quick')")
    refused(run("--quick", "--merge", "p0", "--dir", "x"), "'p0' holds study 'tiny' (expected 'tiny-quick')")
    assert everything(tmp_path) == before
    (tmp_path / "tiny.py").write_text(DECLARED.replace(">= 0.4", ">= 0.1"))
    fake(eval_study(tmp_path), tmp_path / "p2", some(4))
    refused(run("--merge", "p0", "--merge", "p2", "--dir", "x"), "'p2' cannot be merged with 'p0': other claims were")
    (tmp_path / "tiny.py").write_text(DECLARED.replace("Last()", "Peak()").replace("Last", "Last, Peak"))
    refused(run("--dir", "small", "--report-only"), "was written with other measures than 'tiny' declares")


def eval_study(tmp_path):
    namespace = {}
    exec((tmp_path / "tiny.py").read_text(), namespace)
    return namespace["STUDY"]


def test_a_forgotten_quick_is_named(run, fake, declared, tmp_path):
    (tmp_path / "p0").mkdir()
    (tmp_path / "p0/registered.json").write_text('{"study": "tiny-quick"}')
    refused(run("--dir", "p0", "--report-only"), "'p0' holds study 'tiny-quick' (expected 'tiny'; --quick is missing)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report-only", "--arms", "a"], "--arms has no use with --report-only"),
        (["--report-only", "--first-seed", "1"], "--first-seed has no use with --report-only"),
        (["--merge", "p0", "--dry-run"], "--dry-run has no use with --merge"),
        (["--merge", "p0", "--seeds", "3"], "--seeds has no use with --merge"),
        (["--merge", "p0", "--report-only"], "--report-only has no use with --merge"),
        (["--merge", "p0", "--export", "e", "--dir", "d"], "--dir has no use with --export"),
        (["--export", "e", "--jobs", "2"], "--jobs has no use with --export"),
        (["--first-seed", "6"], "--first-seed 6: the study has seeds 0 to 5; give --seeds as well"),
        (["--first-seed", "-1"], "is not in the range"),
    ],
)
def test_options_without_use_are_refused(run, arguments, said, tmp_path):
    refused(run(*arguments), said)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.py"]


def test_a_part_has_the_seeds_from_its_first_on(declared, tmp_path):
    assert [task.name for task in tasks(declared, tmp_path, 2, first_seed=3)] == ["a/s3", "b/s3", "a/s4", "b/s4"]
    assert [task.seed for task in tasks(declared, tmp_path, pattern="b", first_seed=4)] == [4, 5]


@pytest.mark.parametrize("name", ["registered.json", "failures.json", "sessions.json", "a/s0/config.json",
                                  "a/s0/metrics.jsonl", "a/s0/timings.jsonl", "runs.json.gz"])  # fmt: skip
@pytest.mark.parametrize("content", [b'{"a": [1\n', b"\xff\xfe\x00abc\n", b"7\n"])
def test_damaged_files_are_named(run, fake, declared, name, content, tmp_path):
    fake(declared, tmp_path / "p0", some(0))
    (tmp_path / "p0" / name).write_bytes(content)
    before = everything(tmp_path)
    refused(run("--dir", "p0", "--report-only"), f"p0/{name}")
    assert everything(tmp_path) == before


def test_old_results_may_be_damaged(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "p0", some(0))
    (tmp_path / "p0/results.json").write_text("{")
    assert run("--dir", "p0", "--report-only").exit_code == 0
    assert found(tmp_path / "p0")["values"]["success"]["a"] == {"s0": {"low": 0.9, "high": 0.9, "censored": False}}


def test_half_a_curve_is_no_value(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "p0", ALL)
    path = tmp_path / "p0/a/s1/metrics.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    done = run("--dir", "p0", "--report-only")
    assert "- Not measured: a: success: metrics.jsonl ends at step 500 (expected 1,000) (s1)" in done.stdout
    assert "| 5 of 6 seeds; a: s1 not measured |" in done.stdout
    assert "s1" not in found(tmp_path / "p0")["values"]["success"]["a"]


def test_a_measure_is_read_only_of_its_arms_and_a_wrong_tag_is_named(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "p0", some(0))
    fake(declared, tmp_path / "p0", {"b/s1": [0.5]}, tag="eval/sucess")
    done = run("--dir", "p0", "--report-only")
    values = found(tmp_path / "p0")["values"]
    assert values["steps"] == {"a": {"s0": {"low": 1000, "high": 1000, "censored": False}}, "b": {}}
    said = "b: success: no 'eval/success' in metrics.jsonl; did you mean 'eval/sucess'? (s1)"
    assert f"- Not measured: {said}\n" in done.stdout
    assert "b: steps" not in done.stdout
    registered = json.loads((tmp_path / "p0/registered.json").read_text())["measures"]
    assert registered["steps"] == "eval/success: first step with 0.9 or more (of a)"
    assert registered["success"] == "eval/success: last value"


@pytest.mark.parametrize("seeds", [0, "6", True, None])
def test_a_registered_number_of_seeds_that_is_none(run, fake, declared, seeds, tmp_path):
    fake(declared, tmp_path / "p0", some(0))
    path = tmp_path / "p0/registered.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seeds": seeds}))
    refused(run("--dir", "p0", "--report-only"), "(expected a whole number >= 1)")


def test_the_registered_seeds_are_needed_whatever_is_declared_or_asked_for(run, fake, declared, tmp_path):
    fake(declared, tmp_path / "p0", some(0, 1, 2, 3, 4))
    (tmp_path / "tiny.py").write_text(DECLARED.replace("seeds=6", "seeds=5"))
    done = run("--dir", "p0", "--report-only", "--seeds", "5")
    assert "- Not as registered: seeds changed after the first run" in done.stdout
    assert "- Partial: 2 of 12 runs are missing." in done.stdout
    assert {verdict["verdict"] for verdict in found(tmp_path / "p0")["verdicts"]} == {"provisional"}


def test_every_session_is_kept(tmp_path):
    for runs in (3, 1):
        Session(tmp_path, jobs=2, threads=1).save(runs)
    assert [(entry["runs"], entry["jobs"]) for entry in read_sessions(tmp_path)] == [(3, 2), (1, 2)]
