"""Which bonuses does a noisy television fool? Burda et al. 2018 (arXiv 1808.04355, section 5) asked it of one.

Empty rooms (FourRooms without its reward), a fresh level an episode, ten bonuses and a policy that never learns. The
television hangs on a wall; only a bonus can make a player care for it. `sham` has the remote control's action but a
picture that never changes: what it draws is what one more action and a strange wall draw. The claims, and what their
words mean in figures, were written before the study was run.
"""

from __future__ import annotations

from selfplay.studies.reductions import AreaUnderCurve, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

ENV, STEPS = "grid/FourRooms-v0", 400_000

TABLE = ("forward", "icm", "rnd", "disagreement", "ama", "counts")  # predictions exist for these
OTHERS = ("noveld", "e3b", "ride", "re3")  # nobody has said
SWEPT = ("forward", "icm", "rnd")

MAIN = {
    "off": "off",
    "sham": "sham,frozen,quadrant,spot",
    "every-step": "every-step,k30,quadrant,spot",
    "few": "remote,k6,quadrant,spot",
    "unbounded": "remote,unseen,quadrant,spot",
}
SWEEP = {  # one factor at a time, away from `few`
    "k30": "remote,k30,quadrant,spot",
    "iid": "remote,iid,quadrant,spot",
    "cell": "remote,k6,cell,spot",
    "view": "remote,k6,view,spot",
    "everywhere": "remote,k6,quadrant,everywhere",
    "hidden": "remote,k6,quadrant,spot",  # the policy does not see it, the bonus does: dilution without seeking
}
SETTINGS = {
    "num_envs": "128",
    "rollout_steps": "32",
    "ppo.minibatch_size": "1024",
    "coverage": "true",
    "eval_episodes": "1",
}


def _arm(method: str, tv: str) -> Arm:
    overrides = {**SETTINGS, "tv": {**MAIN, **SWEEP}[tv]}
    if tv == "hidden":
        overrides["tv_hidden"] = "true"
    if method != "random":
        overrides["rewards"] = f"{method}=1"
    return Arm(f"{method}.{tv}", Run(method, ENV, STEPS, overrides), {"bonus": method, "tv": tv})


ARMS = (
    *(_arm(method, tv) for method in ("random", *TABLE) for tv in MAIN),
    *(_arm(method, tv) for method in OTHERS for tv in ("off", "sham", "few", "unbounded")),
    *(_arm(method, tv) for method in ("random", *SWEPT) for tv in SWEEP),
)

MEASURES = (
    Measure("time at the TV", "tv/in_view", LateMean(0.25), "share of steps", "neither"),
    Measure("time at the TV, all along", "tv/in_view", AreaUnderCurve(), "share of steps", "neither"),
    Measure("bonus owed to the TV", "tv/bonus_share", AreaUnderCurve(), "share of the bonus", "neither"),
    Measure("presses", "tv/press_rate", LateMean(0.25), "share of steps", "neither"),
    Measure("coverage", "coverage/positions", LateMean(0.25), "share of reachable cells an episode"),
    Measure("coverage, all along", "coverage/positions", AreaUnderCurve(), "share of reachable cells an episode"),
)

# What a prediction means in figures.
TIME = "time at the TV"
TRAPPED, FINE, SHAM = ">= 2", "<= 1.5", "<= 1.2"  # times as long in front of the TV as a policy that never learns
BROKEN, WHOLE = "<= 0.9", ">= 0.9"  # times the coverage with no noise on the TV, or no TV


def _watches(method: str, tv: str, expected: str, word: str) -> Claim:
    return Claim(f"{method}, {tv}: {word}", TIME, f"{method}.{tv}", f"random.{tv}", "ratio", expected)


def _covers(method: str, tv: str, expected: str, word: str) -> Claim:
    control = "off" if tv == "every-step" else "sham"  # the one with as many actions
    return Claim(f"{method}, {tv}: {word}", "coverage", f"{method}.{tv}", f"{method}.{control}", "ratio", expected)


CLAIMS = (
    *(_watches(method, "sham", SHAM, "fine") for method in TABLE),
    _watches("forward", "every-step", TRAPPED, "trapped"),
    _watches("icm", "every-step", FINE, "fine"),
    _watches("rnd", "every-step", FINE, "fades"),
    _watches("disagreement", "every-step", FINE, "fades"),
    _watches("ama", "every-step", FINE, "fine"),
    _covers("counts", "every-step", BROKEN, "breaks"),
    _watches("forward", "few", ">= 5", "trapped"),
    _watches("icm", "few", TRAPPED, "trapped"),
    _watches("rnd", "few", FINE, "fades"),
    _watches("disagreement", "few", FINE, "fades"),
    _watches("ama", "few", FINE, "fine"),
    _covers("counts", "few", WHOLE, "solved"),
    _watches("forward", "unbounded", ">= 5", "trapped"),
    _watches("icm", "unbounded", TRAPPED, "trapped"),
    _covers("rnd", "unbounded", BROKEN, "degrades"),
    _watches("disagreement", "unbounded", FINE, "escapes, slowly"),
    _watches("ama", "unbounded", FINE, "fine if its variance fits"),
    _covers("counts", "unbounded", BROKEN, "breaks"),
    *(
        Claim(f"{method} explores more than chance", "coverage", f"{method}.off", "random.off", "ratio", "> 1")
        for method in (*TABLE, *OTHERS)
    ),
    Claim("forward presses more than chance", "presses", "forward.everywhere", "random.everywhere", "ratio", ">= 2"),
    Claim("icm presses more than chance", "presses", "icm.everywhere", "random.everywhere", "ratio", ">= 2"),
    Claim("rnd's presses fade", "presses", "rnd.everywhere", "random.everywhere", "ratio", "<= 1.5"),
    Claim("who cannot see it does not seek it", TIME, "forward.hidden", "random.hidden", "ratio", "<= 1.5"),
)

STUDY = Study(
    name="noisy-tv",
    question="Which bonuses does a noisy television fool, and which of its properties does it take?",
    arms=ARMS,
    measures=MEASURES,
    claims=CLAIMS,
    curves=("tv/in_view", "coverage/positions"),
    seeds=10,
    quick_seeds=2,
    quick_steps=50_000,
)
