"""What pretraining was worth, from curves whose figures are known."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from selfplay.studies import report, transfer_tables
from selfplay.studies.reductions import Last
from selfplay.studies.results import Results
from selfplay.studies.statistics import iqm
from selfplay.studies.study import Arm, Measure, Run, Study
from selfplay.studies.transfer_families import Family, Transfer
from selfplay.transfer.bootstrap import Estimate

ENVS = ("grid/Empty-5x5-v0", "grid/Empty-6x6-v0")
LENGTH = {"scratch": 100, "total": 300, "good": 100, "bad": 100}
SLOPES = {"scratch": (0.0, 0.8), "total": (0.0, 1.0), "good": (0.4, 1.0), "bad": (0.0, 0.6)}  # from, to; scaled


def declared(nested=1, seeds=6):
    arms = tuple(
        Arm(f"{method}.{k}", Run("ppo", env, LENGTH[method])) for method in LENGTH for k, env in enumerate(ENVS)
    )
    family = Family(("five", "six"), {method: method for method in LENGTH}, 0.5, tuple(LENGTH))
    return Study(
        "s", "?", arms, (Measure("end", "eval/success", Last()),), curves=("eval/success",), seeds=seeds, nested=nested,
        groups={method: (f"{method}.0", f"{method}.1") for method in LENGTH},
        transfer=Transfer("eval/success", {ENVS[0]: (0.0, 1.0), ENVS[1]: (0.5, 1.0)}, {"grid": family}, "scratch",
                          "total", 0.5),
    )  # fmt: skip


def results(study, luck, without=()):
    """Straight curves, with `luck` [seeds] added to those of `good`; raw values of the second world lie in .5 … 1."""
    curves = {arm.name: {} for arm in study.arms}
    for arm in study.arms:
        method = arm.name.partition(".")[0]
        begin, end = SLOPES[method]
        zero, one = study.transfer.scale[arm.run.env]
        for seed, more in enumerate(luck):
            if f"{arm.name}/s{seed}" not in without:
                scaled = np.linspace(begin, end, 21) + (more if method == "good" else 0)
                curves[arm.name][seed] = (np.linspace(0, arm.run.steps, 21), zero + (one - zero) * scaled)
    return Results({"end": {arm.name: {} for arm in study.arms}}, {"eval/success": curves})


def test_figures_by_hand():
    study = declared()
    parts, numbers = transfer_tables.sections(study, results(study, np.zeros(6)))
    held = numbers["against_scratch"]["grid"]
    # ends: the mean of the last tenth of a straight line, .95 along it: good .4 + .6 · .95 = .97, scratch .76, bad .57
    assert held["good"]["at the end"] == pytest.approx((0.21, 0.21, 0.21))
    assert held["bad"]["at the end"] == pytest.approx((-0.19, -0.19, -0.19))
    assert held["good"]["all along"] == pytest.approx((0.3, 0.3, 0.3))  # .7 − .4
    tables = numbers["grid"]["tables"]
    ends = {row["method"]: row["IQM"].value for row in tables["Scores"]}
    assert ends == pytest.approx({"scratch": 0.76, "good": 0.97, "bad": 0.57, "total": 0.95})
    early = {row["method"]: row for row in tables["Scores"]}
    assert (early["good"]["zero-shot"].value, early["good"]["few-shot, 50"].value) == pytest.approx((0.4, 0.7))
    assert "zero-shot" not in early["total"]  # which has other steps
    (against,) = [row for row in tables["Against `scratch`, of as many downstream steps"] if row["method"] == "good"]
    assert against["jumpstart"].value == pytest.approx(0.4)
    assert against["few-shot difference, 50"].value == pytest.approx(0.3)
    assert against["transfer ratio"].value == pytest.approx(0.75)
    assert against["forward transfer"].value == pytest.approx(0.5)  # .3 / (1 − .4)
    assert against["IQM difference to `total`"].value == pytest.approx(0.97 - 0.95)
    assert against["P(better than `total`)"].value == 1
    times = {row["method"]: row for row in tables["Env steps to a score of 0.5"]}
    assert times["scratch"]["six ↓"].value == pytest.approx(65)  # of its 21 points the first beyond .5 / .8 · 100
    assert times["scratch"]["six: reached"] == "6 of 6"
    first, second = parts[1:3], parts[3:5]
    assert "not wholly above 0" in first[0] and "`bad` -0.19" in first[1] and "good" not in first[1]  # noqa: PT018
    assert "`good` 0.21" in second[1] and "bad" not in second[1]  # noqa: PT018
    json.dumps(transfer_tables.as_json(numbers))


def test_policies_are_drawn_and_not_runs(tmp_path):
    """Three policies with two runs each: the interval is that of the three."""
    luck = np.repeat([-0.1, 0.0, 0.1], 2)
    study = declared(nested=2)
    _, numbers = transfer_tables.sections(study, results(study, luck))
    end = numbers["against_scratch"]["grid"]["good"]["at the end"]
    assert end.value == pytest.approx(0.21 + iqm(np.repeat(luck, 2)))
    assert (end.low, end.high) == pytest.approx((0.11, 0.31))
    lost = results(study, luck, without=["good.1/s3"])  # and s2 with it
    _, numbers = transfer_tables.sections(study, lost)
    assert numbers["grid"]["tables"]["Scores"][1]["runs"] == "2 × 2 seeds × 2 tasks"
    transfer_tables.draw(study, lost, tmp_path)
    assert (tmp_path / "profiles-grid.png").stat().st_size > 5000


def test_what_is_not_there_is_said_and_nothing_is_made_up():
    study = declared()
    gone = [f"{arm}/s{seed}" for arm in ("good.0", "total.1") for seed in range(6)]
    parts, numbers = transfer_tables.sections(study, results(study, np.zeros(6), gone))
    assert {"good: not finished", "total: not finished"} <= set(numbers["grid"]["notes"])
    assert not any("total`" in key for row in numbers["grid"]["tables"].values() for key in row[0])
    scratch_gone = [f"scratch.0/s{seed}" for seed in range(6)]
    assert transfer_tables.sections(study, results(study, np.zeros(6), scratch_gone)) == ([], {})
    assert parts[0].startswith("## What did not beat")


def test_a_report_says_it_first_and_its_export_says_the_same(fake, tmp_path):
    study = declared(seeds=5)
    luck = (0.0, 0.02, -0.02, 0.04, 0.01)
    curves = {}
    for arm in study.arms:
        begin, end = SLOPES[arm.name.partition(".")[0]]
        for seed, more in enumerate(luck):
            curves[f"{arm.name}/s{seed}"] = list(np.round(np.linspace(0.5 + begin / 2, 0.5 + end / 2, 21) + more, 3))
    fake(study, tmp_path / "runs", curves)
    text = report.write_report(study, tmp_path / "runs")
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["What did not beat learning from scratch",
                                                           "Transfer: grid", "Arms"]  # fmt: skip
    report.export(study, tmp_path / "small", (tmp_path / "runs",))
    again = (tmp_path / "small" / "README.md").read_text()
    upto = text.index("## Arms")
    assert again[: again.index("## Arms")] == text[:upto]
    assert "transfer" in json.loads((tmp_path / "small" / "results.json").read_text())
    assert (tmp_path / "small" / "profiles-grid.png").exists()


def test_what_is_compared_must_be_declared():
    study = declared()
    groups = {name: arms for name, arms in study.groups.items() if name != "bad"}
    with pytest.raises(ValueError, match="transfer: unknown group 'bad'"):
        dataclasses.replace(study, groups=groups)
    with pytest.raises(ValueError, match="transfer: unknown curve 'eval/success'"):
        dataclasses.replace(study, curves=())


def test_one_policy_beats_nothing():
    study = declared(seeds=1)
    parts, _ = transfer_tables.sections(study, results(study, np.zeros(1)))
    assert "`good` 0.21 (one seed: no interval)" in parts[2]
    assert parts[4] == "- none"


def test_one_pretrained_policy_is_not_called_a_seed():
    """Two runs of one policy: no interval, in the lists and in the tables."""
    study = declared(nested=2, seeds=2)
    parts, numbers = transfer_tables.sections(study, results(study, np.zeros(2)))
    assert "`good` 0.21 (one pretrained policy: no interval)" in parts[2]
    assert "one seed" not in "".join(part for part in parts if part.startswith("|"))
    assert np.array(numbers["grid"]["profiles"]["good"]) == pytest.approx(np.full((1, 2, 2), 0.97))


def test_large_numbers_and_what_is_never_reached():
    assert str(Estimate(3720.0, 3120.4, math.inf)) == "3,720 [3,120, ∞]"
