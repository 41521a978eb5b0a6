"""The commands `selfplay bench …`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from selfplay.errors import UserError, unknown
from selfplay.options import AT_LEAST_1, COUNT, Commands, Seconds, checked_env, fits

ENV_PEERS = ("minigrid", "envpool", "navix")
MUJOCO_PEERS = ("mujoco", "gymnasium", "envpool")
TRAIN_PEERS = ("sb3", "navix")
ROUNDS = click.IntRange(min=3)
_ENV = click.option("--env", default="grid/DoorKey-8x8-v0", show_default=True, metavar="ID", help="Environment.")
_THREADS = click.option(
    "--threads", type=AT_LEAST_1, metavar="N",
    help="Threads, and processors for each peer.  [default: the cores, one less on a busy machine; peers: all]",
)  # fmt: skip


def _writable(_ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """A file that can be written; told before anything is measured. Missing folders are made."""
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{parameter.opts[0]}: the folder of '{path}' cannot be made: {error.strerror}") from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{parameter.opts[0]}: '{path}' cannot be written")
    return path


_JSON = click.option(
    "--json", "json_path", type=click.Path(path_type=Path), callback=_writable, metavar="FILE",
    help="Write it there too.",
)  # fmt: skip
_PYTHON = click.option(
    "--peer-python", "pythons", multiple=True, metavar="PEER=PATH", help="Interpreter of a peer. Repeatable."
)


def _peers_option(known: tuple[str, ...]):
    return click.option(
        "--peers", is_flag=False, flag_value="all", metavar="[NAMES]",
        help=f"Beside others: all, or some of {','.join(known)}.",
    )  # fmt: skip


def _chosen(given: str | None, known: tuple[str, ...]) -> list[str]:
    """The peers meant by `--peers`, none without it."""
    if given is None:
        return []
    names = list(known) if given == "all" else [name.strip() for name in given.split(",")]
    for name in names:
        if name not in known:
            raise UserError(f"--peers: {unknown('peer', name, [*known, 'all'])}")
    return names


def _pythons(pairs: tuple[str, ...], known: tuple[str, ...], chosen: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals:
            raise UserError(f"--peer-python: '{pair}' is not PEER=PATH")
        if name not in known:
            raise UserError(f"--peer-python: {unknown('peer', name, known)}")
        if not (os.path.isfile(path) and os.access(path, os.X_OK)):
            raise UserError(f"--peer-python: '{path}' cannot be run")
        if name not in chosen:
            raise UserError(f"--peer-python: {name} is not among --peers")
        found[name] = path
    return found


def _check_study(command: str | None) -> None:
    """UserError unless `--limit-study` names a file."""
    if command is None:
        return
    try:
        script, *_ = shlex.split(command) or [""]
    except ValueError as error:
        raise UserError(f"--limit-study: {command!r} is no command line: {error}") from None
    if not Path(script).is_file():
        raise UserError(f"--limit-study: there is no file '{script}'")


def _threads(given: int | None) -> int:
    from selfplay.threads import default_threads

    most = os.cpu_count() or 1
    if given is not None and given > most:
        raise UserError(f"--threads: {given} is out of range (expected 1 <= threads <= {most} on this machine)")
    return given or default_threads()


def _say(line: str) -> None:
    """Where it is, on stderr, for somebody who waits; an empty line wipes it."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{line}{' …' if line else ''}\r", err=True, nl=False)


@click.group(cls=Commands)
def bench() -> None:
    """Measure speed and learning, alone or beside other packages."""


@bench.command("envs")
@_ENV
@_peers_option((*ENV_PEERS, *MUJOCO_PEERS[:2]))
@click.option("--all", "every", is_flag=True, help="Every level, ours alone, the slowest first.")
@click.option("--num-envs", type=COUNT, callback=fits, default="4096", show_default=True, help="Worlds side by side.")
@_THREADS
@click.option("--rounds", type=ROUNDS, default=5, show_default=True, help="Turns of each; the median counts.")
@click.option("--seconds", type=Seconds(), default=1.0, show_default=True, help="Length of a turn.")
@click.option("--busy", type=click.IntRange(0, 1024), default=0, help="Once more beside this many busy processes.")
@_PYTHON
@_JSON
def bench_envs(
    env: str,
    peers: str | None,
    every: bool,
    num_envs: int,
    threads: int | None,
    rounds: int,
    seconds: float,
    busy: int,
    pythons: tuple[str, ...],
    json_path: Path | None,
) -> None:
    """Environment steps a second.

    Random actions, MiniGrid's 7x7 image, fresh levels, or Gymnasium's MuJoCo worlds (mujoco/Ant-v5, beside mujoco,
    gymnasium and envpool); everybody takes turns in the same run.
    """
    env = checked_env(env) or env
    known = MUJOCO_PEERS if env.startswith("mujoco/") else ENV_PEERS
    chosen = _chosen(peers, known)
    interpreters = _pythons(pythons, known, chosen)
    used = _threads(threads)
    from selfplay.bench import envs as measured

    if every:
        source = click.get_current_context().get_parameter_source("env")
        if chosen or busy or source is ParameterSource.COMMANDLINE:
            raise UserError("--all measures every level, ours alone: leave out --env, --peers and --busy")
        measured.run_all(num_envs=num_envs, threads=used, rounds=rounds, seconds=seconds, json_path=json_path, say=_say)
        return
    measured.run(
        env,
        num_envs=num_envs,
        threads=used,
        rounds=rounds,
        seconds=seconds,
        peers=chosen,
        peer_python=interpreters,
        bound=threads is not None,
        busy_processes=busy,
        json_path=json_path,
        say=_say,
    )


@bench.command("train")
@_ENV
@_peers_option(TRAIN_PEERS)
@click.option("--seeds", type=AT_LEAST_1, default=5, show_default=True)
@click.option("--peer-seeds", type=AT_LEAST_1, help="Seeds of each peer.  [default: as many]")
@click.option("--peer-seconds", type=Seconds(), default=600.0, show_default=True, help="When a peer gives up a seed.")
@click.option("--limit", type=COUNT, default="20M", show_default=True, help="Steps after which ours gives up a seed.")
@_THREADS
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of ours. Repeatable.")
@click.option("--cold/--no-cold", default=True, show_default=True, help="Tell how long ours compiles from nothing.")
@click.option("--limit-study", metavar="COMMAND", help="Python file and arguments that print steps/s, run beside it.")
@_PYTHON
@_JSON
def bench_train(
    env: str,
    peers: str | None,
    seeds: int,
    peer_seeds: int | None,
    peer_seconds: float,
    limit: int,
    threads: int | None,
    pairs: tuple[str, ...],
    cold: bool,
    limit_study: str | None,
    pythons: tuple[str, ...],
    json_path: Path | None,
) -> None:
    """Trained steps a second and seconds to success.

    PPO until .95 of fresh levels are solved, and where its time goes.
    """
    chosen = _chosen(peers, TRAIN_PEERS)
    interpreters = _pythons(pythons, TRAIN_PEERS, chosen)
    _check_study(limit_study)
    env = checked_env(env, ("grid",)) or env
    used = _threads(threads)
    from selfplay.config import parse_pairs
    from selfplay.methods import method_settings

    overrides = parse_pairs(pairs)
    method_settings("ppo", overrides)  # a wrong setting is told before anything is measured
    from selfplay.bench import train as measured

    measured.run(
        env,
        seeds=seeds,
        threads=used,
        limit=limit,
        overrides=overrides,
        peers=chosen,
        peer_seeds=seeds if peer_seeds is None else min(seeds, peer_seeds),
        peer_seconds=peer_seconds,
        peer_python=interpreters,
        bound=threads is not None,
        cold=cold,
        limit_study=limit_study,
        json_path=json_path,
        say=_say,
    )


@bench.command("scaling")
@_ENV
@click.option("--num-envs", type=COUNT, callback=fits, default="4096", show_default=True, help="Where sizes vary.")
@_THREADS
@click.option("--rounds", type=ROUNDS, default=3, show_default=True)
@click.option("--seconds", type=Seconds(), default=0.5, show_default=True, help="Length of a round.")
@click.option("--most", type=COUNT, callback=fits, default="65536", show_default=True, help="Most worlds.")
@click.option(
    "--figure", type=click.Path(path_type=Path), callback=_writable, metavar="FILE", help="Draw it there, as a PNG."
)
@_JSON
def bench_scaling(
    env: str,
    num_envs: int,
    threads: int | None,
    rounds: int,
    seconds: float,
    most: int,
    figure: Path | None,
    json_path: Path | None,
) -> None:
    """Steps a second and memory by number and size of the worlds.

    And by threads: from 1 to all. Tells where more worlds no longer help.
    """
    env = checked_env(env, ("grid",)) or env
    from selfplay.threads import physical_cores

    used = physical_cores() if threads is None else _threads(threads)
    from selfplay.bench import scaling as measured

    counts = [count for count in measured.COUNTS if count <= most]
    if len(counts) < 2:
        raise UserError(f"--most: {most} is out of range (expected at least {measured.COUNTS[1]})")
    measured.run(
        env,
        num_envs=num_envs,
        threads=used,
        rounds=rounds,
        seconds=seconds,
        counts=counts,
        sides=dict(measured.SIDES),
        figure=figure,
        json_path=json_path,
        say=_say,
    )
