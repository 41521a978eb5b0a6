"""What is pretraining without reward worth on tasks that were not there? In a grid and with forces.

A policy is pretrained in one world, by a bonus alone or by self-play alone, and then trained by reward on four worlds
that it has not seen: its score before the first update (zero-shot), after a tenth of the steps (few-shot) and over a
small budget. Success is normalised by chance (0) and every episode solved (1). Bonuses are one of each kind that there
is: an error of prediction (ICM), novelty over the run (RND), novelty within the episode (NovelD); `transfer-bonuses`
has them all. Methods take over the actor; `+critic` also the critic, which in grids is a value head that only Bob has
for a reward from outside (a bonus has its own); `+frozen` the encoder alone (the first layer), which stays as it is.

Held against: from scratch with as many downstream steps; from scratch with as many steps in all; and an encoder that is
random and frozen. Whatever gains on the first alone may have gained no more than steps.

Two runs on each task begin with each of ten pretrained policies, and all these are drawn together. Of retention there
are probes: the policy, as pretraining left it and after two of the tasks, plays in the world of pretraining without
learning. Coverage is the skill that a bonus teaches, success in mazes what Bob's goals ask for; in grids his goal is
cut off with the game, and coverage says little of him.

Tasks and budgets were chosen on seed 100 by learning from scratch alone. In 300,000 steps it solves Unlock,
KeyCorridorS3R1 and nine tenths of SimpleCrossingS9N1, and a third of LavaCrossingS9N1; in 80,000 nearly all of
PointMaze-U, and a third of Medium and of Corridor. Left out were DoorKey-8x8, UnlockPickup and FourRooms, where it gets
nowhere, and PointMaze-Large, where everything is pretrained. Self-play had been seen for 400,000 steps of DoorKey-6x6,
with .08 of all goals reached, and 60,000 of PointMaze-Medium, with .66. Nothing pretrained had been fine-tuned, but for
10,000 steps of the quick version, when this was registered.

2,280 runs and 120 that they begin with. Seconds of processor time, as piloted beside a busy machine, where a core does
half to two thirds of what it does alone:

    grid    720 runs of 300,000 steps, 7 s; 80 of 1.3 M, 26 s; 50 policies, 30 s; 300 probes, 1.5 s          9,100
    mazes   720 runs of 80,000 steps, 18 s; 80 of 230,000, 27 s; 30 policies, 15 s, 20 of Bob, 84 s;
            300 probes, 3.5 s                                                                                18,400

So 2 to 2½ hours on two cores that are free. In mazes two thirds of that are evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping

from selfplay.studies.declared.transfer_runs import (
    CURIOUS,
    FAMILIES,
    RANDOM,
    SCRATCH,
    SELF_PLAY,
    TOTAL,
    probe_arms,
    probe_groups,
    scale,
    task_arms,
    task_groups,
)
from selfplay.studies.reductions import AreaUnderCurve, At, FirstStep, Last, LateMean
from selfplay.studies.study import Claim, Measure, Study
from selfplay.studies.transfer_families import Family, Transfer

PRETRAINED = ("icm", "rnd", "noveld", SELF_PLAY, CURIOUS)
METHODS = {
    "grid": (SCRATCH, TOTAL, RANDOM, *PRETRAINED, f"{SELF_PLAY}+critic", "noveld+frozen"),
    "mujoco": (SCRATCH, TOTAL, RANDOM, *PRETRAINED, f"{SELF_PLAY}+critic", "noveld+critic"),
}
FEW_SHOT, THRESHOLD = 0.1, 0.5
END, ALONG, ZERO_SHOT = "score at the end", "score, all along", "zero-shot score"
COVERAGE, SUCCESS = "coverage where it was pretrained", "success where it was pretrained"
_SCALE = scale(*FAMILIES)
_TASKS = {task for worlds in FAMILIES.values() for task in worlds.tasks}


def on_task(factors: Mapping[str, str]) -> bool:
    """Whether an arm learns a task."""
    return factors["task"] in _TASKS


def as_long(factors: Mapping[str, str]) -> bool:
    """Whether it does, for as many downstream steps as the others."""
    return on_task(factors) and factors["method"] != TOTAL


def _probes(factors: Mapping[str, str]) -> bool:
    return not on_task(factors)


TASK_MEASURES = (
    Measure(END, "eval/success", LateMean(0.1), "normalised", arms=on_task, scale=_SCALE),
    Measure(ALONG, "eval/success", AreaUnderCurve(), "normalised", arms=as_long, scale=_SCALE),
    Measure(ZERO_SHOT, "eval/success", At(0), "normalised", arms=as_long, scale=_SCALE),
    Measure("few-shot score", "eval/success", At(FEW_SHOT), "normalised", arms=as_long, scale=_SCALE),
    Measure(f"steps to a score of {THRESHOLD:g}", "eval/success", FirstStep(THRESHOLD), "env steps", "down",
            arms=as_long, scale=_SCALE),
)  # fmt: skip
PROBE_MEASURES = (
    Measure(COVERAGE, "coverage/positions", Last(), "share of cells an episode", arms=_probes),
    Measure(SUCCESS, "eval/success", LateMean(1.0), "share of episodes", arms=_probes),
)


def family(name: str, methods: tuple[str, ...], probed: tuple[str, ...] = ()) -> Family:
    """What is reported of these methods in one family of worlds."""
    return Family(
        tasks=tuple(FAMILIES[name].tasks),
        methods={method: f"{name}.{method}" for method in methods},
        few_shot=FEW_SHOT,
        profiles=tuple(method for method in methods if "+" not in method and method != TOTAL),
        retention={method: (f"{name}.{method} before", f"{name}.{method} after") for method in probed},
    )


def claim(where: str, text: str, measure: str, left: str, right: str, expected: str) -> Claim:
    """A difference of two methods (or what is kept of one) in a family, averaged over its tasks."""
    return Claim(f"{where}: {text}", measure, f"{where}.{left}", f"{where}.{right}", "difference", expected)


CLAIMS = {
    "grid": (
        ("NovelD is worth more than scratch, all along", ALONG, "noveld", SCRATCH, ">= 0.05"),
        ("self-play is worth more than scratch, all along", ALONG, SELF_PLAY, SCRATCH, ">= 0.05"),
        ("RND on levels that are never the same is not", ALONG, "rnd", SCRATCH, "<= 0.05"),
        ("ICM on levels that are never the same is not", ALONG, "icm", SCRATCH, "<= 0.05"),
        ("a curious Alice teaches no less than another", ALONG, CURIOUS, SELF_PLAY, ">= -0.05"),
        ("NovelD comes upon goals at once", ZERO_SHOT, "noveld", SCRATCH, ">= 0.05"),
        ("Bob without a goal of his own does not", ZERO_SHOT, SELF_PLAY, SCRATCH, "<= 0.05"),
        ("a step of NovelD is not worth more than one of the task", END, "noveld", TOTAL, "<= 0.05"),
        ("a step of self-play is not worth more than one of the task", END, SELF_PLAY, TOTAL, "<= 0.05"),
        ("a random frozen first layer is worse than a learnt one", ALONG, RANDOM, SCRATCH, "<= -0.05"),
        ("NovelD's frozen first layer is better than a random one", ALONG, "noveld+frozen", RANDOM, ">= 0.05"),
        ("Bob's value head changes nothing", ALONG, f"{SELF_PLAY}+critic", SELF_PLAY, "-0.05 to 0.05"),
        ("fine-tuned, NovelD forgets to explore", COVERAGE, "noveld before", "noveld after", ">= 0.05"),
    ),
    "mujoco": (
        ("Bob reaches goals at once in mazes he has not seen", ZERO_SHOT, SELF_PLAY, SCRATCH, ">= 0.3"),
        ("self-play is worth more than scratch, all along", ALONG, SELF_PLAY, SCRATCH, ">= 0.1"),
        ("ICM, which never looked at a goal, is not", ALONG, "icm", SCRATCH, "<= 0.05"),
        ("RND, which never looked at a goal, is not", ALONG, "rnd", SCRATCH, "<= 0.05"),
        ("NovelD, which never looked at a goal, is not", ALONG, "noveld", SCRATCH, "<= 0.05"),
        ("a curious Alice teaches no less than another", ALONG, CURIOUS, SELF_PLAY, ">= -0.05"),
        ("a step of self-play is worth as much as one of the task", END, SELF_PLAY, TOTAL, ">= -0.05"),
        ("a random frozen first layer is no better than a learnt one", ALONG, RANDOM, SCRATCH, "<= 0"),
        ("Bob's critic changes nothing", ALONG, f"{SELF_PLAY}+critic", SELF_PLAY, "-0.05 to 0.05"),
        ("NovelD's critic changes nothing", ALONG, "noveld+critic", "noveld", "-0.05 to 0.05"),
        ("Bob does not forget goals", SUCCESS, f"{SELF_PLAY} before", f"{SELF_PLAY} after", "<= 0.1"),
        ("fine-tuned, NovelD forgets to explore", COVERAGE, "noveld before", "noveld after", ">= 0.05"),
    ),
}
"""What is expected, by family, with its margin."""


STUDY = Study(
    name="transfer",
    question="What is pretraining without reward worth on tasks that were not there?",
    arms=tuple(arm for name, methods in METHODS.items() for arm in
               (*task_arms(name, methods), *probe_arms(name, PRETRAINED))),
    measures=(*TASK_MEASURES, *PROBE_MEASURES),
    claims=tuple(claim(name, *each) for name, claims in CLAIMS.items() for each in claims),
    curves=("eval/success",),
    curves_of=on_task,
    seeds=20,
    nested=2,
    quick_seeds=1,
    quick_steps=10_000,
    groups={group: arms for name, methods in METHODS.items() for group, arms in
            (task_groups(name, methods) | probe_groups(name, PRETRAINED)).items()},
    transfer=Transfer(
        tag="eval/success",
        scale=_SCALE,
        families={name: family(name, methods, PRETRAINED) for name, methods in METHODS.items()},
        baseline=SCRATCH,
        total=TOTAL,
        threshold=THRESHOLD,
        retained=(COVERAGE, SUCCESS),
    ),
)  # fmt: skip
