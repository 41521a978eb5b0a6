"""Asymmetric self-play with forces instead of arrows: does Bob learn to get anywhere, and what is that owed to?

Two mazes and a block to be pushed. No arm is paid by the task. Bob is tested on goals that nobody proposed, drawn
uniformly over the reachable area of fresh worlds; before he has learnt anything that is the arm `still`, where neither
player ever learns. `random-alice` is the same game with an Alice who never learns, `no-clone` the one without cloning
her way where Bob failed (OpenAI 2021, arXiv 2101.04882), and `time` the payoff of 2017 (arXiv 1703.05407).
Settings and budgets were chosen in PointMaze-U on a seed that counts as one of the study's.
"""

from __future__ import annotations

from selfplay.studies.reductions import Above, AreaUnderCurve, FirstStep, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

WORLDS = {  # world -> budget in env steps of both players
    "PointMaze-U": 1_000_000,
    "PointMaze-Medium": 2_000_000,
    "BlockPush": 4_000_000,
}
GAMES = {
    "self-play": {},
    "random-alice": {"alice.learning_rate": "0"},
    "no-clone": {"game.clone": "0"},
    "time": {"game.payoff": "time"},
    "still": {"alice.learning_rate": "0", "bob.learning_rate": "0", "game.clone": "0"},
}
SETTINGS = {"eval_goals": "512"}
SUCCESS, REACHES, SOON = "success on uniform goals", "reaches nine goals of ten", "steps to success .9"
COVERAGE, DIFFICULTY = "ways that Alice asks for", "difficulty of Alice's late goals"


def _arm(world: str, game: str) -> Arm:
    run = Run("alice-bob", f"mujoco/{world}-v0", WORLDS[world], SETTINGS | GAMES[game])
    return Arm(f"{world}.{game}", run, {"world": world, "game": game})


def _claims(world: str) -> tuple[Claim, ...]:
    own = f"{world}.self-play"
    learns = f"Bob learns to get anywhere in {world}"
    return (
        Claim(learns, SUCCESS, own, f"{world}.still", "difference", ">= 0.5"),
        Claim(f"and nearly always gets there in {world}", REACHES, own, f"{world}.still", "difference", ">= 0.8"),
        Claim(
            f"a learning Alice is a better teacher than a random one in {world}", SUCCESS, own,
            f"{world}.random-alice", "difference", "> 0", precondition=learns,
        ),
        Claim(
            f"she asks for more ways than a random one in {world}", COVERAGE, own, f"{world}.random-alice", "ratio",
            "> 1",
        ),
        Claim(
            f"her goals get harder than a random one's in {world}", DIFFICULTY, own, f"{world}.random-alice", "ratio",
            ">= 1.2",
        ),
        Claim(
            f"cloning helps in {world}", "success, all along", own, f"{world}.no-clone", "difference", "> 0",
            precondition=learns,
        ),
    )  # fmt: skip


STUDY = Study(
    name="selfplay-mujoco",
    question="What does Bob learn from Alice where both act by forces, and without any task?",
    arms=tuple(_arm(world, game) for world in WORLDS for game in GAMES),
    measures=(
        Measure(SUCCESS, "eval/zero_shot", LateMean(0.1), "share of goals"),
        Measure(REACHES, "eval/zero_shot", Above(0.9, 0.1), "share of seeds"),
        Measure(SOON, "eval/zero_shot", FirstStep(0.9), "env steps", "down"),
        Measure("success, all along", "eval/zero_shot", AreaUnderCurve(), "share of goals"),
        Measure("pace", "eval/zero_shot_steps_per_metre", LateMean(0.1), "steps a metre", "down"),
        Measure("the way back", "eval/returned", LateMean(0.1), "share of Alice's ends"),
        Measure(COVERAGE, "curriculum/coverage", LateMean(0.1), "share of all ways between two cells"),
        Measure(DIFFICULTY, "curriculum/difficulty_q50", LateMean(0.25), "m", "neither"),
    ),
    claims=tuple(claim for world in WORLDS for claim in _claims(world)),
    curves=("eval/zero_shot", "curriculum/difficulty_q50", "curriculum/coverage"),
    seeds=5,
    quick_seeds=2,
    quick_steps=60_000,
)
