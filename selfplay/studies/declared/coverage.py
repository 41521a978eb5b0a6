"""Does a bonus alone lead farther than chance? No task, no television; how much of a level an episode comes to see.

Two kinds of empty-handed worlds, a fresh level an episode: FourRooms, where chance may get far, and MultiRoom, where
doors must be opened. Every bonus has the settings that `selfplay train ppo --reward NAME=1` gives it.
"""

from __future__ import annotations

from selfplay.studies.reductions import AreaUnderCurve, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

BONUSES = ("forward", "icm", "rnd", "disagreement", "ama", "noveld", "e3b", "ride", "re3", "counts")
WORLDS = {"FourRooms": 1_000_000, "MultiRoom-N4-S5": 1_000_000}


def _arm(world: str, bonus: str) -> Arm:
    overrides = {"coverage": "true", "eval_episodes": "0", "num_envs": "256", "rollout_steps": "32"}
    if bonus != "random":
        overrides |= {"rewards": f"{bonus}=1", "ppo.minibatch_size": "1024"}
    run = Run("random" if bonus == "random" else "ppo", f"grid/{world}-v0", WORLDS[world], overrides)
    return Arm(f"{world}.{bonus}", run, {"world": world, "bonus": bonus})


STUDY = Study(
    name="coverage",
    question="Does a bonus alone lead farther than chance?",
    arms=tuple(_arm(world, bonus) for world in WORLDS for bonus in ("random", *BONUSES)),
    measures=(
        Measure("coverage", "coverage/positions", LateMean(0.25), "share of reachable cells an episode"),
        Measure("coverage, all along", "coverage/positions", AreaUnderCurve(), "share of reachable cells an episode"),
    ),
    claims=tuple(
        Claim(
            f"{bonus} leads farther than chance in {world}", "coverage", f"{world}.{bonus}", f"{world}.random",
            "ratio", "> 1",
        )
        for world in WORLDS
        for bonus in BONUSES
    ),
    curves=("coverage/positions",),
    seeds=5,
    quick_seeds=2,
    quick_steps=50_000,
)  # fmt: skip
