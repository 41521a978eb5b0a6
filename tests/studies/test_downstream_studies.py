"""The studies of learnt rewards, from end to end in small."""

import json

import pytest
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.studies.catalogue import find_study
from selfplay.studies.plan import quick


@pytest.mark.slow
def test_overoptimization_in_small(tmp_path):
    """Arms of one seed begin as the same policy; the report has laws, stops and the figure."""
    done = CliRunner().invoke(main, ["study", "overoptimization", "--quick", "--seeds", "1", "--jobs", "1",
                                     "--dir", str(tmp_path)])  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "results.json").read_text())
    assert not result["problems"]
    first = {}
    for arm in result["registration"]["arms"]:
        lines = [json.loads(line) for line in (tmp_path / arm / "s0/metrics.jsonl").read_text().splitlines()]
        points = [line for line in lines if "overoptimization/rl/d" in line]
        assert len(points) > 10
        first[arm] = points[0]["overoptimization/rl/gold"]
        assert points[0]["overoptimization/rl/kl"] == 0
    assert len(set(first.values())) == 1
    assert (tmp_path / "against.png").stat().st_size > 20_000
    text = (tmp_path / "README.md").read_text()
    for words in ("gold fell by 5 %, rl", "α of gold, bon", "β of gold, rl", "gold at 6 nats, rl", "against.png"):
        assert words in text


@pytest.mark.slow
def test_a_myopic_teacher_says_what_the_perfect_one_says(tmp_path):
    """DoorKey pays in the last step of an episode: both runs are the same."""
    for arm in ("oracle", "myopic"):
        done = CliRunner().invoke(main, ["study", "teachers", "--quick", "--arms", arm, "--jobs", "1",
                                         "--dir", str(tmp_path)])  # fmt: skip
        assert done.exit_code == 0, done.output
    told = [(tmp_path / arm / "s0/metrics.jsonl").read_text() for arm in ("oracle", "myopic")]
    assert told[0] == told[1]
    assert "preferences/heldout_ceiling" in told[0]


def test_what_is_compared_differs_in_one_thing_only():
    """Each teacher from the perfect one by its own setting, each aggregate from the mean; budgets are equal."""
    teachers = find_study("teachers")
    perfect = teachers.arm("oracle").run.overrides
    same = find_study("preferences").arm("DoorKey-6x6.uniform-700").run
    assert {**perfect, "queries.method": "uniform"} == same.overrides
    assert teachers.arm("oracle").run.begins == same.begins
    for arm in teachers.arms:
        run = arm.run
        assert run.begins == teachers.arm("oracle").run.begins
        if arm.name not in ("task", "nothing"):
            changed = {key for key, value in run.overrides.items() if perfect.get(key) != value}
            assert perfect.keys() <= run.overrides.keys()
            assert all(key.startswith("teacher.") for key in changed)
            assert len(changed) == (arm.name != "oracle")
    study = find_study("overoptimization")
    mean = study.arm("mean").run.overrides
    for name, key in (("single", "members"), ("lower", "aggregate"), ("min", "aggregate")):
        other = study.arm(name).run.overrides
        assert {k for k in other | mean if other.get(k) != mean.get(k)} == {f"taught.preferences.{key}"}
    assert study.seeds >= 20
    small = quick(study)
    rollout = int(mean["num_envs"]) * int(mean["rollout_steps"])
    assert small.arm("mean").run.steps // rollout > 10
    assert int(mean["labels.warmup"]) * rollout < study.arm("mean").run.steps // 20  # point 0 has a line of its own
