"""`selfplay compare`: tables of any origin, worked by hand, and one line for what is wrong with one."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.transfer.compare import against, aggregates, notes, times
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
    assert rows[0]["median steps to 0.8 ↓"].value == 38  # .2 + .8 · t / 50 ≥ .8 from t = 37.5 on
    assert rows[1]["median steps to 0.8 ↓"] == (80, 80, math.inf)
    assert [row["reached"] for row in times(found, 2)] == ["0 of 2", "0 of 2"]


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
        (["--figure", "x.jpeg"], "expected a name that ends in .png"),
        (["--json", str(tmp_path / "no/x.json")], "cannot be written: No such file"),
        ([str(tmp_path / "none.csv")], "cannot be read: No such file"),
    ):
        done = run(path, *arguments)
        assert done.exit_code == 2
        assert line in done.output
