"""What the entropy bonus is for: PPO with three weights of it, where reward is rare.

`ppo.entropy` weighs the policy's entropy in the loss (Mnih et al. 2016, arXiv 1602.01783, §4). DoorKey pays only at the
goal, behind a door that has to be unlocked: a policy that settles too early never gets there, one that is pushed to
stay random gets there but does not become certain.
"""

from selfplay.studies.reductions import FirstStep, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study


def _arm(name: str, weight: str) -> Arm:
    run = Run(
        "ppo", "grid/DoorKey-6x6-v0", 1_000_000, {"num_envs": "256", "eval_episodes": "128", "ppo.entropy": weight}
    )
    return Arm(name, run, {"entropy bonus": weight})


STUDY = Study(
    name="entropy-bonus",
    question="Does PPO learn DoorKey-6x6 sooner with an entropy bonus, and can there be too much of it?",
    arms=(_arm("none", "0"), _arm("default", "0.01"), _arm("large", "0.1")),
    measures=(
        Measure("steps to success .9", "eval/success", FirstStep(0.9), "env steps", better="down"),
        Measure("late success", "eval/success", LateMean(0.2)),
        Measure("late entropy", "train/entropy", LateMean(0.2), "nats", better="neither"),
    ),
    claims=(
        Claim("the bonus saves steps", "steps to success .9", "none", "default", "ratio", ">= 1.1"),
        Claim("too large a bonus costs steps", "steps to success .9", "large", "default", "ratio", ">= 1.1"),
        Claim("too large a bonus keeps the policy random", "late entropy", "large", "default", "ratio", ">= 1.5"),
        Claim("without a bonus the end is as good", "late success", "none", "default", "difference", "-0.05 to 0.05"),
    ),
    curves=("eval/success", "train/entropy"),
    seeds=10,
    quick_seeds=2,
    quick_steps=50_000,
)
