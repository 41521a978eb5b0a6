"""The arms of a study as commands: what is printed can be typed, and what cannot be typed says so."""

import shlex

import pytest

from selfplay.cli import main
from selfplay.config import parse_pairs
from selfplay.report.arms import begins_with, commands, lineage, steps_of
from selfplay.studies.catalogue import STUDIES, find_study
from selfplay.studies.records import registration
from selfplay.studies.reductions import Last
from selfplay.studies.study import Arm, Measure, Run, Study

GAME = Run("alice-bob", "grid/Empty-5x5-v0", 500, {"num_envs": "8"})
TUNED = Run("finetune", "grid/Empty-6x6-v0", 100, {"keep": "encoder"}, GAME)
ARMS = (
    Arm("chance", Run("random", "grid/Empty-6x6-v0", 1)),
    Arm("tuned", TUNED),
    Arm("probe", Run("finetune", "grid/Empty-5x5-v0", 10, {}, TUNED)),
    Arm("pressed", Run("overoptimization", "grid/Empty-5x5-v0", 20, {}, GAME)),
)
REGISTERED = registration(Study("s", "?", ARMS, (Measure("score", "eval/success", Last()),)))["arms"]


def test_what_a_run_begins_with_comes_before_it():
    assert commands(REGISTERED["chance"]) == ["selfplay train random --env grid/Empty-6x6-v0 --steps 1"]
    game = "selfplay train alice-bob --env grid/Empty-5x5-v0 --steps 500 --set num_envs=8 --run-dir BEGIN"
    assert commands(REGISTERED["tuned"]) == [
        game,
        "selfplay finetune BEGIN --env grid/Empty-6x6-v0 --steps 100 --set keep=encoder",
    ]
    assert commands(REGISTERED["probe"]) == [
        f"{game}1",
        "selfplay finetune BEGIN1 --env grid/Empty-6x6-v0 --steps 100 --set keep=encoder --run-dir BEGIN2",
        "selfplay finetune BEGIN2 --env grid/Empty-5x5-v0 --steps 10",
    ]
    assert commands(REGISTERED["pressed"]) == [
        game,
        "# overoptimization on grid/Empty-5x5-v0 begins with BEGIN: no command by itself, selfplay study runs it",
    ]
    unnamed = {key: value for key, value in REGISTERED["tuned"].items() if key != "begins"}
    assert commands(unnamed)[0].startswith("# finetune on grid/Empty-6x6-v0 begins with a run that was not registered")


def test_lineage_in_words():
    assert begins_with(REGISTERED["chance"], REGISTERED) == ""
    assert begins_with(REGISTERED["probe"], REGISTERED) == (
        "finetune on grid/Empty-6x6-v0, 100 steps (arm tuned); before it alice-bob on grid/Empty-5x5-v0, 500 steps"
    )
    assert steps_of(REGISTERED) == "1 to 100, after 500 or 600 of pretraining where there is any"
    assert steps_of({"chance": REGISTERED["chance"]}) == "1"


@pytest.mark.parametrize("name", STUDIES)
def test_the_commands_of_every_study_can_be_read(name):
    """Words, options and pairs; that the settings are right is held when the study is planned."""
    for run in registration(find_study(name))["arms"].values():
        for one, line in zip(lineage(run), commands(run), strict=True):
            if line.startswith("#"):
                assert one["method"] == "overoptimization"
                continue
            program, word, *words = shlex.split(line)
            context = main.commands[word].make_context(word, words)
            assert (program, context.params["steps"]) == ("selfplay", one["steps"])
            assert parse_pairs(context.params["pairs"]) == one["overrides"]
