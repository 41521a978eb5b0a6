"""`selfplay train`: build the stage of a method, take up what is there, and train it in `selfplay.loop`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curiosity.group import ALONE
from envs.errors import OutsideError, UnstablePhysicsError
from selfplay import checkpoint
from selfplay.card import CARD, write_card
from selfplay.config import flatten, unwritten
from selfplay.environments import family_of, find_environment, full_name
from selfplay.errors import UserError
from selfplay.idle import check_idle
from selfplay.loop import loop
from selfplay.methods import CONTINUATIONS, find_method, method_settings
from selfplay.ranks import joined, ranks_here
from selfplay.rundir import RunDir, default_run_dir
from selfplay.runlog import RunLog
from selfplay.sharing import check_ranks, check_same, first_says, handed_out, shard
from selfplay.signals import StopRequest
from selfplay.threads import default_threads, limit_spinning, set_threads

if TYPE_CHECKING:
    from pydantic import BaseModel

    from curiosity.group import Alone
    from selfplay.environments import Environment
    from selfplay.ranks import Ranks
    from selfplay.stages.base import Stage

CHECKPOINT_SECONDS = 30.0


def run_training(
    method: str,
    env: str,
    *,
    steps: int,
    seed: int = 0,
    num_envs: int | None = None,
    run_dir: Path | None = None,
    overrides: dict[str, str] | None = None,
    device: str = "cpu",
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    pictures: bool = True,
) -> Path:
    """Train `method` on `env` for `steps` environment steps and return the run folder.

    The same call with the same folder takes the run up again; a finished one is left as it is. Started by `torchrun` it
    is one rank of a run (`docs/cluster.md`): settings are those of all ranks together, and rank 0 alone writes.
    overrides: dotted keys of the method's settings with values as text, as `--set` gives them.
    pictures: whether TensorBoard gets any; drawing an episode can take longer than learning from a hundred thousand
        steps. Nothing else depends on it.

    Raises:
        UserError: whatever the user can put right, in one line.
        SystemExit: 130 or 143, after a checkpoint, when asked to stop.
    """
    limit_spinning()
    if method in CONTINUATIONS:
        begins = {
            "clone": "a file: selfplay clone FILE",
            "overoptimization": "a run, and is for studies (docs/preferences.md)",
        }.get(method, f"a run: selfplay {method} RUN")
        raise UserError(f"method '{method}' begins with {begins}")
    try:
        spec = find_environment(env)
    except ValueError as error:
        raise UserError(str(error)) from None
    given = dict(overrides or {})
    if num_envs is not None:
        given["num_envs"] = str(num_envs)
    settings = method_settings(method, given, family_of(spec))
    path = run_dir or default_run_dir(method, env, seed)
    check_idle(settings, given, path)
    return run_stage(
        method, spec, settings, path, steps=steps, seed=seed, device=device,
        threads=threads, quiet=quiet, checkpoint_seconds=checkpoint_seconds, pictures=pictures,
    )  # fmt: skip


def run_stage(
    method: str,
    spec: Environment,
    settings: BaseModel,
    path: Path,
    *,
    steps: int,
    seed: int,
    device: str,
    threads: int | None,
    quiet: bool,
    checkpoint_seconds: float,
    pictures: bool,
    lineage: dict[str, Any] | None = None,
    begin: Callable[[Stage], None] | None = None,
    give: Callable[[Stage], None] | None = None,
) -> Path:
    """Train the stage of `method` in run folder `path`, or take it up again; see `run_training`.

    lineage: what `config.json` says of where the run comes from. begin: what is done to the stage of a new run;
    give: and then to that of every run that is not done yet, its checkpoint loaded or not.
    """
    with joined(device) as group, RunDir(path) if group.rank == 0 else nullcontext() as folder:
        record = folder.record() if folder is not None else None
        check_ranks(path, record, group.size)
        share = shard(settings, group.size)
        threads = _set_threads(threads, record, group)
        config = {
            "method": method,
            "env": full_name(spec),
            "steps": steps,
            "seed": seed,
            "device": device,
            "settings": settings.model_dump(mode="json"),
            **(lineage or {}),
            **({"ranks": group.size} if group.size > 1 else {}),
        }
        check_same(group, config)
        stage = build_stage(method, spec, share, seed, device, group)
        assumed = unwritten(type(settings), "settings.")
        resumed = folder is not None and folder.start(config, threads=threads, defaults=assumed)
        if folder is not None and hasattr(stage, "keep_in"):
            stage.keep_in(folder.path)
        newest = checkpoint.load_latest(folder.checkpoints) if folder is not None and resumed else None
        saved = handed_out(group, newest)
        if saved is None and begin is not None:
            begin(stage)
        if saved is None or saved.step < steps:
            if folder is not None:
                (path / CARD).unlink(missing_ok=True)  # it spoke of fewer steps
            _train(stage, folder, saved, config, quiet, checkpoint_seconds, pictures, give, group)
        if folder is not None:
            write_card(path)
    if not quiet and folder is not None:
        from selfplay.summary import print_summary

        print_summary(path)
    return path


def _train(
    stage: Stage,
    folder: RunDir | None,
    saved: checkpoint.Checkpoint | None,
    config: dict[str, Any],
    quiet: bool,
    checkpoint_seconds: float,
    pictures: bool,
    give: Callable[[Stage], None] | None,
    group: Alone | Ranks,
) -> None:
    """From checkpoint `saved` (None: from the start) to the end, or until asked to stop (SystemExit).

    folder: None for all ranks but the first, which write nothing.
    """
    from selfplay.progress import Progress

    if saved is not None:
        try:
            stage.load_state_dict(saved.tensors)
        except (ValueError, KeyError) as error:
            raise UserError(f"checkpoint {saved.path} does not fit this version: {error}") from None
    if getattr(stage, "finished", False):
        return
    if give is not None:
        give(stage)
    log = None
    if folder is not None:
        log = RunLog(folder.path, saved.meta["offsets"] if saved else None, saved.step if saved else 0)
    try:
        if log is not None:
            _describe(log, config, stage)
        progress = Progress(f"{config['method']} on {config['env']}", config["steps"], quiet or log is None)
        with StopRequest() as stop, progress:
            fresh = saved is None
            loop(stage, log, folder, config["steps"], stop, progress, checkpoint_seconds, pictures, group, fresh=fresh)
    except UnstablePhysicsError as error:
        raise UserError(
            f"physics blew up after {stage.steps:,} steps: {str(error).partition(';')[0]}; another --seed may not"
        ) from None
    except OutsideError as error:
        raise UserError(
            f"{error}; after {stage.steps:,} steps of training (`selfplay check-env` looks closer)"
        ) from None
    except FloatingPointError as error:
        raise UserError(
            f"training diverged after {stage.steps:,} steps: {error}; try a smaller learning rate"
        ) from None
    except MemoryError as error:
        raise UserError(f"memory ran out after {stage.steps:,} steps: {error}") from None
    finally:
        if log is not None:
            log.close()
    if stop.requested:
        sys.exit(stop.exit_code if group.size == 1 else 0)  # torchrun would begin anew after any other


def _set_threads(threads: int | None, record: dict[str, Any] | None, group: Alone | Ranks) -> int:
    """The threads asked for, else those the run was started with: sums depend on them. Each rank takes as many."""
    if threads is None:
        threads = default_threads(ranks_here()) if record is None else int(record["threads"])
    return set_threads(first_says(group, threads))


def build_stage(
    method: str, spec: Environment, settings: BaseModel, seed: int, device: str, group: Alone | Ranks = ALONE
) -> Stage:
    """The stage of `method`; UserError where the settings do not fit the level or the device is not there."""
    if device != "cpu":
        import torch

        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"--device {device}: {str(error).splitlines()[0]}") from None
    try:
        return find_method(method).build(spec, settings, seed, device, group)
    except (ValueError, OutsideError) as error:
        raise UserError(str(error)) from None
    except MemoryError as error:
        raise UserError(f"the worlds and their buffers do not fit into memory: {error}") from None


def _describe(log: RunLog, config: dict[str, Any], stage: Stage) -> None:
    """What TensorBoard shows beside the curves: hyper-parameters and the page of charts."""
    log.board.hparams(flatten(config), stage.compared_by)
    log.board.layout(stage.charts)
