"""What is each of the ten bonuses worth as pretraining? `transfer`, for all of them, with fewer seeds.

Five pretrained policies a bonus, and a run on each task of each, in the grid and in mazes. Nothing is claimed here of
the three that `transfer` has. In the grid E3B, RIDE and counts, which lead farther than chance in `coverage`, are
expected to be worth more than learning from scratch, and the rest not; in mazes none of them, as none looked at a goal
before. `+critic` also takes over what the bonus's critic is made of, but for its head, which is for another reward; in
the grid nothing else is its own. `+encoder` takes over the first layer alone, and goes on training it.

This was registered when half of `transfer` had been seen: in its grid the actors of all three bonuses lost to learning
from scratch, and began with a third of the entropy. Hence `+encoder` there: is it what they do, or what they see, that
is in the way?

1,220 runs and 110 that they begin with; about half an hour on two free cores.
"""

from __future__ import annotations

from selfplay.studies.declared.coverage import BONUSES
from selfplay.studies.declared.transfer import (
    ALONG,
    COVERAGE,
    PROBE_MEASURES,
    TASK_MEASURES,
    THRESHOLD,
    claim,
    family,
    on_task,
)
from selfplay.studies.declared.transfer_runs import (
    FAMILIES,
    RANDOM,
    SCRATCH,
    TOTAL,
    probe_arms,
    probe_groups,
    scale,
    task_arms,
    task_groups,
)
from selfplay.studies.study import Study
from selfplay.studies.transfer_families import Transfer

_ROWS = (SCRATCH, TOTAL, RANDOM, *BONUSES)
METHODS = {
    "grid": (*_ROWS, *(f"{bonus}+encoder" for bonus in BONUSES)),
    "mujoco": (*_ROWS, *(f"{bonus}+critic" for bonus in BONUSES)),
}
_FARTHER, _OTHERS = ("e3b", "ride", "counts"), ("forward", "disagreement", "ama", "re3")

_WORTH = (
    *(
        claim("grid", f"{bonus} is worth more than scratch, all along", ALONG, bonus, SCRATCH, ">= 0.05")
        for bonus in _FARTHER
    ),
    *(
        claim(where, f"{bonus} is not worth more than scratch, all along", ALONG, bonus, SCRATCH, "<= 0.05")
        for where, bonuses in (("grid", _OTHERS), ("mujoco", (*_FARTHER, *_OTHERS)))
        for bonus in bonuses
    ),
)
_IN_THE_WAY = tuple(
    claim("grid", f"{bonus}'s actor is worth less than its first layer", ALONG, bonus, f"{bonus}+encoder", "<= -0.05")
    for bonus in BONUSES
)
_FORGOTTEN = tuple(
    claim(where, f"fine-tuned, {bonus} forgets to explore", COVERAGE, f"{bonus} before", f"{bonus} after", ">= 0.05")
    for where in FAMILIES
    for bonus in _FARTHER
)

STUDY = Study(
    name="transfer-bonuses",
    question="What is each of the ten bonuses worth as pretraining, on tasks that were not there?",
    arms=tuple(arm for name, methods in METHODS.items() for arm in
               (*task_arms(name, methods), *probe_arms(name, BONUSES))),
    measures=(*TASK_MEASURES, *PROBE_MEASURES),
    claims=(*_WORTH, *_IN_THE_WAY, *_FORGOTTEN),
    curves=("eval/success",),
    curves_of=on_task,
    seeds=5,
    quick_seeds=1,
    quick_steps=10_000,
    groups={group: arms for name, methods in METHODS.items() for group, arms in
            (task_groups(name, methods) | probe_groups(name, BONUSES)).items()},
    transfer=Transfer(
        tag="eval/success",
        scale=scale(*FAMILIES),
        families={name: family(name, methods, BONUSES) for name, methods in METHODS.items()},
        baseline=SCRATCH,
        total=TOTAL,
        threshold=THRESHOLD,
        retained=(COVERAGE,),
    ),
)  # fmt: skip
