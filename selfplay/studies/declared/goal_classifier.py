"""Is a goal classifier exploited, and does playing against it help?

One level of two worlds in which random play does not come everywhere: behind a wall with one gap, and behind a locked
door. The classifier sees all that matters of the world ("state"), the player what it always sees; success is what the
task calls so. A frozen classifier is fitted once, to known successes and to states of random play. The claims,
their margins and the settings were written before anything was run; a pilot of one seed that the study does not use
(100) only shortened the budget.
"""

from __future__ import annotations

from selfplay.studies.reductions import AreaUnderCurve, LateMean
from selfplay.studies.study import Arm, Claim, Factors, Measure, Run, Study

WORLDS = ("SimpleCrossingS9N1", "DoorKey-6x6")
STEPS = 300_000
SETTINGS = {
    "num_envs": "64",
    "rollout_steps": "32",
    "levels": "1",
    "ppo.minibatch_size": "512",
    "eval_episodes": "32",
}
CLASSIFIERS = {  # beside the settings by default: balanced, against the player, alone
    "frozen": {"adversarial": "false"},
    "frozen-ensemble": {"adversarial": "false", "members": "5"},
    "adversarial": {},
    "adversarial-ensemble": {"members": "5"},
    "unbalanced": {"balanced": "false"},
}


def _arm(world: str, kind: str) -> Arm:
    overrides = dict(SETTINGS)
    if kind != "task":
        overrides |= {"rewards": "classifier=1", "taught.classifier.reads": "state"}
        overrides |= {f"taught.classifier.{key}": value for key, value in CLASSIFIERS[kind].items()}
    return Arm(f"{world}.{kind}", Run("ppo", f"grid/{world}-v0", STEPS, overrides), {"world": world, "reward": kind})


def _judged(factors: Factors) -> bool:
    return factors["reward"] != "task"


CONFIDENCE, SUCCESS, MISSED = "confidence", "true success", "known successes missed"
_TAG, _UNIT = "train/classifier/", "mean C of visited states"


def _claims(world: str) -> tuple[Claim, ...]:
    def between(text: str, measure: str, left: str, right: str, expected: str) -> Claim:
        return Claim(f"{world}: {text}", measure, f"{world}.{left}", f"{world}.{right}", "difference", expected)

    return (
        between("a frozen classifier is sure of success", CONFIDENCE, "frozen", "adversarial", ">= 0.3"),
        between("and there is none", SUCCESS, "task", "frozen", ">= 0.5"),
        between("against the player, success comes", SUCCESS, "task", "adversarial", "<= 0.1"),
        between("more than frozen", SUCCESS, "adversarial", "frozen", ">= 0.3"),
        between("five frozen ones are harder to fool", SUCCESS, "frozen-ensemble", "frozen", ">= 0.1"),
        between("unbalanced, true successes come to be missed", MISSED, "unbalanced", "adversarial", ">= 0.5"),
    )


STUDY = Study(
    name="goal-classifier",
    question="Is a goal classifier exploited, and does playing against it help?",
    arms=tuple(_arm(world, kind) for world in WORLDS for kind in ("task", *CLASSIFIERS)),
    measures=(
        Measure(CONFIDENCE, f"{_TAG}confidence", LateMean(0.1), _UNIT, "neither", _judged),
        Measure("confidence, all along", f"{_TAG}confidence", AreaUnderCurve(), _UNIT, "neither", _judged),
        Measure(SUCCESS, "eval/success", LateMean(0.1), "share of episodes"),
        Measure("true success, all along", "eval/success", AreaUnderCurve(), "share of episodes"),
        Measure(MISSED, f"{_TAG}missed", LateMean(0.1), "share of those held out", "down", _judged),
        Measure("visited successes missed", f"{_TAG}missed_visited", LateMean(0.1), "share, of seeds with any", "down",
                _judged),
    ),
    claims=tuple(claim for world in WORLDS for claim in _claims(world)),
    curves=("train/classifier/confidence", "eval/success"),
    seeds=5,
    quick_seeds=2,
    quick_steps=50_000,
)  # fmt: skip
