"""How much of a task do comparisons teach, without the task's reward, and which comparisons are worth asking for?

Both worlds pay at the goal alone (1 - .9 t/T in DoorKey, 1 in the maze), so a script that goes by the true return finds
nearly all pairs of an untrained policy's segments equal, and they teach next to nothing. Therefore every arm goes on
from a run that was trained on the task for a while, and is half good at it. Half of the candidates are segments that
show how an episode terminated (`labels.endings`), where there are so many.

The arm `task` goes on with the task's reward itself, for as many steps, the arm `nothing` does not learn. What is
compared is `eval/return`, the task's.
"""

from __future__ import annotations

from collections.abc import Mapping

from selfplay.studies.reductions import AreaUnderCurve, FirstStep, Last, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

LABELS = 700
FEWER = (175, 350)
METHODS = ("uniform", "disagreement", "entropy")
CONTROLS: dict[str, dict[str, str]] = {"task": {}, "nothing": {"ppo.learning_rate": "0"}}
LEASH = {"leash.beta": "0.02", "ppo.entropy": "0"}
WORLDS = {  # name -> environment, env steps before and in the study, settings of every run, of those that ask
    "DoorKey-6x6": (
        "grid/DoorKey-6x6-v0",
        (230_000, 1_000_000),
        {"num_envs": "256", "ppo.minibatch_size": "2048", "eval_episodes": "256"},
        {"labels.warmup": "4"},
    ),
    "PointMaze-U": (
        "mujoco/PointMaze-U-v0", (20_000, 300_000), {"eval_episodes": "32"}, {"labels.warmup": "8"},
    ),
}  # fmt: skip
ASKING = {
    "rewards": "preferences=1",
    "labels.session": "60",
    "taught.preferences.rescale": "true",
    "taught.preferences.members": "3",
    "taught.preferences.epochs": "40",
}


def _arm(world: str, teaching: str, labels: int = LABELS) -> Arm:
    env, (before, steps), common, asking = WORLDS[world]
    begins = Run("ppo", env, before, common)
    factors = {"world": world, "learns from": teaching, "labels": str(labels)}
    if teaching in CONTROLS:
        settings = common | CONTROLS[teaching]
        return Arm(f"{world}.{teaching}", Run("finetune", env, steps, settings, begins), factors | {"labels": "0"})
    settings = common | LEASH | ASKING | asking | {"queries.method": teaching, "labels.budget": str(labels)}
    return Arm(f"{world}.{teaching}-{labels}", Run("finetune", env, steps, settings, begins), factors)


def _asks(factors: Mapping[str, str]) -> bool:
    return factors["learns from"] not in CONTROLS


def _claims(world: str) -> tuple[Claim, ...]:
    best = f"{world}.disagreement-{LABELS}"
    return (
        Claim(
            f"comparisons alone make the policy better in {world}",
            "return at the end", best, f"{world}.nothing", "ratio", ">= 1.2",
        ),
        Claim(
            f"{LABELS} comparisons teach .9 of what the task's reward teaches in {world}",
            "return at the end", best, f"{world}.task", "ratio", ">= 0.9",
        ),
        Claim(
            f"asking where models disagree is worth more than asking at random in {world}, of {FEWER[1]} comparisons",
            "return at the end", f"{world}.disagreement-{FEWER[1]}", f"{world}.uniform-{FEWER[1]}", "ratio", ">= 1.05",
        ),
        Claim(
            f"twice as many comparisons teach more in {world}",
            "return at the end", best, f"{world}.disagreement-{FEWER[1]}", "ratio", ">= 1.05",
        ),
    )  # fmt: skip


STUDY = Study(
    name="preferences",
    question="How much of a task do comparisons teach, and which comparisons are worth asking for?",
    arms=tuple(
        arm
        for world in WORLDS
        for arm in (
            *(_arm(world, control) for control in CONTROLS),
            *(_arm(world, method, labels) for labels in (*FEWER, LABELS) for method in METHODS),
        )
    ),
    measures=(
        Measure("return at the end", "eval/return", LateMean(0.1), "return"),
        Measure("return, all along", "eval/return", AreaUnderCurve(), "return"),
        Measure("steps to return .8", "eval/return", FirstStep(0.8), "env steps", "down"),
        Measure(
            "accuracy on held-out comparisons", "preferences/heldout_accuracy", Last(), "share",
            arms=_asks,
        ),
        Measure(
            "correlation with the true return", "preferences/return_correlation", LateMean(0.5), "over segments",
            arms=_asks,
        ),
    ),
    claims=tuple(claim for world in WORLDS for claim in _claims(world)),
    curves=("eval/return", "preferences/heldout_accuracy", "preferences/return_correlation"),
    seeds=5,
    quick_seeds=1,
    quick_steps=50_000,
)  # fmt: skip
