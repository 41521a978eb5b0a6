"""Does a noisy television fool the same bonuses where states and actions are numbers? `noisy_tv` asks it in a grid.

A ball is pushed through PointMaze-Medium without its reward; the television hangs in one cell, for each seed another,
and is two numbers more in the observation, seen within 1.5 cells where no wall is between. Televisions, measures and
what the claims' words mean in figures are those of `noisy_tv`, and so are its predictions where it has the same arms;
but `forward` is not expected five times as long at the TV as chance (chance is there a good tenth of the time, so that
this would be more than half of all steps), and what `hidden` and `everywhere` do is only shown.

PPO's settings, those of the bonuses and the budget were chosen with televisions switched off, on seeds that the study
does not use. Differences from the grid that matter: a press costs nothing, not even a step, and who never learns
presses in .23 of the steps, so that a remote television changes often whoever sits there; episodes begin anywhere and
end at the task's goal, which is not paid for; models see every number divided by its deviation, so that a television
which is seldom seen is loud; `counts`, `noveld` and `ride` tell states apart by bins of half a metre and half a metre
a second, but pictures as in the grid, each from every other: the television's bins are a millionth of its range of two,
so that `unbounded` is a new state for every press.
"""

from __future__ import annotations

from selfplay.studies.declared.noisy_tv import (
    BROKEN,
    CAUGHT,
    COVERAGE,
    FINE,
    INDIFFERENT,
    MEASURES,
    OFTEN,
    OTHERS,
    SEEKS,
    SHAM,
    SWEPT,
    TABLE,
    TRAPPED,
    TVS,
    WHOLE,
    against_chance,
    against_control,
    covers,
    explores,
)
from selfplay.studies.study import Arm, Claim, Run, Study

ENV, STEPS = "mujoco/PointMaze-Medium-v0", 250_000

SETTINGS = {"num_envs": "128", "rollout_steps": "32", "coverage": "true", "eval_episodes": "0"}
PPO = {"ppo.minibatch_size": "1024", "ppo.epochs": "4", "ppo.learning_rate": "0.001"}
LEARNING = {"minibatch_size": "256", "proportion": "1", "learning_rate": "0.001"}
BINS = {"bin_width": "0.5"}
_OBSERVED, _SHOWN = 6, 2  # numbers: place, velocity and the way to the goal; the television's, of extent quadrant
BINS_WITH_TV = {"bin_width": ",".join(["0.5"] * _OBSERVED + ["2e-6"] * _SHOWN)}


def _arm(method: str, tv: str) -> Arm:
    overrides = {**SETTINGS, "tv": TVS[tv]}
    if tv == "hidden":
        overrides["tv_hidden"] = "true"
    if method != "random":
        overrides |= {"rewards": f"{method}=1", **PPO}
        chosen = {} if method in ("counts", "re3") else LEARNING
        if method in ("counts", "noveld", "ride"):
            chosen = chosen | (BINS if tv == "off" else BINS_WITH_TV)
        overrides |= {f"bonus.{method}.{key}": value for key, value in chosen.items()}
    return Arm(f"{method}.{tv}", Run(method, ENV, STEPS, overrides), {"bonus": method, "tv": tv})


ARMS = (
    *(_arm("random", tv) for tv in ("off", "still", "button")),
    *(_arm(method, tv) for method in TABLE for tv in ("off", "sham", "every-step", "few", "unbounded")),
    *(_arm(method, "sham-few") for method in SWEPT),
    *(_arm(method, "sham-unseen") for method in (*SWEPT, "counts")),
    *(_arm(method, "still") for method in ("forward", "rnd", "counts")),
    *(_arm(method, tv) for method in OTHERS for tv in ("off", "unbounded")),
    *(_arm(method, tv) for method in SWEPT for tv in ("iid", "view", "everywhere", "hidden")),
)

CLAIMS = (
    *(Claim(explores(m), COVERAGE, f"{m}.off", "random.off", "ratio", "> 1") for m in (*TABLE, *OTHERS)),
    *(against_chance(method, "sham", SHAM, "fine") for method in TABLE),
    against_chance("forward", "every-step", TRAPPED, "trapped"),
    against_chance("icm", "every-step", FINE, "fine"),
    against_chance("rnd", "every-step", FINE, "fades"),
    against_chance("disagreement", "every-step", FINE, "fades"),
    against_chance("ama", "every-step", FINE, "fine"),
    covers("counts", "every-step", "still", BROKEN, "breaks"),
    against_chance("forward", "few", TRAPPED, "trapped"),
    against_chance("icm", "few", TRAPPED, "trapped"),
    against_chance("rnd", "few", FINE, "fades"),
    against_chance("disagreement", "few", FINE, "fades"),
    against_chance("ama", "few", FINE, "fine"),
    covers("counts", "few", "sham", WHOLE, "solved"),
    against_chance("forward", "unbounded", TRAPPED, "trapped"),
    against_chance("icm", "unbounded", TRAPPED, "trapped"),
    covers("rnd", "unbounded", "sham-unseen", BROKEN, "degrades"),
    against_chance("disagreement", "unbounded", FINE, "escapes, slowly"),
    against_chance("ama", "unbounded", FINE, "fine if its variance fits"),
    covers("counts", "unbounded", "sham-unseen", BROKEN, "breaks"),
    against_control("forward", "every-step", "still", SEEKS, "it is the noise"),
    against_control("rnd", "every-step", "still", INDIFFERENT, "not the noise"),
    against_control("forward", "few", "sham-few", SEEKS, "it is the button"),
    against_control("icm", "few", "sham-few", SEEKS, "it is the button"),
    against_control("rnd", "few", "sham-few", INDIFFERENT, "not the button"),
    against_control("forward", "unbounded", "sham-unseen", SEEKS, "it is the button"),
    against_control("icm", "unbounded", "sham-unseen", SEEKS, "it is the button"),
    *(
        Claim(f"{method}, {tv}: most seeds are caught", CAUGHT, f"{method}.{tv}", "random.button", "difference", OFTEN)
        for method in ("forward", "icm")
        for tv in ("few", "unbounded")
    ),
    *(
        Claim(f"{m}, few: presses at the TV", "presses at the TV", f"{m}.few", f"{m}.sham-few", "difference", ">= 0.1")
        for m in ("forward", "icm")
    ),
)

STUDY = Study(
    name="noisy-tv-mujoco",
    question="Does a noisy television fool the same bonuses where states and actions are numbers?",
    arms=ARMS,
    measures=MEASURES,
    claims=CLAIMS,
    curves=("tv/in_view", "coverage/positions"),
    seeds=6,
    quick_seeds=2,
    quick_steps=50_000,
)
