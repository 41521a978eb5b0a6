"""What becomes of what was meant when a learnt reward is optimised harder and harder, and whom does an ensemble help?

One level of DoorKey-5x5 for each seed, in which player and reward see everything that matters. The reference is a
policy that a short training on the task began to teach. Its first two rollouts are cut into segments of 25 steps, a
script with a temperature and with mistakes answers 200 questions about them, a reward is fitted to that once, and stays
what it is. Segments are of one length, and returns of the reward go through the ends of episodes: what a step is worth
on average, which no comparison tells, decides nothing. So proxy is the reward per step. (A pilot with whole episodes
was of no use: who comes to the goal has the shorter one, so that "every step is bad" was a perfect proxy.)

Three ways to optimise it, each of 20 points (`selfplay.measures.overoptimization`, exact but for best-of-n): "rl", PPO
on a leash whose β falls from 1 (per deviation of the discounted reward) to .001. Without any, a pilot of one seed, PPO
left the reference before its new critic had learnt, and the proxy fell as well: that is no over-optimisation. "exact",
the best policy there is on a leash, β falling from 300 to .3 deviations of the proxy. "bon", the best of up to 1,024
episodes of the reference.

All that learn a reward do so from the same answers, "mean", "lower" and "min" with the same five models; "task" is paid
by the task itself, so that what falls there is PPO's own doing. Gold is the task's return as a share of the best there
is.

The claims and their margins were written before anything was run, pilots included, and not changed. Pilots with seeds
that the study does not use (100 to 102) told how long the reference is to be trained to be half good (.4 of the optimum
with these, less with others) and how long a run takes, and led to the segments, the leash and the range of β above. In
a quick run, so of seed 0, β was seen to be in units that said nothing to "task"; it is in deviations since.
"""

from __future__ import annotations

from typing import Literal

from selfplay.studies.against import Against, AtBest, ScalingLaw, Stopped
from selfplay.studies.reductions import Fell, Last, Peak
from selfplay.studies.study import Arm, Claim, Factors, Measure, Run, Study

ENV = "grid/DoorKey-5x5-v0"
REFERENCE, STEPS = 40_000, 655_360
LABELS = 200
NATS = 6.0
"""The KL per episode at which an early stop is made, said beforehand."""
SEES = {"levels": "1", "segments": "full,position,direction,carried", "num_envs": "64", "eval_episodes": "0"}
BEGINS = Run("ppo", ENV, REFERENCE, SEES | {"rollout_steps": "32", "ppo.minibatch_size": "512"})
COMMON = SEES | {"rollout_steps": "128", "ppo.minibatch_size": "1024", "ppo.learning_rate": "3e-4", "ppo.entropy": "0"}
COMMON |= {"rescale_task": "true", "leash.beta": "1"}
TAUGHT = {
    "rewards": "preferences=1",
    "taught.preferences.rescale": "true",
    "labels.budget": str(LABELS),
    "labels.first": "1",
    "labels.warmup": "2",  # rollouts of the reference that are asked about, less than a point's steps
    "labels.short": "drop",
    "teacher.beta": "5",
    "teacher.mistake": "0.1",
}
ARMS = {
    "task": {},
    "single": TAUGHT | {"taught.preferences.members": "1"},
    "mean": TAUGHT,
    "lower": TAUGHT | {"taught.preferences.aggregate": "lower"},
    "min": TAUGHT | {"taught.preferences.aggregate": "min"},
}
WAYS = ("rl", "exact", "bon")


def _tag(way: str, key: str) -> str:
    return f"overoptimization/{way}/{key}"


def _learnt(factors: Factors) -> bool:
    return factors["reward"] != "task"


def _of(way: str) -> tuple[Measure, ...]:
    gold, unit, d = _tag(way, "gold"), "share of the optimum", _tag(way, "d")
    form: Literal["bon", "rl"] = "bon" if way == "bon" else "rl"
    per = "per nat" if form == "bon" else "per √nat"
    return (
        Measure(f"gold at its peak, {way}", gold, Peak(), unit),
        Measure(f"gold at the end, {way}", gold, Last(), unit),
        Measure(f"gold fell by 5 %, {way}", gold, Fell(0.05), "share of seeds", "down"),
        Measure(f"α of gold, {way}", gold, ScalingLaw(form, "alpha"), "per √nat", "neither", _learnt, d),
        Measure(f"β of gold, {way}", gold, ScalingLaw(form, "beta"), per, "neither", _learnt, d),
    )


SAVED = f"saved by stopping at {NATS:g} nats"
CHECKED, CHECKED_SAVED = "gold at the teacher's choice, rl", "saved by the teacher's choice"
STOPS = (
    Measure("KL at the end, rl", _tag("rl", "kl"), Last(), "nats an episode", "neither"),
    Measure(f"gold at {NATS:g} nats, rl", _tag("rl", "gold"), Stopped(NATS), "share of the optimum",
            against=_tag("rl", "kl")),
    Measure(f"gold at {NATS:g} nats, exact", _tag("exact", "gold"), Stopped(NATS), "share of the optimum",
            against=_tag("exact", "kl")),
    Measure(SAVED, _tag("rl", "gold"), Stopped(NATS, saved=True), "share of the optimum", against=_tag("rl", "kl")),
    Measure("gold at the largest proxy, rl", _tag("rl", "gold"), AtBest(), "share of the optimum",
            against=_tag("rl", "proxy")),
    Measure(CHECKED, _tag("rl", "gold"), AtBest(), "share of the optimum", against=_tag("rl", "win_rate")),
    Measure(CHECKED_SAVED, _tag("rl", "gold"), AtBest(saved=True), "share of the optimum",
            against=_tag("rl", "win_rate")),
    Measure("accuracy on held-out answers", "preferences/heldout_accuracy", Last(), "share", arms=_learnt),
    Measure("the teacher's own ceiling", "preferences/heldout_ceiling", Last(), "share", "neither", _learnt),
)  # fmt: skip


def _claims() -> tuple[Claim, ...]:
    def between(text: str, measure: str, left: str, right: str, expected: str) -> Claim:
        return Claim(text, measure, left, right, "difference", expected)

    fell, end = "gold fell by 5 %, {}", "gold at the end, {}"
    return (
        between("PPO, one model: gold falls in a quarter more of the seeds than with the task's own reward",
                fell.format("rl"), "single", "task", ">= 0.25"),
        between("so it does with the best policy on a leash", fell.format("exact"), "single", "task", ">= 0.25"),
        between("and with best-of-n in a tenth more", fell.format("bon"), "single", "task", ">= 0.1"),
        between("the mean of five ends higher than one model", end.format("rl"), "mean", "single", ">= 0.05"),
        between("mean - σ ends higher than one model", end.format("rl"), "lower", "single", ">= 0.1"),
        between("the least of five ends higher than one model", end.format("rl"), "min", "single", ">= 0.1"),
        between("and higher than their mean", end.format("rl"), "min", "mean", "> 0"),
        between("the least of five keeps gold from falling in a fifth of the seeds", fell.format("rl"), "single", "min",
                ">= 0.2"),
        between(f"stopping at {NATS:g} nats saves more of a learnt reward's gold than of the task's", SAVED, "single",
                "task", ">= 0.05"),
        between("and so does stopping where 50 fresh answers like it best", CHECKED_SAVED, "single",
                "task", ">= 0.05"),
    )  # fmt: skip


def _figures() -> tuple[Against, ...]:
    """A row of panels for each way; the best that a leash allows lies over what PPO came to."""

    def figure(way: str, beside: Against | None = None) -> Against:
        return Against(_tag(way, "d"), (_tag(way, "gold"), _tag(way, "proxy")), f"√KL, {way}", beside)

    return tuple(figure(way, figure("exact") if way == "rl" else None) for way in WAYS)


STUDY = Study(
    name="overoptimization",
    question="What becomes of what was meant as a learnt reward is optimised harder, and whom does an ensemble help?",
    arms=tuple(
        Arm(name, Run("overoptimization", ENV, STEPS, COMMON | own, BEGINS), {"reward": name})
        for name, own in ARMS.items()
    ),
    measures=tuple(measure for way in WAYS for measure in _of(way)) + STOPS,
    claims=_claims(),
    against=_figures(),
    seeds=24,
    quick_seeds=2,
    quick_steps=131_072,
)
