"""`selfplay compare`: tables of any origin, worked by hand, and one line for what is wrong with one."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.transfer.compare import against, aggregates, early, notes, retention, times
from selfplay.transfer.table import POINTS, read_tables

ATARI = Path(__file__).parent / "atari_100k.csv"


@pytest.fixture
def table(tmp_path):
    """table("a,b;1,2") -> a CSV file of these lines."""

    def write(text, name="scores.csv"):
        path = tmp_path / name
        path.write_text(text.replace(";", "\n") + "\n", encoding="utf-8")
        return path

    return write


def run(*arguments):
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_other_peoples_table(tmp_path):
    figure, numbers = tmp_path / "profile.png", tmp_path / "numbers.json"
    done = run(ATARI, "--baseline", "SimPLe", "--figure", figure, "--json", numbers)
    assert done.exit_code == 0
    assert "5 seeds × 26 tasks" in done.output
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads(numbers.read_text())
    assert [round(row["IQM"]["value"], 3) for row in found["Scores"]] == [0.130, 0.501]
    assert found["Against SimPLe"][0]["P(better)"]["low"] > 0.5
    assert found["notes"] == []


def test_seeds_nest_in_pretraining_seeds(table):
    rows = ["method,task,pretrain_seed,seed,score", *(f"a,x,{p},{s},{10 * p + s}" for p in range(3) for s in range(2))]
    rows += [f"b,x,,{s},0" for s in range(4)]
    found = read_tables([table(";".join(rows))])
    assert found.methods["a"].tolist() == [[[0], [1]], [[10], [11]], [[20], [21]]]
    assert found.methods["b"].shape == (4, 1)
    row = aggregates(found)[0]
    assert row["runs"] == "3 × 2 seeds × 1 task"
    assert row["mean"] == (10.5, 0.5, 20.5)  # three times the worst policy, three times the best
    assert "optimality gap ↓" not in row
    assert "fewer than 5 (pretraining) seeds: the intervals of a, b" in notes(found)[0]


def test_curves(table):
    # a: 0.2 at once, 1 from half way on. b: a line from 0 to 1 at the end, which one seed never gets above .6 of.
    points = {("a", 0): (0.2, 1, 1), ("a", 1): (0.2, 1, 1), ("b", 0): (0, 0.5, 1), ("b", 1): (0, 0.3, 0.6)}
    rows = [f"{m},x,{s},{50 * k},{v}" for (m, s), curve in points.items() for k, v in enumerate(curve)]
    found = read_tables([table(";".join(["method,task,seed,step,score", *rows]))])
    assert found.methods["a"].shape == (2, 1, POINTS)
    assert found.steps["x"].tolist() == list(range(101))
    row = against(found, "b", few_shot=25)[0]
    assert row["jumpstart"] == pytest.approx((0.2, 0.2, 0.2))
    assert row["few-shot difference, 25"].value == pytest.approx(0.6 - 0.2)  # b: .25 and .15
    # areas: a .3 + .5 = .8, b .5 and .3
    assert row["transfer ratio"].value == pytest.approx((0.8 - 0.4) / 0.4)
    assert row["transfer ratio"].high == pytest.approx((0.8 - 0.3) / 0.3)
    late = np.mean(np.arange(90, 101) / 100)  # of b's line the last eleven points
    assert aggregates(found)[1]["mean"].value == pytest.approx((late + 0.6 * late) / 2)
    rows = times(found, 0.8)
    assert [row["reached"] for row in rows] == ["2 of 2", "1 of 2"]
    assert rows[0]["median steps to 0.8 ↓"].value == 50  # of its own points the first that is so high
    assert rows[1]["median steps to 0.8 ↓"] == (100, 100, math.inf)
    assert [row["reached"] for row in times(found, 2)] == ["0 of 2", "0 of 2"]
    assert early(found, 25)["a"]["zero-shot"].value == pytest.approx(0.2)
    assert early(found, 25)["b"]["few-shot, 25"] == pytest.approx((0.2, 0.15, 0.25))


def curve_rows(lengths, begins=None):
    """Lines from 0 on that rise by .1 every 100 steps, of each (method, seed) so many steps long."""
    rows = [
        f"{m},x,{s},{t},{t / 1000}" for (m, s), end in lengths.items()
        for t in range((begins or {}).get((m, s), 0), end + 1, 100)
    ]  # fmt: skip
    return ";".join(["method,task,seed,step,score", *rows])


def test_a_run_that_ended_early_takes_nothing_from_the_others(table):
    ends = {("a", s): 1000 for s in range(3)} | {("b", 0): 500, ("b", 1): 500, ("b", 2): 1000}
    found = read_tables([table(curve_rows(ends))])
    rows = times(found, 0.8)
    assert [row["reached"] for row in rows] == ["3 of 3", "1 of 3"]
    assert rows[0]["median steps to 0.8 ↓"].value == 800
    assert rows[1]["median steps to 0.8 ↓"].value == 800  # when two were cut off, one was left: S falls to 0
    assert found.steps["x"][-1] == 500
    done = run(table(curve_rows(ends)), "--threshold", 0.8)
    assert "task x: cut to 500 of 1,000 steps (b, seed 0 and 1 more), but for times" in " ".join(done.output.split())
    assert "3 of 3" in done.output


def test_runs_are_censored_where_each_of_them_ends(table):
    """Of two runs one is cut off before the other gets there: half of those under way then is all of them."""
    found = read_tables([table(curve_rows({("a", 0): 300, ("a", 1): 1000}))])
    (row,) = times(found, 0.5)
    assert row["reached"] == "1 of 2"
    assert row["median steps to 0.5 ↓"].value == 500  # with both censored at 300 it would be never


def test_one_curve_that_begins_late_is_named(table):
    ends = {("a", 0): 1000, ("a", 1): 1000, ("b", 0): 1000, ("b", 1): 1000}
    text = curve_rows(ends, {("b", 1): 300})
    row = against(read_tables([table(text)]), "a", 400)[0]
    assert row["jumpstart"] is None
    assert row["few-shot difference, 400"].value == pytest.approx(0)
    done = " ".join(run(table(text)).output.split())
    assert "zero-shot and jumpstart are undefined: curves of x begin at 300 (b, seed 1)" in done
    assert "undefined" in done.partition("zero-shot and")[0]
    assert "begin at" not in run(table(curve_rows(ends))).output
    assert "begin at 300" in run(table(curve_rows(ends, dict.fromkeys(ends, 300)))).output  # all of them: nobody's


def test_few_shot_of_one_method(table):
    path = table(curve_rows({("a", 0): 1000, ("a", 1): 1000}))
    done = " ".join(run(path, "--few-shot", 250).output.split())
    assert "zero-shot few-shot, 250" in done
    assert "0.25 [0.25, 0.25]" in done
    done = run(path, "--few-shot", 2000)
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert (
        "--few-shot: 2000 is not on the curves (expected 0 to 1000 steps, which all curves of x cover)" in done.output
    )


def test_retention_of_other_peoples_runs(table):
    rows = [f"{m},pre,{s},{phase},{before - lost * (phase == 'after')}"
            for m, lost in (("a", 0.5), ("b", -0.1)) for s, before in enumerate((0.6, 0.8))
            for phase in ("before", "after")]  # fmt: skip
    kept = table(";".join(["method,task,seed,phase,score", *rows]), "kept.csv")
    forgot, gained = retention(read_tables([kept]))
    assert forgot["before"] == pytest.approx((0.7, 0.6, 0.8))
    assert forgot["forgotten ↓"] == pytest.approx((0.5, 0.5, 0.5))  # run by run: its spread is none
    assert gained["forgotten ↓"].value == pytest.approx(-0.1)
    done = run(kept)
    assert done.exit_code == 0
    assert "Retention" in done.output
    assert "Scores" not in done.output
    scores = table("method,task,seed,score;a,x,0,1;b,x,0,2", "scores.csv")
    done = run(scores, kept, "--json", kept.with_name("all.json"))
    found = json.loads(kept.with_name("all.json").read_text())
    assert [row["method"] for row in found["Retention"]] == ["a", "b"]
    assert found["Scores"][1]["mean"]["value"] == 2
    done = run(kept, "--baseline", "a")
    assert (done.exit_code, done.output) == (
        2, "error: --baseline needs scores (expected a CSV without the column 'phase' as well)\n"
    )  # fmt: skip


def test_what_has_no_meaning_is_undefined(table):
    text = "method,task,seed,step,score;a,x,0,0,1;a,x,0,9,1;b,x,0,0,0;b,x,0,9,0"
    row = against(read_tables([table(text)]), "b")[0]
    assert row["transfer ratio"] is None
    done = run(table(text), "--baseline", "b")
    assert "undefined" in done.output
    assert "one seed: no interval" in done.output


def test_one_seed(table):
    done = run(table("method,task,seed,score;a,x,0,1;b,x,0,2;b,x,1,3"))
    assert "1 (one seed: no interval)" in done.output
    assert "a: one seed: no interval, a difference to it may be luck" in " ".join(done.output.split())


def test_two_files_and_unknown_columns(table):
    one = table("method,task,seed,score,colour;a,x,0,1,red;a,x,1,2,blue", "one.csv")
    other = table("\ufeffseed,score,task,method;0,5,x,b;1,7,x,b;;", "other.csv")
    found = read_tables([one, other])
    assert {method: values.ravel().tolist() for method, values in found.methods.items()} == {"a": [1, 2], "b": [5, 7]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("metod,task,seed,score;a,x,0,1", "no column 'method'; is 'metod' meant?"),
        ("method;task", "no column 'task' (there are method; expected commas between them)"),
        (
            "method,task,seed,score,pretrain_sed;a,x,0,1,2",
            "unknown column 'pretrain_sed'; did you mean 'pretrain_seed'?",
        ),
        ("method,task,seed,score", "has no rows"),
        ("method,task,seed,score;a,x,0,nan", "line 2: score is nan (expected a finite number"),
        ("method,task,seed,score;a,x,0,1;a,x,1,high", "line 3: score = 'high' (expected a number)"),
        ("method,task,seed,score;a,x,0", "line 2: 3 fields (expected 4"),
        ("method,task,seed,score;a,,0,1", "line 2: task is empty"),
        ("method,task,seed,score;a,x,0,1;a,x,0,2", "line 3: a, x, seed 0 is there twice"),
        ("method,task,seed,score;a,x,0,1;b,y,0,2", "method 'a' has no run on task 'y'"),
        ("method,task,seed,score;a,x,0,1;a,x,1,1;a,y,0,2", "method 'a': 1 runs on 'y', 2 on 'x' (expected the same"),
        ("method,task,seed,score,random;a,x,0,1,0", "random and reference go together"),
        ("method,task,seed,score,random,reference;a,x,0,1,2,2", "line 2: reference = random = 2"),
        ("method,task,seed,score,pretrain_seed;a,x,0,1,0;a,x,1,1,0;a,x,0,2,1", "pretrain_seed 0 has 2, 1 has 1"),
        ("method,task,seed,score,pretrain_seed;a,x,0,1,0;a,x,1,1,", "some runs have a pretrain_seed"),
        ("method,task,seed,step,score;a,x,0,-1,5", "line 2: step is -1 (expected >= 0)"),
        ("method,task,seed,phase,score;a,x,0,before,1;a,x,0,later,1", "line 3: phase = 'later' (expected before or"),
        ("method,task,seed,phase,score;a,x,0,before,1;a,x,1,after,1", "seed 0: no score with phase = after"),
        ("method,task,seed,phase,score;a,x,0,after,1", "seed 0: no score with phase = before"),
        ("method,task,seed,phase,step,score;a,x,0,after,1,1", "phase and step do not go together"),
        ("method,task,seed,step,score;a,x,0,1,5;a,x,1,2,5", "task 'x': no steps that all curves cover"),
    ],
)
def test_one_line_for_what_is_wrong(table, text, line):
    with pytest.raises(UserError) as error:
        read_tables([table(text)])
    assert line in error.value.message
    done = run(table(text))
    assert (done.exit_code, done.output.count("\n")) == (2, 1)


def test_options(table, tmp_path):
    path = table("method,task,seed,score;alpha,x,0,1;beta,x,0,2")
    for arguments, line in (
        (["--baseline", "alhpa"], "--baseline: unknown method 'alhpa'; did you mean 'alpha'?"),
        (["--threshold", "1"], "--threshold needs curves"),
        (["--figure", "x.jpeg"], "error: --figure: 'x.jpeg' (expected a name that ends in .png"),
        (["--figure", str(tmp_path / "no/x.png")], "error: --figure: "),
        (["--json", str(tmp_path / "no/x.json")], "cannot be written: No such file"),
        ([str(tmp_path / "none.csv")], "cannot be read: No such file"),
    ):
        done = run(path, *arguments)
        assert done.exit_code == 2
        assert line in done.output
        assert "--figure" not in arguments or done.output.count("\n") == 1  # before any table
