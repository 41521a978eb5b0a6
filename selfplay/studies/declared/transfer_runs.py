"""The runs of the studies of transfer: pretraining without the task's reward, then held-out tasks, in two families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from selfplay.studies.declared.noisy_tv_mujoco import BINS, LEARNING
from selfplay.studies.study import Arm, Run

SCRATCH, TOTAL, RANDOM = "scratch", "scratch-total", "random-encoder"
SELF_PLAY, CURIOUS = "alice-bob", "alice-bob-rnd"
BEFORE = "before"
ACTOR = "encoder,policy,normaliser"


@dataclass(frozen=True)
class Worlds:
    """One family of environments and how everything is trained there.

    tasks: environment -> share of episodes that an untrained policy solves, what counts as 0 (of seed 100; of 2048
        episodes in grids, 512 in mazes).
    pretrained_on, before, steps: the world of pretraining, its env steps, and those of each task.
    common: settings of all runs with one learner.  game: of self-play.
    learning, binned: of bonuses that learn, and of those that tell states apart.
    probed, probe_steps: of the runs that see what became of pretraining.  after: the tasks after which they look.
    inherited: what a run that begins with Bob has from him, as his settings say it.
    """

    prefix: str
    tasks: Mapping[str, float]
    pretrained_on: str
    before: int
    steps: int
    common: Mapping[str, str]
    learning: Mapping[str, str]
    game: Mapping[str, str]
    probed: Mapping[str, str]
    probe_steps: int
    after: tuple[str, ...]
    binned: Mapping[str, str] = field(default_factory=dict)
    inherited: Mapping[str, str] = field(default_factory=dict)

    def env(self, name: str) -> str:
        """The id of a task, or of the world of pretraining."""
        return f"{self.prefix}/{name}-v0"


_SEEN = {"segments": "view,direction"}  # of the same size in all levels; missions and whole maps are not

GRID = Worlds(
    prefix="grid",
    tasks={"Unlock": 0.045, "KeyCorridorS3R1": 0.06, "SimpleCrossingS9N1": 0.048, "LavaCrossingS9N1": 0.008},
    pretrained_on="DoorKey-6x6",
    before=1_000_000,
    steps=300_000,
    common={**_SEEN, "num_envs": "256", "rollout_steps": "32", "ppo.minibatch_size": "1024", "eval_episodes": "64"},
    learning={},
    game={
        **_SEEN, "num_envs": "128", "proposals": "4", "eval_goals": "64", "alice.minibatch_size": "1024",
        "bob.minibatch_size": "1024",
    },
    probed={"num_envs": "64", "rollout_steps": "384", "coverage": "true"},
    probe_steps=24_576,
    after=("Unlock", "LavaCrossingS9N1"),
)  # fmt: skip

MUJOCO = Worlds(
    prefix="mujoco",
    tasks={"PointMaze-Open": 0.033, "PointMaze-U": 0.209, "PointMaze-Medium": 0.074, "Corridor": 0.094},
    pretrained_on="PointMaze-Large",
    before=150_000,
    steps=80_000,
    common={
        "num_envs": "64", "rollout_steps": "32", "eval_episodes": "32", "ppo.minibatch_size": "512", "ppo.epochs": "4",
        "ppo.learning_rate": "0.001",
    },
    learning=LEARNING,
    binned=BINS,
    game={"num_envs": "64", "proposals": "16", "eval_goals": "32"},
    probed={"rollout_steps": "512", "eval_episodes": "64", "coverage": "true"},
    probe_steps=32_768,
    after=("PointMaze-Medium", "Corridor"),
    inherited={"ppo.log_std": "-0.5"},
)  # fmt: skip

FAMILIES = {"grid": GRID, "mujoco": MUJOCO}


def pretraining(worlds: Worlds, method: str) -> Run:
    """The run that those of `method` begin with: a bonus alone, self-play, or nothing learnt ("random")."""
    env = worlds.env(worlds.pretrained_on)
    unseen = {**worlds.common, "eval_episodes": "0"}
    if method == "random":
        return Run("random", env, 1, unseen)
    if method == SELF_PLAY:
        return Run("alice-bob", env, worlds.before, worlds.game)
    if method == CURIOUS:
        return Run("alice-bob", env, worlds.before, {**worlds.game, "rewards": "task=1,rnd=0.1"})
    chosen = worlds.learning if method not in ("counts", "re3") else {}
    if method in ("counts", "noveld", "ride"):
        chosen = {**chosen, **worlds.binned}
    settings = {f"bonus.{method}.{key}": value for key, value in chosen.items()}
    return Run(method, env, worlds.before, {**unseen, "rewards": f"{method}=1", **settings})


def downstream(worlds: Worlds, method: str, task: str) -> Run:
    """`method` on a task. `NAME+critic` also takes over the critic; `NAME+encoder` and `NAME+frozen` the encoder alone,
    and the latter keeps it.
    """
    env = worlds.env(task)
    if method in (SCRATCH, TOTAL):
        return Run("ppo", env, worlds.steps + (worlds.before if method == TOTAL else 0), worlds.common)
    name, _, part = method.partition("+")
    settings = dict(worlds.common)
    if method == RANDOM:
        name, part = "random", "frozen"
    if part == "frozen":
        settings |= {"keep": "encoder", "freeze": "encoder"}
    else:
        settings["keep"] = {"critic": f"{ACTOR},critic", "encoder": "encoder,normaliser"}.get(part, ACTOR)
    if name in (SELF_PLAY, CURIOUS):
        settings |= worlds.inherited
    return Run("finetune", env, worlds.steps, settings, pretraining(worlds, name))


def probe(worlds: Worlds, method: str, after: str | None) -> Run:
    """What `method` does in the world of pretraining: as pretraining left it, or after a task."""
    begins = pretraining(worlds, method) if after is None else downstream(worlds, method, after)
    still = {**worlds.common, **worlds.probed, "keep": ACTOR, "ppo.learning_rate": "0"}
    if method in (SELF_PLAY, CURIOUS):
        still |= worlds.inherited
    return Run("finetune", worlds.env(worlds.pretrained_on), worlds.probe_steps, still, begins)


def task_arms(family: str, methods: tuple[str, ...]) -> list[Arm]:
    """An arm for each method and task: `grid.rnd.Unlock`."""
    worlds = FAMILIES[family]
    return [
        Arm(f"{family}.{method}.{task}", downstream(worlds, method, task), {"task": task, "method": method})
        for task in worlds.tasks
        for method in methods
    ]


def probe_arms(family: str, methods: tuple[str, ...]) -> list[Arm]:
    """`grid.rnd.before`, and `grid.rnd.after-Unlock`."""
    worlds = FAMILIES[family]
    arms = []
    for after in (None, *worlds.after):
        when = BEFORE if after is None else f"after-{after}"
        row = f"{worlds.pretrained_on} {when.replace('-', ' ', 1)}"
        for method in methods:
            run = probe(worlds, method, after)
            arms.append(Arm(f"{family}.{method}.{when}", run, {"task": row, "method": method}))
    return arms


def task_groups(family: str, methods: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """`grid.rnd`: a method on all tasks."""
    tasks = FAMILIES[family].tasks
    return {f"{family}.{method}": tuple(f"{family}.{method}.{task}" for task in tasks) for method in methods}


def probe_groups(family: str, methods: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """`grid.rnd after tasks`, and as many times `before`."""
    after = FAMILIES[family].after
    return {
        group: arms
        for method in methods
        for group, arms in (
            (f"{family}.{method} before", (f"{family}.{method}.{BEFORE}",) * len(after)),
            (f"{family}.{method} after", tuple(f"{family}.{method}.after-{task}" for task in after)),
        )
    }


def scale(*families: str) -> dict[str, tuple[float, float]]:
    """Environment -> the shares of episodes that count as 0 and as 1: chance, and all of them."""
    worlds = [FAMILIES[family] for family in families]
    return {each.env(task): (chance, 1.0) for each in worlds for task, chance in each.tasks.items()}
