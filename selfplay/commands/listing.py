"""The commands `selfplay envs` and `methods`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.options import checked_env


@click.command()
def envs() -> None:
    """List the environments: size (of grids), time limit and mission, and the features that can be rewarded."""
    from envs.grid.features import FEATURES
    from envs.grid.levels import LEVELS
    from envs.grid.pool import FIRST, REFRESH, SIZE
    from envs.mujoco.worlds import WORLDS

    rows = [
        (
            f"grid/{level.id}",
            f"{level.width}×{level.height}",
            f"{level.max_steps}",
            level.mission.template.replace("{}", "…"),
        )
        for level in LEVELS.values()
    ]
    _print_table(("id", "size", "max. steps", "mission"), rows, right=(1, 2))
    click.echo(
        f"grid/WFC-…: drawn by minigrid in the background, into a pool that resets take levels from: {FIRST} at the "
        f"start,\none more for every {REFRESH:,} resets, at most {SIZE}. Fewer than {FIRST} worlds begin with a level "
        "each and get one more\nfor as many resets; a single world gets a fresh level at every reset.\n"
    )
    worlds = [(f"mujoco/{name}", f"{world.max_steps}", world.mission) for name, world in WORLDS.items()]
    _print_table(("id", "max. steps", "mission"), worlds, right=(1,))
    click.echo(
        "module:Id-v0, such as gymnasium:CartPole-v1: any that Gymnasium knows; `selfplay check-env` looks at it."
    )
    features = [("grid/…", name, feature.text) for name, feature in FEATURES.items()]
    for name, world in WORLDS.items():
        features += [(f"mujoco/{name}", key, feature.text) for key, feature in world().features().items()]
    _print_table(("features of", "name", "what --set taught.features.weights=NAME=NUMBER,… weighs"), features)


@click.command()
@click.argument("method", required=False)
@click.option("--env", metavar="ID", help="Its settings there.  [default: in grid worlds]")
def methods(method: str | None, env: str | None) -> None:
    """List the methods that `selfplay train` knows, or the settings of METHOD."""
    from selfplay.methods import CONTINUATIONS, METHODS

    if method is None:
        every = METHODS | CONTINUATIONS
        _print_table(("method", "what it does"), [(name, known.description) for name, known in every.items()])
        return
    from selfplay.config import keys, value_of
    from selfplay.environments import family_of, find_environment
    from selfplay.methods import method_settings
    from selfplay.stages.fitted_settings import is_fitted, used

    settings = method_settings(
        method, {}, family_of(find_environment(checked_env(env, EVERY_FAMILY) or "grid/Empty-5x5-v0"))
    )
    kind = type(settings)
    known = used(kind) if is_fitted(kind) else keys(kind)
    rows = [(key, _as_typed(value_of(settings, key)), field.description or "") for key, field in known.items()]
    _print_table(("setting", "default", ""), rows)


def _as_typed(value: Any) -> str:
    """A default as `--set` would take it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, title in enumerate(header):
        last = column == len(header) - 1
        table.add_column(title, justify="right" if column in right else "left", no_wrap=not last)
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)
