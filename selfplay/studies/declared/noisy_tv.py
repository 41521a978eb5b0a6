"""Which bonuses does a noisy television fool? Burda et al. 2018 (arXiv 1808.04355, section 5) asked it of one.

A small maze (SimpleCrossingS11N5 without its reward), one for each seed and the same in every episode; the player sees
a 5×5 view and knows where it stands. So all but the television can be learnt by heart, and what stays unpredictable is
the television. It hangs on one wall cell; only a bonus can make a player care for it. Models get some 2,000 gradient
steps. World, settings and budget were chosen with televisions switched off, on seeds that the study does not use.

A television is judged against three things: a policy that never learns, in the same maze (`random.button`); the same
bonus and a button that changes nothing (`sham`, `sham-few`, `sham-unseen`: pictures as in the arm they are compared
with, but one for the whole episode; `still`: no button, one picture for ever); and the same bonus without a television.
The claims, and what their words mean in figures, were written before the study was run.
"""

from __future__ import annotations

from selfplay.studies.reductions import Above, AreaUnderCurve, LateMean
from selfplay.studies.study import Arm, Claim, Factors, Measure, Run, Study

ENV, STEPS = "grid/SimpleCrossingS11N5-v0", 500_000

TABLE = ("forward", "icm", "rnd", "disagreement", "ama", "counts")  # predictions exist for these
OTHERS = ("noveld", "e3b", "ride", "re3")  # nobody has said
SWEPT = ("forward", "icm", "rnd")
MODELS = ("forward", "icm", "rnd", "disagreement", "ama")  # without a memory of the episode: occluding means something

TVS = {
    "off": "off",
    "sham": "sham,frozen,quadrant,fixed",
    "every-step": "every-step,k30,quadrant,fixed",
    "few": "remote,k6,quadrant,fixed",
    "unbounded": "remote,unseen,quadrant,fixed",
    "still": "none,frozen,quadrant,fixed",
    "sham-few": "sham,k6,quadrant,fixed",
    "sham-unseen": "sham,unseen,quadrant,fixed",
    # one factor at a time, away from `few`
    "k30": "remote,k30,quadrant,fixed",
    "iid": "remote,iid,quadrant,fixed",
    "cell": "remote,k6,cell,fixed",
    "view": "remote,k6,view,fixed",
    "everywhere": "remote,k6,quadrant,everywhere",
    "hidden": "remote,k6,quadrant,fixed",  # the policy does not see it, the bonus does: dilution without seeking
    "button": "remote,k6,quadrant,fixed",  # for the policy that never learns: all that hang at a place look alike
}
WITH_BUTTON = tuple(tv for tv, spec in TVS.items() if spec.startswith(("sham", "remote")))

SETTINGS = {
    "num_envs": "128",
    "rollout_steps": "32",
    "levels": "1",
    "segments": "view,position,direction",
    "view_size": "5",
    "ppo.minibatch_size": "1024",
    "coverage": "true",
    "eval_episodes": "0",
}
LEARNING = {"minibatch_size": "256", "proportion": "1", "learning_rate": "0.001"}
WIDE = {"width": "128"}  # for those that guess pixels


def _arm(method: str, tv: str) -> Arm:
    overrides = {**SETTINGS, "tv": TVS[tv]}
    if tv == "hidden":
        overrides["tv_hidden"] = "true"
    if method != "random":
        overrides["rewards"] = f"{method}=1"
    if method not in ("random", "counts", "re3"):
        learning = LEARNING | WIDE if method in ("forward", "ama") else LEARNING
        overrides |= {f"bonus.{method}.{key}": value for key, value in learning.items()}
    return Arm(f"{method}.{tv}", Run(method, ENV, STEPS, overrides), {"bonus": method, "tv": tv})


ARMS = (
    *(_arm("random", tv) for tv in ("off", "still", "button")),
    *(_arm(method, tv) for method in TABLE for tv in ("off", "sham", "every-step", "few", "unbounded")),
    *(_arm(method, "sham-few") for method in MODELS),
    *(_arm(method, "sham-unseen") for method in TABLE),
    *(_arm(method, "still") for method in ("forward", "rnd", "counts")),
    *(_arm(method, tv) for method in OTHERS for tv in ("off", "sham", "few", "unbounded")),
    *(_arm(method, tv) for method in SWEPT for tv in ("k30", "iid", "cell", "view", "everywhere", "hidden")),
)


def _hangs(factors: Factors) -> bool:
    return factors["tv"] not in ("off", "everywhere")


def _owed(factors: Factors) -> bool:
    return factors["bonus"] in MODELS and _hangs(factors)


def _button(factors: Factors) -> bool:
    return factors["tv"] in WITH_BUTTON


TIME, CAUGHT, COVERAGE = "time at the TV", "caught", "coverage"

MEASURES = (
    Measure(TIME, "tv/in_view", LateMean(0.25), "share of steps", "neither", _hangs),
    Measure(CAUGHT, "tv/in_view", Above(0.5, 0.25), "half of the steps or more at the TV", "neither", _hangs),
    Measure("time at the TV, all along", "tv/in_view", AreaUnderCurve(), "share of steps", "neither", _hangs),
    Measure("presses", "tv/press_rate", LateMean(0.25), "share of steps", "neither", _button),
    Measure("presses, all along", "tv/press_rate", AreaUnderCurve(), "share of steps", "neither", _button),
    Measure("presses at the TV", "tv/press_rate_in_view", AreaUnderCurve(), "share of steps there", "neither", _button),
    Measure("bonus owed to the TV", "tv/bonus_share", AreaUnderCurve(), "share of the bonus", "neither", _owed),
    Measure(COVERAGE, "coverage/positions", AreaUnderCurve(), "share of reachable cells an episode"),
)

# What a prediction means in figures.
TRAPPED, FINE, SHAM = ">= 2", "<= 1.5", "<= 1.2"  # times as long at the TV as a policy that never learns
SEEKS, INDIFFERENT = ">= 0.2", "<= 0.1"  # more time at the TV than with a button that changes nothing
OFTEN = ">= 0.5"  # of the seeds are caught
BROKEN, WHOLE = "<= 0.9", ">= 0.9"  # times the coverage with the same pictures standing still


def explores(method: str) -> str:
    """The text of the claim without which no bonus can be called strong."""
    return f"{method} explores more than chance"


def against_chance(method: str, tv: str, expected: str, word: str) -> Claim:
    """Time at the TV against chance. Who does not explore is not caught either: that would be no sign of strength."""
    chance = "random.button" if tv in WITH_BUTTON else "random.still"
    need = explores(method) if expected.startswith("<=") else ""
    return Claim(f"{method}, {tv}: {word}", TIME, f"{method}.{tv}", chance, "ratio", expected, precondition=need)


def against_control(method: str, tv: str, control: str, expected: str, word: str) -> Claim:
    """Time at the TV against that of the same bonus in front of pictures that its button does not change."""
    need = explores(method) if expected.startswith("<=") else ""
    text = f"{method}, {tv} against {control}: {word}"
    return Claim(text, TIME, f"{method}.{tv}", f"{method}.{control}", "difference", expected, precondition=need)


def covers(method: str, tv: str, control: str, expected: str, word: str) -> Claim:
    """Coverage against that of the same bonus in front of another television."""
    text = f"{method}, {tv} against {control}: {word}"
    arms = f"{method}.{tv}", f"{method}.{control}"
    return Claim(text, COVERAGE, *arms, "ratio", expected, precondition=explores(method))


CLAIMS = (
    *(Claim(explores(m), COVERAGE, f"{m}.off", "random.off", "ratio", "> 1") for m in (*TABLE, *OTHERS)),
    *(against_chance(method, "sham", SHAM, "fine") for method in TABLE),
    against_chance("forward", "every-step", TRAPPED, "trapped"),
    against_chance("icm", "every-step", FINE, "fine"),
    against_chance("rnd", "every-step", FINE, "fades"),
    against_chance("disagreement", "every-step", FINE, "fades"),
    against_chance("ama", "every-step", FINE, "fine"),
    covers("counts", "every-step", "still", BROKEN, "breaks"),
    against_chance("forward", "few", ">= 5", "trapped"),
    against_chance("icm", "few", TRAPPED, "trapped"),
    against_chance("rnd", "few", FINE, "fades"),
    against_chance("disagreement", "few", FINE, "fades"),
    against_chance("ama", "few", FINE, "fine"),
    covers("counts", "few", "sham", WHOLE, "solved"),
    against_chance("forward", "unbounded", ">= 5", "trapped"),
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
    against_control("disagreement", "few", "sham-few", INDIFFERENT, "not the button"),
    against_control("ama", "few", "sham-few", INDIFFERENT, "not the button"),
    against_control("forward", "unbounded", "sham-unseen", SEEKS, "it is the button"),
    against_control("icm", "unbounded", "sham-unseen", SEEKS, "it is the button"),
    against_control("disagreement", "unbounded", "sham-unseen", INDIFFERENT, "not the button"),
    against_control("ama", "unbounded", "sham-unseen", INDIFFERENT, "not the button"),
    *(
        Claim(f"{method}, {tv}: most seeds are caught", CAUGHT, f"{method}.{tv}", "random.button", "difference", OFTEN)
        for method in ("forward", "icm")
        for tv in ("few", "unbounded")
    ),
    *(
        Claim(f"{m}, few: presses at the TV", "presses at the TV", f"{m}.few", f"{m}.sham-few", "difference", ">= 0.1")
        for m in ("forward", "icm")
    ),
    Claim("forward presses what is everywhere", "presses", "forward.everywhere", "random.button", "ratio", ">= 2"),
    Claim("icm presses what is everywhere", "presses", "icm.everywhere", "random.button", "ratio", ">= 2"),
    Claim("rnd's presses fade", "presses", "rnd.everywhere", "random.button", "ratio", "<= 1.5"),
    Claim("who cannot see it does not seek it", TIME, "forward.hidden", "random.button", "ratio", "<= 1.5"),
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
