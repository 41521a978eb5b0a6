"""`selfplay dpo`: a run that makes another run's policy agree with a ledger of preferences."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import gymnasium
import torch
from gymnasium import spaces

from envs.grid.levels.rules import RULE_OBSTACLES
from selfplay.environments import MujocoSpec, family_of, find_environment, full_name
from selfplay.errors import UserError, unknown, warn
from selfplay.finetune import SHAPE, recorded_parents
from selfplay.imitation.clone import fitted_defaults, fitted_settings
from selfplay.imitation.record import SEEN
from selfplay.label.events import Comparison, comparisons
from selfplay.label.ledger import open_ledger
from selfplay.label.pairs import Pairs, alike, load_pairs
from selfplay.label.segments import ClipStore
from selfplay.label.serve import Places, check_one_player
from selfplay.lineage import find_parent
from selfplay.rundir import default_run_dir, find_run
from selfplay.stages.dpo import trained_steps
from selfplay.threads import limit_spinning
from selfplay.train import CHECKPOINT_SECONDS, run_stage
from selfplay.worlds import world_maker

METHOD = "dpo"
_STATE = ("full", "position", "direction", "carried")
_INSTEAD = "(expected --loss cpl, which needs no such thing)"


def run_dpo(
    run: Path,
    ledger: Path | None = None,
    *,
    teacher: str | None = None,
    seed: int | None = None,
    run_dir: Path | None = None,
    overrides: dict[str, str] | None = None,
    device: str = "cpu",
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    pictures: bool = True,
) -> Path:
    """Fit the policy of run folder `run` to the preferences in `ledger` and return the new run folder.

    ledger: an SQLite file beside its folder `clips`, by default the one that `selfplay label` keeps in `run`. teacher:
    only their answers. seed: by default that of `run`, whose fixed levels depend on it. overrides: dotted keys of
    `AnyDPOConfig`; the policy's shape and what it sees are those of `run`. The rest as in
    `selfplay.train.run_training`.

    Raises:
        UserError: whatever the user can put right, in one line; also where the loss would not have the policy that is
            wanted for its minimum (`why_not_exact`).
        SystemExit: 130 or 143, after a checkpoint, when asked to stop.
    """
    limit_spinning()
    check_one_player(find_run(run), METHOD)
    parent = find_parent(run, None)
    if parent.ppo.memory != "none":
        raise UserError(f"dpo: '{run}' has a memory, and what it remembers where a clip begins is not known")
    answers = _answers(Places(parent.path).ledger if ledger is None else ledger, run, teacher)
    spec = find_environment(parent.record["config"]["env"])
    base: Any = fitted_defaults(METHOD, parent.family)
    theirs = {key: getattr(parent.settings, key) for key in SEEN if key in type(parent.settings).model_fields}
    shape = {key: getattr(parent.ppo, key) for key in (*SHAPE, "critic")}
    update = {key: value for key, value in theirs.items() if key in type(base).model_fields}
    update["ppo"] = base.ppo.model_copy(update=shape)
    settings = fitted_settings(METHOD, base.model_copy(update=update), overrides or {})
    try:
        clips = ClipStore((Places(parent.path).ledger if ledger is None else ledger).parent / "clips")
        answers = _alike(answers, clips)
        pairs = load_pairs(answers, clips)
        world = world_maker(spec, settings)(1, 0, False)
        steps = trained_steps(pairs)
    except ValueError as error:
        raise UserError(str(error)) from None
    _check_fit(pairs, world.observation_space, world.action_space, run)
    if settings.fit.loss == "dpo" and (reason := why_not_exact(spec, settings, pairs)):
        raise UserError(f"dpo: {reason} {_INSTEAD}")
    saved = parent.newest()
    learnt = parent.policy(saved, world.observation_space, world.action_space, ("task",))
    seed = parent.record["config"]["seed"] if seed is None else seed
    path = run_dir or default_run_dir(f"{METHOD}-{parent.name}", full_name(spec), seed)
    return run_stage(
        METHOD, spec, settings, path, steps=settings.fit.epochs * steps, seed=seed, device=device, threads=threads,
        quiet=quiet, checkpoint_seconds=checkpoint_seconds, pictures=pictures,
        lineage={
            "parents": recorded_parents(path, parent) or parent.lineage(saved),
            "preferences": {
                "sha256": _digest(answers),
                "comparisons": len(answers),
                "teachers": sorted({answer.teacher for answer in answers}),
            },
        },
        begin=lambda stage: stage.begin(learnt),  # type: ignore[attr-defined]
        give=lambda stage: stage.give(pairs),  # type: ignore[attr-defined]
    )  # fmt: skip


def why_not_exact(spec: Any, settings: Any, pairs: Pairs) -> str | None:
    """Why direct preference optimisation over these segments would not be what it says; None: it is.

    Its derivation takes Π π(a|s) for the probability of a segment, so nothing but the policy may draw, and lets a
    constant of the state cancel that both segments begin in. Whether that is one state is only known where what is seen
    tells: in grids `full`, `position`, `direction` and `carried` (and the mission, where levels differ in it).
    """
    if settings.tv != "off":
        return "the noisy TV draws pictures, and DPO is exact only where nothing is drawn but actions"
    if family_of(spec) == "outside":
        return f"whether {spec.id} draws anything by chance is not known, and DPO is exact only where nothing does"
    if not isinstance(spec, MujocoSpec):
        if spec.rule == RULE_OBSTACLES:
            return f"obstacles of {spec.id} walk at random, and DPO is exact only where nothing is drawn but actions"
        needed = (*_STATE, "mission") if spec.mission.choices else _STATE
        if hidden := [name for name in needed if name not in settings.segments]:
            return (
                f"whether two clips begin in the same state cannot be told without {', '.join(hidden)} among "
                "what the policy sees"
            )
    starts = pairs.steps.obs[0]
    apart = int((starts[pairs.left] != starts[pairs.right]).flatten(1).any(1).sum())
    if apart:
        return f"the two clips of {apart} of {len(pairs)} comparisons begin in different states"
    return None


def _answers(path: Path, run: Path, teacher: str | None) -> list[Comparison]:
    """What the ledger at `path` says of pairs; UserError for none."""
    if not path.is_file():
        raise UserError(f"no ledger '{path}' (`selfplay label {run}` keeps one, --ledger names another)")
    try:
        with open_ledger(path, create=False) as ledger:
            known = ledger.teachers()
            if teacher is not None and teacher not in known:
                raise UserError(unknown("teacher", teacher, known))
            found = comparisons(ledger.labels(teacher))
    except ValueError as error:
        raise UserError(str(error)) from None
    if not found:
        raise UserError(f"ledger '{path}' has no answers yet (`selfplay label {run}` asks for some)")
    return found


def _alike(answers: list[Comparison], clips: ClipStore) -> list[Comparison]:
    """Those about clips that can be loaded together; a warning for the others."""
    found = alike(answers, clips)
    if len(found) < len(answers):
        warn(
            f"{len(answers) - len(found)} of {len(answers)} comparisons are left out: their clips are not as the others"
        )
    return found


def _digest(answers: list[Comparison]) -> str:
    return hashlib.sha256(json.dumps([astuple(answer) for answer in answers]).encode()).hexdigest()


def _check_fit(pairs: Pairs, sees: gymnasium.Space, does: gymnasium.Space, run: Path) -> None:
    """UserError unless a policy with these spaces could have made the clips."""
    obs, action = pairs.steps.obs, pairs.steps.action
    tokens, choices = isinstance(sees, spaces.MultiDiscrete), isinstance(does, spaces.Discrete)
    wanted = [torch.uint8 if tokens else torch.float32, [*(sees.shape or ())]]
    if [obs.dtype, list(obs.shape[2:])] != wanted:
        raise UserError(f"the clips show {obs.dtype} {list(obs.shape[2:])}, the policy of '{run}' sees {wanted}")
    wanted = [torch.int64 if choices else torch.float32, [*(does.shape or ())]]
    if [action.dtype, list(action.shape[2:])] != wanted:
        raise UserError(f"the clips hold actions {action.dtype}, '{run}' acts in {does}")
    if isinstance(does, spaces.Discrete) and int(action.max()) >= does.n:
        raise UserError(f"the clips hold action {int(action.max())}, '{run}' acts in {does}")
    if isinstance(sees, spaces.MultiDiscrete) and bool((obs >= torch.from_numpy(sees.nvec)).any()):
        raise UserError(f"the clips show tokens that '{run}' never sees")
