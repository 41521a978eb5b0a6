"""The model card: what a run learnt from, and what is not claimed where it is not known."""

import pytest

from selfplay.card import card


def written(last=None, **config):
    """The card of a run of 1,000 steps with these in its configuration, and in the last line of its log."""
    whole = {"method": "ppo", "env": "grid/Empty-5x5-v0", "steps": 1000, "seed": 0, **config}
    whole["settings"] = {"num_envs": 8, "rewards": ["task=1"]} | config.get("settings", {})
    return card("a", {"config": whole, "threads": 1}, [{"step": 1000, "train/loss": 1.0} | (last or {})])


def trained_on(**config):
    """Its bullets under "Training data"."""
    return written(**config).partition("## Training data\n\n")[2].partition("\n\n")[0]


PLAYED = {"run": "p", "method": "ppo", "env": "grid/Empty-5x5-v0", "step": 7, "rewards": ["task=1"], "sha256": "p"}


def test_the_card_of_a_clone_says_whose_episodes():
    given = {"file": "episodes.safetensors", "sha256": "abc", "episodes": 20}
    text = trained_on(method="clone", demonstrations=given, parents=[PLAYED])
    assert "20 recorded episodes from episodes.safetensors, played by p (sha256 `abc`); 1,000 recorded steps" in text
    assert "rewards and" not in text
    assert "no recorded" not in text
    assert "env steps of its own play" not in text
    assert "of no run that the file names" in trained_on(method="clone", demonstrations=given, parents=[])


def test_the_card_of_a_policy_from_answers_says_whose():
    given = {"sha256": "abc", "comparisons": 40, "teachers": ["anna", "script"]}
    text = trained_on(method="dpo", preferences=given, parents=[PLAYED])
    assert "40 comparisons of two clips, answered by: anna, script (sha256 `abc`)" in text
    assert "rewards and" not in text
    assert "nothing from people" not in text
    del given["teachers"]  # of a version before these were kept
    assert "answered by: whom is not recorded" in trained_on(method="dpo", preferences=given, parents=[PLAYED])


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ({}, None),
        ({"method": "clone"}, "q learnt from recorded episodes"),
        ({"method": "dpo"}, "q learnt from comparisons of clips"),
        ({"rewards": ["task=1", "preferences=0.5"]}, "q was paid by preferences=0.5"),
    ],
)
def test_the_card_claims_nothing_recorded_only_where_no_ancestor_had_any(parent, words):
    text = trained_on(method="finetune", parents=[PLAYED, PLAYED | {"run": "q"} | parent])
    assert ("nothing from people" in text) == (words is None)
    assert words is None or f"what was not play alone: {words}" in text
    unknown = {key: value for key, value in PLAYED.items() if key != "rewards"}  # of a version before these were kept
    assert "nothing from people" not in trained_on(method="finetune", parents=[unknown])


def test_the_card_of_a_game_does_not_call_its_payoff_the_task():
    text = trained_on(method="alice-bob", settings={"rewards": ["task=1", "rnd=0.1"]})
    assert "the world's own reward is not seen" in text
    assert "what Alice is paid, and the weights: the game's payoff=1, rnd=0.1" in text
    assert "task=1" not in text


def test_a_clone_does_not_begin_with_who_played():
    given = {"file": "f", "sha256": "abc", "episodes": 20}
    text = written(method="clone", demonstrations=given, parents=[PLAYED])
    assert "Its episodes were played by these runs" in text
    assert "It begins with" not in text
    assert "It begins with these runs" in written(method="finetune", parents=[PLAYED])


def test_a_fit_that_stopped_early_is_finished():
    given = {"file": "f", "sha256": "abc", "episodes": 20}
    text = written({"train/best_pass": 3.0}, method="clone", demonstrations=given, steps=5000)
    assert "stopped after 1,000 of at most 5,000 steps: what was held out got no better" in text
    assert "not finished" not in text
    assert "not finished: 1,000 of 5,000 steps" in written(method="clone", demonstrations=given, steps=5000)
