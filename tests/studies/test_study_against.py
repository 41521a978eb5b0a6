"""What is read off curves over another tag: by hand, and in a study's report."""

import dataclasses
import json

import numpy as np
import pytest

from selfplay.studies.against import Against, AtBest, ScalingLaw, Stopped
from selfplay.studies.figure_against import drawn_against
from selfplay.studies.records import registration
from selfplay.studies.reductions import Fell, Last, Peak
from selfplay.studies.report import write_report
from selfplay.studies.results import read_results
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

D = np.linspace(0, 4, 21)


@pytest.mark.parametrize(("form", "curve"), [
    ("bon", lambda d: d * (0.7 - 0.2 * d)),
    ("rl", lambda d: d * (0.7 - 0.2 * np.log(np.maximum(d, 1e-300)))),
])  # fmt: skip
def test_the_laws_are_recovered(form, curve):
    """α .7 and β .2, whatever the value at d = 0 is and whatever the order."""
    order = np.random.default_rng(0).permutation(len(D))
    for coefficient, expected in (("alpha", 0.7), ("beta", 0.2)):
        found = ScalingLaw(form, coefficient)(list(D[order]), list(0.4 + curve(D[order])), 1)
        assert found.low == pytest.approx(expected, abs=1e-9)
        assert not found.censored
    other = ScalingLaw("rl" if form == "bon" else "bon", "beta")(list(D), list(curve(D)), 1)
    assert other.low != pytest.approx(0.2, abs=0.02)


def test_two_points_by_hand():
    """At d 1 and 2: α - β = .3, 2 (α - 2 β) = .2, so α = .5, β = .2; α = .3, 2 (.3 - β ln 2) = .2, so β = .288539."""
    x, y = [0, 1, 2], [1.0, 1.3, 1.2]
    assert [ScalingLaw("bon", c)(x, y, 1).low for c in ("alpha", "beta")] == pytest.approx([0.5, 0.2])
    assert [ScalingLaw("rl", c)(x, y, 1).low for c in ("alpha", "beta")] == pytest.approx([0.3, 0.288539], abs=1e-6)


def test_nothing_to_fit_is_nothing():
    assert ScalingLaw("rl", "alpha")([0, 0, 0], [1, 1, 1], 1).low == 0
    with pytest.raises(ValueError, match="a distance is -1"):
        ScalingLaw("rl", "alpha")([0, -1], [1, 1], 1)


@pytest.mark.parametrize(("how", "found"), [
    (Stopped(2.0), 0.9), (Stopped(2.5), 0.6), (Stopped(9.0), 0.3), (Stopped(0), 0.5),
    (Stopped(2.0, saved=True), 0.6), (Stopped(9.0, saved=True), 0.0),
    (AtBest(), 0.6), (AtBest(saved=True), 0.3),
])  # fmt: skip
def test_stops(how, found):
    """Of x 0, 2, 3, 1 with values .5, .9, .6, .3."""
    assert how([0, 2, 3, 1], [0.5, 0.9, 0.6, 0.3], 1).low == pytest.approx(found)


def test_the_first_of_several_best():
    assert AtBest()([1, 3, 3], [0.1, 0.2, 0.3], 1).low == 0.2


@pytest.mark.parametrize(("values", "fell"), [
    ([0.5, 1.0, 0.94], 1), ([0.5, 1.0, 0.96], 0), ([0.5, 0.2, 0.6], 0), ([0.0, 0.0], 0), ([0.0, -1.0], 0),
])  # fmt: skip
def test_a_fall_of_more_than_a_twentieth(values, fell):
    assert Fell(0.05)(list(range(len(values))), values, 1).low == fell


def test_shares_are_bounded():
    with pytest.raises(ValueError, match="by: 1"):
        Fell(1)


RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)
STUDY = Study(
    "tiny", "Does it fall?", (Arm("a", RUN), Arm("b", RUN)),
    (
        Measure("fell", "gold", Fell(0.05), "share of seeds"),
        Measure("peak", "gold", Peak()),
        Measure("stopped", "gold", Stopped(2.0), against="kl"),
        Measure("slope", "gold", ScalingLaw("bon", "alpha"), against="kl"),
    ),
    (Claim("a falls more often", "fell", "a", "b", "difference", ">= 0.5"),),
    against=(Against("kl", ("gold", "proxy"), "nats"),), seeds=6,
)  # fmt: skip


@pytest.fixture
def folder(fake, tmp_path):
    """Six seeds of two arms; gold of a falls with KL, that of b stays. The first line has no KL."""
    fake(STUDY, tmp_path, {f"{arm}/s{seed}": [0.0] * 4 for arm in "ab" for seed in range(6)}, tag="gold")
    for arm in "ab":
        for seed in range(6):
            golds = [0.5, 0.8, 0.9, 0.9 if arm == "b" else 0.2]
            lines = [{"step": 250 * (k + 1), "gold": g, "proxy": k} for k, g in enumerate(golds)]
            for k in (1, 2, 3):
                lines[k]["kl"] = float(k - 1)
            path = tmp_path / arm / f"s{seed}/metrics.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_a_report_over_another_tag(folder):
    text = write_report(STUDY, folder)
    result = json.loads((folder / "results.json").read_text())
    assert result["averages"]["fell"]["a"]["found_low"] == 1
    assert result["averages"]["fell"]["b"]["found_low"] == 0
    assert result["values"]["stopped"]["a"]["s0"]["low"] == 0.2  # at KL 2, the third of the three that have one
    # from .8 on: d 1, 2 give .1 and -.6: α - β = .1, 2 (α - 2 β) = -.6: α = .5
    assert result["values"]["slope"]["a"]["s0"]["low"] == pytest.approx(0.5)
    assert result["verdicts"][0]["verdict"] == "as predicted"
    assert "![tags over other tags](against.png)" in text
    assert "- stopped: `gold`, at the first x of 2 or more, x = kl" in text
    assert (folder / "against.png").stat().st_size > 5000
    assert registration(STUDY)["measures"]["stopped"] == "gold: at the first x of 2 or more, x = kl"


def test_another_figure_is_laid_over_it_and_changes_nothing_else(folder):
    """Gold over KL with proxy over KL beside: the same numbers, one more dashed line in every panel, and a legend."""
    beside = Against("kl", ("proxy", "gold"), "the best")
    study = dataclasses.replace(STUDY, against=(Against("kl", ("gold", "proxy"), "nats", beside),))
    assert registration(study) == registration(STUDY)
    assert study.drawn == STUDY.drawn
    results = read_results(study, [folder], 6)
    plain, laid_over = (drawn_against(one, results) for one in (STUDY, study))
    for before, after in zip(plain.axes, laid_over.axes, strict=True):
        assert len(after.lines) == len(before.lines) + 1
        assert after.lines[-1].get_linestyle() == "--"
        assert after.get_legend().get_texts()[0].get_text() == "the best"
    np.testing.assert_array_equal(laid_over.axes[0].lines[-1].get_ydata(), [1, 2, 3])
    with pytest.raises(ValueError, match=r"against kl: beside has 2 tags y \(expected 1\)"):
        Against("kl", ("gold",), beside=beside)


def test_a_tag_that_is_missing_is_named(folder):
    study = dataclasses.replace(STUDY, measures=(*STUDY.measures, Measure("x", "gold", AtBest(), against="kll")))
    (problem, _) = read_results(study, [folder], 6).problems
    assert problem == "a: x: no 'kll' in metrics.jsonl; did you mean 'kl'? (s0–s5)"


def test_what_is_held_against_what_is_checked():
    with pytest.raises(ValueError, match=r"measure 'm': against = '' \(expected a tag to be held against\)"):
        Measure("m", "gold", Stopped(1.0))
    with pytest.raises(ValueError, match="expected none: it reads env steps"):
        Measure("m", "gold", Last(), against="kl")
