"""What is each of the ten bonuses worth as pretraining? `transfer` in grids, for all of them, with fewer seeds.

Five pretrained policies a bonus, and a run on each task of each. Nothing is claimed here of the three that `transfer`
has; of the others, that E3B, RIDE and counts, which lead farther than chance in `coverage`, are worth more than
learning from scratch, and the rest not. About half an hour on two free cores.
"""

from __future__ import annotations

from selfplay.studies.declared.coverage import BONUSES
from selfplay.studies.declared.transfer import ALONG, TASK_MEASURES, THRESHOLD, claim, family
from selfplay.studies.declared.transfer_runs import SCRATCH, TOTAL, scale, task_arms, task_groups
from selfplay.studies.study import Study
from selfplay.studies.transfer_families import Transfer

METHODS = (SCRATCH, TOTAL, *BONUSES)

STUDY = Study(
    name="transfer-bonuses",
    question="What is each of the ten bonuses worth as pretraining, on tasks that were not there?",
    arms=tuple(task_arms("grid", METHODS)),
    measures=TASK_MEASURES,
    claims=(
        *(
            claim("grid", f"{bonus} is worth more than scratch, all along", ALONG, bonus, SCRATCH, ">= 0.05")
            for bonus in ("e3b", "ride", "counts")
        ),
        *(
            claim("grid", f"{bonus} is not worth more than scratch, all along", ALONG, bonus, SCRATCH, "<= 0.05")
            for bonus in ("forward", "disagreement", "ama", "re3")
        ),
    ),
    curves=("eval/success",),
    seeds=5,
    quick_seeds=1,
    quick_steps=10_000,
    groups=task_groups("grid", METHODS),
    transfer=Transfer("eval/success", scale("grid"), {"grid": family("grid", METHODS)}, SCRATCH, TOTAL, THRESHOLD),
)  # fmt: skip
