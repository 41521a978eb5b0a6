"""Asymmetric self-play with forces instead of arrows: does Bob learn to get anywhere, and what is that owed to?

Two mazes and a block to be pushed. No arm is paid by the task. The payoff is that of 2017 (arXiv 1703.05407); as in
OpenAI 2021 (arXiv 2101.04882) Bob clones Alice's way where he failed, and past Alices play in a quarter of the worlds.
He is tested on goals that nobody proposed, drawn uniformly over a maze, or as BlockPush draws its own; how good he is
before he has learnt anything is the arm `still`, where neither player ever learns, and which is short. In
`random-alice` she never learns. PointMaze-U has four more arms, each of which changes one thing: `no-past` has no past
Alices, `no-clone` no cloning, in `opposed` Alice earns all that Bob pays, `far-sighted` is an Alice with Bob's
discount. Settings were chosen in PointMaze-U on seed 0, where what is claimed of the last two was seen, without past
Alices, before it was registered.

Forgetting is how far his success on uniform goals, which ask for what any Alice ever asked for, ends below its best.
Figures of Alice's goals are of the present one, who plays in three quarters of the worlds where there are past ones:
`ways that Alice asks for`, which counts goals, is compared between arms that have as many of her.
"""

from __future__ import annotations

from selfplay.studies.reductions import Above, AreaUnderCurve, Drop, FirstStep, LateMean
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

WORLDS = {  # world -> budget in env steps of both players
    "PointMaze-U": 1_000_000,
    "PointMaze-Medium": 2_000_000,
    "BlockPush": 4_000_000,
}
FROZEN = {"alice.learning_rate": "0", "bob.learning_rate": "0", "game.clone": "0"}
GAMES: dict[str, dict[str, str]] = {
    "self-play": {},
    "random-alice": {"alice.learning_rate": "0"},
    "still": FROZEN,
}
IN_ONE_MAZE: dict[str, dict[str, str]] = {
    "no-past": {"game.past_share": "0"},
    "no-clone": {"game.clone": "0"},
    "opposed": {"game.payoff": "opposed"},
    "far-sighted": {"alice.gamma": "0.995"},
}
MAZE = "PointMaze-U"
STILL = 100_000
SETTINGS = {"eval_goals": "512"}
FORGOTTEN = "forgotten"
SUCCESS, REACHES, SOON = "success on uniform goals", "reaches nine goals of ten", "steps to success .9"
COVERAGE, DIFFICULTY = "ways that Alice asks for", "difficulty of Alice's late goals"


def _arm(world: str, game: str) -> Arm:
    steps = STILL if game == "still" else WORLDS[world]
    run = Run("alice-bob", f"mujoco/{world}-v0", steps, SETTINGS | (GAMES | IN_ONE_MAZE)[game])
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
    )  # fmt: skip


OF_ONE_MAZE = (
    Claim(
        "with past Alices Bob forgets less", FORGOTTEN, f"{MAZE}.self-play", f"{MAZE}.no-past", "difference", "< 0",
    ),
    Claim(
        "cloning helps", "success, all along", f"{MAZE}.self-play", f"{MAZE}.no-clone", "difference", "> 0",
    ),
    Claim(
        "an Alice paid for Bob's time alone asks for what is far", DIFFICULTY, f"{MAZE}.opposed", f"{MAZE}.self-play",
        "ratio", ">= 1.2",
    ),
    Claim(
        "and teaches him less", SUCCESS, f"{MAZE}.opposed", f"{MAZE}.self-play", "difference", "<= -0.05",
    ),
    Claim(
        "an Alice who looks far ahead puts off her STOP", "goals proposed", f"{MAZE}.far-sighted",
        f"{MAZE}.self-play", "difference", "<= -0.2",
    ),
)  # fmt: skip


STUDY = Study(
    name="selfplay-mujoco",
    question="What does Bob learn from Alice where both act by forces, and without any task?",
    arms=(
        *(_arm(world, game) for world in WORLDS for game in GAMES),
        *(_arm(MAZE, game) for game in IN_ONE_MAZE),
    ),
    measures=(
        Measure(SUCCESS, "eval/zero_shot", LateMean(0.1), "share of goals"),
        Measure(REACHES, "eval/zero_shot", Above(0.9, 0.1), "share of seeds"),
        Measure(SOON, "eval/zero_shot", FirstStep(0.9), "env steps", "down"),
        Measure(FORGOTTEN, "eval/zero_shot", Drop(0.1), "share of goals", "down"),
        Measure("success, all along", "eval/zero_shot", AreaUnderCurve(), "share of goals"),
        Measure("pace", "eval/zero_shot_steps_per_metre", LateMean(0.1), "steps a metre", "down"),
        Measure("the way back", "eval/returned", LateMean(0.1), "share of Alice's ends"),
        Measure("goals proposed", "curriculum/proposed", LateMean(0.25), "share of turns", "neither"),
        Measure(COVERAGE, "curriculum/coverage", LateMean(0.1), "share of all ways between two cells"),
        Measure(DIFFICULTY, "curriculum/difficulty_q50", LateMean(0.25), "m", "neither"),
    ),
    claims=(*(claim for world in WORLDS for claim in _claims(world)), *OF_ONE_MAZE),
    curves=("eval/zero_shot", "curriculum/difficulty_q50", "curriculum/coverage"),
    seeds=3,
    quick_seeds=2,
    quick_steps=60_000,
)
