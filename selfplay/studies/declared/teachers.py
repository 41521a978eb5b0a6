"""What does it cost that a teacher is not perfect? B-Pref's (Lee et al. 2021, arXiv 2111.03026), each asked as often.

DoorKey-6x6 as in the study "preferences": each run goes on from one that was trained on the task for a while, on a
short leash, and asks 700 questions, drawn at random. A segment of 25 steps is worth 0, or what DoorKey pays at the
goal, 1 - .9 t/T: mostly between .5 and .95. B-Pref's constants are for returns of some tens; here

- stochastic: β = 3, so that a success of .8 is preferred to nothing with a chance of .92, and one of .9 to one of .8
  with one of .57;
- mistake: ε = .1, as there;
- skip: where neither segment is worth .1. The perfect teacher calls most of these equal, which is a label too;
- equal: where two differ by less than .2, which is all there is between most successes;
- myopic: γ = .9, as there. DoorKey pays in the last step of a segment or not at all, so that nothing can come of it:
  its runs have to be the perfect teacher's, bit for bit.

"oracle" is the arm "uniform-700" of that study; "task" goes on with the task itself, "nothing" does not learn. The
claims and their margins were written before anything was run. A pilot of one arm ("skip") with a seed that the study
does not use (100) told how long it takes, and that with 350 questions the run ends in the middle of the dip that comes
after the first answers; hence as many as there.
"""

from __future__ import annotations

from selfplay.studies.declared.preferences import ASKING, CONTROLS, LABELS, LEASH, WORLDS
from selfplay.studies.reductions import AreaUnderCurve, Last, LateMean
from selfplay.studies.study import Arm, Claim, Factors, Measure, Run, Study

TEACHERS = {
    "oracle": {},
    "stochastic": {"teacher.beta": "3"},
    "mistake": {"teacher.mistake": "0.1"},
    "skip": {"teacher.skip": "0.1"},
    "equal": {"teacher.equal": "0.2"},
    "myopic": {"teacher.gamma": "0.9"},
}
ENV, (BEFORE, STEPS), COMMON, WARMUP = WORLDS["DoorKey-6x6"]


def _arm(name: str) -> Arm:
    own = CONTROLS.get(name)
    if own is None:
        own = LEASH | ASKING | WARMUP | {"labels.budget": str(LABELS)} | TEACHERS[name]
    return Arm(name, Run("finetune", ENV, STEPS, COMMON | own, Run("ppo", ENV, BEFORE, COMMON)), {"teacher": name})


def _asks(factors: Factors) -> bool:
    return factors["teacher"] in TEACHERS


RETURN, ACCURACY, SHARE = "return at the end", "accuracy on held-out answers", "accuracy, share of the ceiling"


def _claims() -> tuple[Claim, ...]:
    def between(text: str, measure: str, left: str, right: str, kind: str, expected: str) -> Claim:
        return Claim(text, measure, left, right, kind, expected)  # type: ignore[arg-type]

    return (
        between(f"{LABELS} perfect answers make the policy better", RETURN, "oracle", "nothing", "ratio", ">= 1.2"),
        between("one mistake in ten costs a twentieth of the return", RETURN, "mistake", "oracle", "ratio", "<= 0.95"),
        between("a temperature errs where little is at stake, and costs less", RETURN, "stochastic", "mistake", "ratio",
                ">= 1.02"),
        between("who skips what is worth nothing teaches as much", RETURN, "skip", "oracle", "ratio", "0.9 to 1.1"),
        between("who does not tell successes apart teaches as much", RETURN, "equal", "oracle", "ratio", "0.9 to 1.1"),
        between("a myopic teacher says here what the perfect one says", RETURN, "myopic", "oracle", "difference",
                "0 to 0"),
        between("mistakes are not foretold", ACCURACY, "oracle", "mistake", "difference", ">= 0.05"),
        between("but as much of what can be foretold is", SHARE, "mistake", "oracle", "ratio", "0.9 to 1.1"),
        between("of a temperature's answers too", SHARE, "stochastic", "oracle", "ratio", "0.9 to 1.1"),
    )  # fmt: skip


STUDY = Study(
    name="teachers",
    question="What does it cost that a teacher is not perfect, if each is asked as often?",
    arms=tuple(_arm(name) for name in (*CONTROLS, *TEACHERS)),
    measures=(
        Measure(RETURN, "eval/return", LateMean(0.1), "return"),
        Measure("return, all along", "eval/return", AreaUnderCurve(), "return"),
        Measure(ACCURACY, "preferences/heldout_accuracy", Last(), "share", arms=_asks),
        Measure("the teacher's own ceiling", "preferences/heldout_ceiling", Last(), "share", "neither", _asks),
        Measure(SHARE, "preferences/heldout_of_ceiling", Last(), "accuracy / ceiling", arms=_asks),
        Measure("answers that decide", "preferences/decided", Last(), "share of the answers", "neither", _asks),
        Measure("correlation with the true return", "preferences/return_correlation", LateMean(0.5), "over segments",
                arms=_asks),
    ),
    claims=_claims(),
    curves=("eval/return", "preferences/heldout_accuracy", "preferences/heldout_ceiling"),
    seeds=5,
    quick_seeds=1,
    quick_steps=50_000,
)  # fmt: skip
