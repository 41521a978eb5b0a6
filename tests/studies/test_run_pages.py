"""The page on runs and the model card, of run folders written by hand: what is said, and how sure it is said to be."""

import json

import pytest

pytest.importorskip("jinja2", reason="pages need the extra 'report'")

from page_checks import check_page
from scipy.stats import binomtest

from selfplay.card import card, wilson, write_card
from selfplay.errors import UserError
from selfplay.report.groups import read_groups
from selfplay.report.page import write_page

SETTINGS = {"num_envs": 8, "rewards": ["task=1"], "eval_episodes": 100, "ppo": {"clip": 0.2}}


@pytest.fixture
def make(tmp_path):
    """make(name, success at equal distances, seed=0, …) -> run folder of 1000 steps, 10 a line."""

    def write(name, values, seed=0, clip=0.2, env="grid/Empty-5x5-v0", method="ppo", parent=None, steps=1000):
        folder = tmp_path / name
        (folder / "checkpoints/step_000001000").mkdir(parents=True)
        settings = {**SETTINGS, "ppo": {"clip": clip}}
        config = {"method": method, "env": env, "steps": steps, "seed": seed, "device": "cpu", "settings": settings}
        if parent:
            ancestor = {"run": parent, "method": "ppo", "env": env, "step": 7, "rewards": ["task=1"]}
            config["parents"] = [ancestor | {"sha256": parent * 8}]
        record = {"config": config, "threads": 1, "commit": "abc", "command": f"selfplay train <{name}>"}
        record |= {"versions": {"torch": "2.0", "selfplay": "0"}, "started": "2026-01-02T03:04:05"}
        (folder / "config.json").write_text(json.dumps(record))
        lines = [{"step": 1000 * k // (len(values) - 1), "eval/success": v} for k, v in enumerate(values)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "timings.jsonl").write_text('{"step": 1, "iteration_seconds": 2.0}\n')
        return folder

    return write


def test_one_run_is_said_to_be_one(make):
    page = check_page(write_page([make("a", [0.0, 0.25, 0.5])]).read_text())
    assert page.title == "ppo on grid/Empty-5x5-v0 – selfplay"
    assert page.tables[0][1] == ["success on fresh levels", "0", "0.5 one seed"]
    assert "One seed: nothing here has an interval" in page.text
    assert "selfplay train <a>" in page.text
    assert "Commit abc; torch 2.0, selfplay 0." in page.text
    assert "success on fresh levels over env steps: ppo on grid/Empty-5x5-v0 ends at 0.5." in page.labels


def test_seeds_are_taken_together_and_configurations_are_told_apart(make, tmp_path):
    runs = [make(f"low{k}", [0, 0.1 + k / 10], seed=k) for k in range(5)]
    runs += [make(f"high{k}", [0, 0.9], seed=k, clip=0.1) for k in range(5)]
    page = check_page(write_page(runs, tmp_path / "page.html").read_text())
    assert page.tables[0][0] == [
        "measure",
        "ppo on grid/Empty-5x5-v0, ppo.clip=0.2",
        "ppo on grid/Empty-5x5-v0, ppo.clip=0.1",
    ]
    low, high = (cell.split() for cell in page.tables[0][1][1:])
    assert low[0] == "0.3"  # of .1 … .5 the mean of the middle three
    assert float(low[1].strip("[,")) < 0.3 < float(low[2].strip("],"))
    assert high == ["0.9", "[0.9,", "0.9],", "from", "0"]
    label, words, found = page.tables[1][1]
    assert (label, words) == ("ppo on grid/Empty-5x5-v0, ppo.clip=0.1", "success on fresh levels")
    assert found.startswith("0.6 [0.")
    assert "(5 seeds)" in page.text
    assert "One seed:" not in page.text


def test_other_rewards_are_told_apart(make):
    runs = [make("a", [0, 0.5]), make("b", [0, 0.5])]
    record = json.loads((runs[1] / "config.json").read_text())
    record["config"]["settings"]["rewards"] = ["task=1", "icm=0.1"]
    (runs[1] / "config.json").write_text(json.dumps(record))
    assert [group.label for group in read_groups(runs)] == [
        "ppo on grid/Empty-5x5-v0, rewards=task=1",
        "ppo on grid/Empty-5x5-v0, rewards=task=1,icm=0.1",
    ]


def test_a_comparison_with_one_seed_is_said_to_be_one(make, tmp_path):
    runs = [make("a", [0, 0.5]), make("b", [0, 0.75], clip=0.1), make("c", [0, 0.25], seed=1, clip=0.1)]
    page = check_page(write_page(runs, tmp_path / "page.html").read_text())
    assert "One seed: no interval for ppo on grid/Empty-5x5-v0, ppo.clip=0.2. A difference may be" in page.text
    assert "Fewer than 5 seeds: the intervals of ppo on grid/Empty-5x5-v0, ppo.clip=0.1" in page.text
    assert page.tables[1][1][2] == "0 one seed"


def test_runs_of_one_pretrained_policy_are_one_draw_of_luck(make, tmp_path):
    runs = [make(f"a{k}", [0, v], seed=k, method="finetune", parent="p") for k, v in enumerate((0.1, 0.3))]
    page = check_page(write_page(runs, tmp_path / "page.html").read_text())
    assert "(1 pretrained policy, 2 runs)" in page.text
    assert page.tables[0][1][2] == "0.2 one pretrained policy"
    assert "One pretrained policy: nothing here has an interval" in page.text
    assert "p (ppo on grid/Empty-5x5-v0, 7 steps, sha256 pppppppp…)" in page.text
    runs.append(make("b", [0, 0.8], seed=5, method="finetune", parent="q"))
    page = check_page(write_page(runs, tmp_path / "page.html").read_text())
    assert page.tables[0][1][2] == "0.5 [0.2, 0.8]"  # p: (.1 + .3) / 2, q: .8


def test_children_of_one_policy_are_not_two_policies(make, tmp_path):
    """From a come m0 and m1, from m0 e0, from m1 e1: what e0 and e1 show is the luck of a."""
    runs = [make(f"e{k}", [0, v], seed=k, method="finetune", parent=f"m{k}") for k, v in enumerate((0.1, 0.3))]
    for run in runs:
        record = json.loads((run / "config.json").read_text())
        nearest = record["config"]["parents"][0]
        record["config"]["parents"].append({**nearest, "run": "a", "sha256": "a" * 16})
        (run / "config.json").write_text(json.dumps(record))
    page = check_page(write_page(runs, tmp_path / "page.html").read_text())
    assert "(1 pretrained policy, 2 runs)" in page.text
    assert page.tables[0][1][2] == "0.2 one pretrained policy"


def test_what_differs_from_the_defaults_comes_first(make):
    page = check_page(write_page([make("a", [0, 0.5], clip=0.25)]).read_text())
    changed = dict(page.tables[1][1:])
    assert changed["settings.ppo.clip"] == "0.25"
    assert changed["method"] == "ppo"
    usual = [item for item in page.items if item.startswith("settings.")]
    assert usual == ["settings.rewards=task=1"]  # of those that are written in this record
    assert "1 more, as by default" in page.text


def test_what_is_not_finished_and_refusals(make, tmp_path):
    run = make("a", [0, 0.5], steps=5000)
    page = check_page(write_page([run]).read_text())
    assert "a is not finished: 1,000 of 5,000 steps." in page.text
    with pytest.raises(UserError, match="given twice"):
        write_page([run, tmp_path / "b/../a"])
    with pytest.raises(UserError, match="did you mean"):
        write_page([tmp_path / "aa"])
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/results.json").write_text("{}")
    with pytest.raises(UserError, match=r"no run or study in '.*/letter'; did you mean '.*/letters'\?"):
        write_page([tmp_path / "letter"])
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match=r"no line in metrics\.jsonl"):
        write_page([run])


def test_the_model_card(make):
    run = make("a", [0.0, 0.25, 0.5], parent="p")
    text = write_card(run).read_text()
    assert text == (run / "model_card.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Model card: a", "## Model details", "### Lineage", "## Intended use", "## Training data",
        "## Measured results", "## Limits and caveats",
    ]  # fmt: skip
    assert "| success on fresh levels (`eval/success`) | 0 | 0.5 | one seed; [0.404, 0.596] over 100 levels |" in text
    assert "- p: ppo on grid/Empty-5x5-v0, 7 steps, sha256 `pppppppp`" in text
    assert "1,000 env steps of its own play in 8 copies of grid/Empty-5x5-v0; no recorded data" in text
    assert "not finished" not in text
    record = json.loads((run / "config.json").read_text())
    record["config"]["settings"]["rewards"] = ["task=1", "preferences=0.5", "icm=1"]
    record["config"] |= {"steps": 2000, "parents": []}
    text = card("a", record, [{"step": 1000, "train/loss": 1.0}])
    assert "no recorded data" not in text
    assert "of their own, see `config.json`: preferences=0.5\n" in text
    assert "- not finished: 1,000 of 2,000 steps" in text
    assert "Nothing was measured" in text
    assert "It began from scratch." in text
    assert write_card(run.parent) is None


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (5, 10), (91, 100), (512, 512)])
def test_wilsons_interval(hits, count):
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-6)
