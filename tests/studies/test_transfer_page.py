"""What a study's page says of transfer, and that runs of one pretrained policy are one draw of its luck there."""

import shutil

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="pages need the extra 'report'")

from click.testing import CliRunner
from matplotlib.figure import Figure
from page_checks import check_page

from selfplay.cli import main
from selfplay.curriculum import CHARTS
from selfplay.errors import UserError
from selfplay.report import charts
from selfplay.report.charts import Curves
from selfplay.report.page import write_page
from selfplay.report.study_page import study_page
from selfplay.report.transfer_section import transfer_section
from selfplay.studies.games import find_games, write_games
from selfplay.studies.reductions import Last
from selfplay.studies.report import export, write_report
from selfplay.studies.study import Arm, Claim, Measure, Run, Study
from selfplay.studies.transfer_families import Family, Transfer
from selfplay.transfer.bootstrap import curve_band

ENV = "grid/Empty-5x5-v0"
PLAY = Run("noveld", ENV, 50)
LEVELS = {"scratch": 0.5, "good": 0.8, "bad": 0.2}  # reached by a straight line from 0


def declared(seeds):
    runs = {"scratch": Run("ppo", ENV, 100), **{name: Run("finetune", ENV, 100, {}, PLAY) for name in ("good", "bad")}}
    family = Family(("five",), {name: f"all {name}" for name in LEVELS}, 0.5, tuple(LEVELS))
    return Study(
        "s", "?", tuple(Arm(name, run) for name, run in runs.items()), (Measure("end", "eval/success", Last()),),
        (Claim("good is better", "end", "good", "scratch", "difference", "> 0"),), curves=("eval/success",),
        seeds=seeds, nested=2, groups={f"all {name}": (name,) for name in LEVELS},
        transfer=Transfer("eval/success", {ENV: (0.0, 1.0)}, {"grid": family}, "scratch", "total", 0.4),
    )  # fmt: skip


@pytest.fixture
def make(tmp_path, fake):
    """make(seeds) -> the folder of a reported study; seed s is better by s // 2 / 100 and s % 2 / 1000."""

    def write(seeds):
        study, folder = declared(seeds), tmp_path / f"s{seeds}"
        fake(study, folder, {
            f"{name}/s{s}": [round(level * k / 20 + s // 2 / 100 + s % 2 / 1000, 4) for k in range(1, 21)]
            for name, level in LEVELS.items() for s in range(seeds)
        })  # fmt: skip
        write_report(study, folder)
        return folder

    return write


@pytest.fixture
def game(tmp_path):
    """game(path, seed, *rewards) -> the run folder of a few rounds of self-play, moved there."""

    def play(path, seed, *rewards):
        run = tmp_path / "played"
        small = ["--set", "num_envs=4", "--set", "eval_goals=4", "--set", "game.t_max=10", "--seed", str(seed)]
        paid = [word for reward in ("task=1", *rewards) for word in ("--reward", reward)]
        line = ["train", "alice-bob", "--env", ENV, "--steps", "600", *paid, *small, "--run-dir", str(run)]
        done = CliRunner().invoke(main, line)
        assert done.exit_code == 0, done.output
        path.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "metrics.jsonl", "proposals.jsonl"):
            shutil.copy(run / name, path / name)
        shutil.rmtree(run)
        return path

    return play


def test_what_did_not_beat_scratch_comes_first_and_in_the_same_form(make, tmp_path):
    folder = make(6)
    page = check_page(write_page([folder]).read_text())
    lost, won = page.tables[:2]
    assert [" ".join(row[0].split()) for row in lost] == ["method", "grid, at the end", "bad", "grid, all along", "bad"]
    assert [row[0] for row in won if len(row) == 2] == ["method", "good", "good"]
    # at the end: the mean of the last tenth of a straight line, .95 along it
    assert lost[2][1].split()[0] == f"{-0.3 * 0.95:.3g}"
    assert lost[2][1].split()[-1] == "worse"
    assert won[2][1].split()[0] == f"{0.3 * 0.95:.3g}"
    assert won[2][1].split()[-1] == "better"
    assert page.text.index("Did not beat learning from scratch (2)") < page.text.index("Beat learning from scratch (2)")
    assert page.text.index("Beat learning from scratch") < page.text.index("Claims registered beforehand")
    titles = [row[0] for row in page.tables[2:5]]
    assert titles[0] == ["method", "runs", "IQM", "mean", "optimality gap ↓", "zero-shot", "few-shot, 50"]
    assert {"P(better)", "jumpstart", "few-shot difference, 50", "transfer ratio", "forward transfer"} <= set(titles[1])
    times = {row[0]: row[1:] for row in page.tables[4][1:]}
    assert times["bad"] == ["∞ [∞, ∞]", "0 of 6"]  # never at .4, and that is no "no interval"
    assert times["good"][1] == "6 of 6"
    assert any(label.startswith("Performance profiles, grid") for label in page.labels)
    assert "fewer than 5 pretraining seeds: the intervals of scratch, good, bad are far too narrow" in page.text
    assert "Scores are normalised: 0 is chance" in page.text
    export(declared(6), tmp_path / "small", [folder])
    again = check_page(write_page([tmp_path / "small"]).read_text())
    assert again.tables[:5] == page.tables[:5]


def test_bars_have_one_scale():
    saved = {
        "a": {"now": {"value": -0.4, "low": -0.5, "high": -0.3}},
        "b": {"now": {"value": 0.25, "low": None, "high": None}},
    }
    section = transfer_section({"against_scratch": {"f": saved}}, 1)
    worse, unsure = section["lists"][0]["parts"]["f, now"]
    assert worse["bar"] == {"low": 2.0, "high": 21.2, "found": 11.6}  # 48 of 100 are the largest, .5
    assert (worse["word"], unsure["word"]) == ("worse", "not told apart")
    assert unsure["bar"] == {"low": 74.0, "high": 74.0, "found": 74.0}
    assert unsure["found"] == "0.25 (one seed: no interval)"
    assert section["lists"][1]["parts"] == {}


def test_two_runs_of_one_policy_are_one_policy(make):
    page = check_page(write_page([make(2)]).read_text())
    assert "One pretrained policy of each arm: no interval" in page.text
    assert "of each arm1 pretrained policy × 2 runs" in page.text
    assert "one seed" not in page.text.replace("of one seed", "")
    (table,) = [table for table in page.tables if table[0][1] == "average [95 %]"]
    numbers = {row[0]: row[1:3] for row in table}
    # seeds 0 and 1 end at .5 and .501, or .8 and .801
    assert numbers["scratch"] == ["0.5 (one draw of 2 runs: no interval)", "1 × 2 runs"]
    assert numbers["good"] == ["0.8 (one pretrained policy: no interval)", "1 pretrained policy × 2 runs"]
    assert "found 0.3 (one pretrained policy: no interval)" in page.text
    assert not [label for label in page.labels if label.startswith("expected")]  # a bar would look like an interval


def test_claims_and_bands_are_of_policies(make, monkeypatch):
    drawn = {}
    original = charts.highlight_chart
    monkeypatch.setattr(
        "selfplay.report.study_page.highlight_chart",
        lambda name, lines, *rest: (drawn.update(lines), original(name, lines, *rest))[1],
    )
    context = study_page(make(6))
    assert drawn["good"].values.shape == (3, 2, 60)
    ends = drawn["good"].values[..., -1]
    assert ends == pytest.approx(np.array([[0.8, 0.801], [0.81, 0.811], [0.82, 0.821]]))
    low, high = curve_band(drawn["good"].values)
    assert (low[-1], high[-1]) == pytest.approx((0.8005, 0.8205))  # thrice the worst policy, thrice the best
    ((claim,),) = context["verdicts"].values()
    assert claim["seeds"] == "3 pretrained policies × 2 runs"
    assert claim["note"] == "a verdict needs 5 pretrained policies an arm"
    assert context["facts"]["env steps of a run"] == "100, after 50 of pretraining where there is any"


def test_a_run_that_is_there_without_its_pair_is_no_policy(make):
    folder = make(6)
    (folder / "good/s3/metrics.jsonl").unlink()
    found = {part["tag"]: part for part in study_page(folder)["curves"]}
    assert len(found["eval/success"]["charts"]) == 3
    values = Curves.of([(np.array([0.0, 1.0]), np.array([0.0, k])) for k in range(4)], nested=2).values
    assert values[..., -1].tolist() == [[0, 1], [2, 3]]


def test_the_curriculum_of_the_first_seed_of_every_game(make, game, tmp_path):
    folder = make(2)
    assert study_page(folder)["curricula"] == []
    game(folder / "begins/play/s2", 2)
    shutil.copytree(folder / "begins/play/s2", folder / "begins/play/s10")  # the first by its letters
    config = folder / "begins/play/s10/config.json"
    config.write_text(config.read_text().replace('"seed": 2', '"seed": 10'))
    game(folder / "begins/curious/s1", 1, "rnd=0.1")
    page = check_page(write_page([folder]).read_text())
    said = f"alice-bob on {ENV}, 600 steps"
    assert f"what others begin with: {said}, Alice paid by task=1 and rnd=0.1, seed 1" in page.text
    assert f"what others begin with: {said}, seed 2" in page.text
    assert "seed 10" not in page.text
    export(declared(2), tmp_path / "small", [folder])
    there, kept = (find_games(place, ["good"]) for place in (folder, tmp_path / "small"))
    assert [(name, game.proposals) for name, game in kept] == [(name, game.proposals) for name, game in there]
    assert all(draw(Figure().subplots(), game) is None for _, game in kept for draw in CHARTS.values())
    (tmp_path / "small/games.json.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"games\.json\.gz is not of an exported study: BadGzipFile"):
        study_page(tmp_path / "small")


def test_an_export_keeps_a_thousand_goals_of_a_game(make, game, tmp_path):
    folder = make(2)
    path = game(folder / "good/s0", 0)
    lines = (path / "proposals.jsonl").read_bytes().splitlines(keepends=True)
    (path / "proposals.jsonl").write_bytes(b"".join(lines[0] for _ in range(2500)))
    write_games([folder], ["good"], tmp_path)
    ((_, kept),) = find_games(tmp_path, ["good"])
    assert len(kept.proposals) == 834  # every third
    assert {key.partition("/")[0] for line in kept.metrics for key in line} == {
        "step",
        "curriculum",
        "alice",
        "bob",
        "eval",
    }
