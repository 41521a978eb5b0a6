"""Does a bonus alone lead farther than chance where states and actions are numbers? No task, no television.

A ball is pushed through PointMaze-Large for 500 steps, from another place every time; the share of the maze's cells
that it comes to. Bonuses have their default settings, but that `counts`, `noveld` and `ride` tell states apart by bins
of half a metre and half a metre a second: with bins of a tenth every one of these six numbers' states would be new.
Episodes end where the task's goal is reached, which is not paid for. PPO's settings are those of `noisy_tv_mujoco`.
"""

from __future__ import annotations

from selfplay.studies.declared.coverage import BONUSES
from selfplay.studies.declared.noisy_tv_mujoco import BINS, PPO, SETTINGS
from selfplay.studies.reductions import AreaUnderCurve, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

ENV, STEPS = "mujoco/PointMaze-Large-v0", 500_000


def _arm(bonus: str) -> Arm:
    overrides = dict(SETTINGS)
    if bonus != "random":
        overrides |= {"rewards": f"{bonus}=1", **PPO}
    if bonus in ("counts", "noveld", "ride"):
        overrides |= {f"bonus.{bonus}.{key}": value for key, value in BINS.items()}
    return Arm(bonus, Run("random" if bonus == "random" else "ppo", ENV, STEPS, overrides), {"bonus": bonus})


STUDY = Study(
    name="coverage-mujoco",
    question="Does a bonus alone lead farther than chance where states and actions are numbers?",
    arms=tuple(_arm(bonus) for bonus in ("random", *BONUSES)),
    measures=(
        Measure("coverage", "coverage/positions", LateMean(0.25), "share of the cells an episode"),
        Measure("coverage, all along", "coverage/positions", AreaUnderCurve(), "share of the cells an episode"),
    ),
    claims=tuple(
        Claim(f"{bonus} leads farther than chance", "coverage", bonus, "random", "ratio", "> 1") for bonus in BONUSES
    ),
    curves=("coverage/positions",),
    seeds=5,
    quick_seeds=2,
    quick_steps=80_000,
)
