"""`selfplay clone`: a run that is fitted to recorded episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from selfplay.config import apply_overrides
from selfplay.environments import Family, family_of, find_environment, full_name
from selfplay.errors import UserError, nearest, unknown
from selfplay.imitation.episodes import Episodes, fitting, load_episodes
from selfplay.methods import find_method
from selfplay.rundir import default_run_dir
from selfplay.stages.fitted_settings import FittedConfig, used
from selfplay.threads import limit_spinning
from selfplay.train import CHECKPOINT_SECONDS, run_stage
from selfplay.worlds import world_maker

METHOD = "clone"


def run_clone(
    file: Path,
    env: str | None = None,
    *,
    seed: int | None = None,
    run_dir: Path | None = None,
    overrides: dict[str, str] | None = None,
    device: str = "cpu",
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    pictures: bool = True,
) -> Path:
    """Fit a policy to the episodes in `file` by maximum likelihood and return the run folder.

    env: where it is to play, by default where they were recorded. seed: by default that of the run they are of, whose
    fixed levels depend on it. overrides: dotted keys of `AnyCloneConfig`; what is seen of the
    world is as it was recorded. The rest as in `selfplay.train.run_training`. Of Alice's turns the goal, which comes
    last in what is seen, is left out.

    Raises:
        UserError: whatever the user can put right, in one line.
        SystemExit: 130 or 143, after a checkpoint, when asked to stop.
    """
    limit_spinning()
    episodes, about = _read(file)
    try:
        spec = find_environment(env or about["env"])
    except ValueError as error:
        raise UserError(str(error)) from None
    family = family_of(spec)
    if family != about["family"]:
        raise UserError(f"--env {env}: '{file}' was recorded in {about['family']} worlds, expected {about['family']}/…")
    base: Any = fitted_defaults(METHOD, family)
    seen = {key: value for key, value in about["world"].items() if key in type(base).model_fields}
    try:
        base = type(base).model_validate(base.model_dump() | seen)
    except ValueError:
        raise UserError(f"'{file}' says of its world what this version does not know: {seen}") from None
    settings = fitted_settings(METHOD, base, overrides or {})
    try:
        world = world_maker(spec, settings)(1, 0, False)
    except ValueError as error:
        raise UserError(str(error)) from None
    learnt = fitting(episodes, world.observation_space, world.action_space, str(file))
    if settings.fit.successes:
        if learnt.success is None:
            raise UserError(f"fit.successes: '{file}' is of a world without success (expected fit.successes=false)")
        learnt = learnt.where(learnt.success)
    seed = about["run_seed"] if seed is None else seed
    held = held_out(len(learnt), settings.fit.held_out, seed)
    if held.all():
        raise UserError(f"'{file}' has {len(learnt)} episodes to learn from, {held.sum()} of these are held out")
    name = about["lineage"][0]["run"] if about["lineage"] else file.stem
    return run_stage(
        METHOD, spec, settings, run_dir or default_run_dir(f"{METHOD}-{name}", full_name(spec), seed),
        steps=settings.fit.epochs * int(learnt.length[~held].sum()), seed=seed, device=device, threads=threads,
        quiet=quiet, checkpoint_seconds=checkpoint_seconds, pictures=pictures,
        lineage={
            "parents": about["lineage"],
            "demonstrations": {"file": file.name, "sha256": episodes.sha256, "episodes": len(learnt)},
        },
        give=lambda stage: stage.give(learnt, held),  # type: ignore[attr-defined]
    )  # fmt: skip


def fitted_defaults(method: str, family: Family) -> Any:
    """The settings of `method` in worlds of `family`."""
    return find_method(method).defaults(family)


def fitted_settings(method: str, base: FittedConfig, overrides: dict[str, str]) -> Any:
    """`base` with `overrides`; UserError for what does not fit, or means nothing where nothing is played."""
    known = used(type(base))
    for key in overrides:
        if key not in known:
            raise UserError(f"--set: {unknown(f'setting of {method}', key, known)}")
    return apply_overrides(type(base), overrides, base=base)


def held_out(count: int, share: float, seed: int) -> np.ndarray:
    """bool [count]: which of so many episodes are never learnt from, drawn from `seed`."""
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(seed).permutation(count)[: round(share * count)]] = True
    return chosen


def _read(file: Path) -> tuple[Episodes, dict[str, Any]]:
    """The episodes in `file`, and what they say of themselves; UserError for none."""
    if not file.is_file():
        beside = [other.name for other in sorted(file.parent.glob("*.safetensors"))]
        inside = [other.name for other in sorted(file.glob("*.safetensors"))]
        match = nearest(file.name, beside)
        if inside:
            match, file = inside[0], file / inside[0]
            raise UserError(f"'{file.parent}' is a folder; did you mean '{file}'?")
        hint = f"; did you mean '{file.with_name(match)}'?" if match else " (`selfplay record RUN` writes one)"
        raise UserError(f"no episodes in '{file}'{hint}")
    try:
        episodes = load_episodes(file)
    except ValueError as error:
        raise UserError(str(error)) from None
    about = episodes.about
    if missing := sorted({"env", "family", "player", "sees", "does", "world", "lineage", "run_seed"} - set(about)):
        raise UserError(f"'{file}' does not say its {missing[0]}")
    return episodes, about
