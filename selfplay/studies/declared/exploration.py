"""Which bonus finds a reward that hides behind rooms, keys and boxes?

Sparse-reward MiniGrid with a fresh level an episode and MiniGrid's partial 7×7 view, as in the papers. Each bonus has
its default settings and the weight that `selfplay train` gives it beside a task of weight 1. The budgets are no larger
than the frames to the plateau read off published figures (±): counts, RND and RIDE as in Raileanu and Rocktäschel 2020
(arXiv 2002.12292) and Zha et al. 2021 (RAPID, arXiv 2101.08152). A claim that fails may agree with the literature.
"""

from __future__ import annotations

from selfplay.studies.reductions import AreaUnderCurve, FirstStep, Last
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

BONUSES = ("none", "forward", "icm", "rnd", "disagreement", "ama", "noveld", "e3b", "ride", "re3", "counts")

WORLDS = {  # level -> budget in env steps
    "MultiRoom-N7-S4": 6_000_000,
    "KeyCorridorS3R3": 10_000_000,
    "MultiRoom-N7-S8": 12_000_000,
    "ObstructedMaze-1Dl": 10_000_000,
}
PUBLISHED = {  # frames to the plateau, read off figures
    ("MultiRoom-N7-S4", "rnd"): 12e6,
    ("MultiRoom-N7-S4", "counts"): 6e6,
    ("KeyCorridorS3R3", "rnd"): 21e6,
    ("KeyCorridorS3R3", "ride"): 11e6,
    ("KeyCorridorS3R3", "counts"): 14e6,
}
EXPECTED = (*PUBLISHED, ("MultiRoom-N7-S4", "noveld"), ("KeyCorridorS3R3", "noveld"))
SOLVED = 0.9
FRAMES = f"frames to success {SOLVED:g}"


def _arm(world: str, bonus: str) -> Arm:
    method = "ppo" if bonus == "none" else bonus
    run = Run(method, f"grid/{world}-v0", WORLDS[world], {"eval_episodes": "256"})
    return Arm(f"{world}.{bonus}", run, {"world": world, "bonus": bonus})


def _solves(world: str, bonus: str) -> Claim:
    """Within our budget, which is no larger than what was published."""
    known = f" (published: {PUBLISHED[world, bonus] / 1e6:g} M)" if (world, bonus) in PUBLISHED else ""
    text = f"{bonus} solves {world} within {WORLDS[world] / 1e6:g} M frames{known}"
    arms = f"{world}.{bonus}", f"{world}.none"
    return Claim(text, "success at the end", *arms, "difference", ">= 0.5")


STUDY = Study(
    name="exploration",
    question="Which bonus finds a reward that hides behind rooms, keys and boxes, and after how many frames?",
    arms=tuple(_arm(world, bonus) for world in WORLDS for bonus in BONUSES),
    measures=(
        Measure(FRAMES, "eval/success", FirstStep(SOLVED), "env steps", "down"),
        Measure("success at the end", "eval/success", Last(), "share of fresh levels"),
        Measure("return at the end", "eval/return", Last(), "return"),
        Measure("success, all along", "eval/success", AreaUnderCurve(), "share of fresh levels"),
        Measure("coverage, all along", "coverage/positions", AreaUnderCurve(), "share of reachable cells an episode"),
    ),
    claims=tuple(_solves(world, bonus) for world, bonus in EXPECTED),
    curves=("eval/success", "coverage/positions"),
    seeds=5,
    quick_seeds=2,
    quick_steps=500_000,
)  # fmt: skip
