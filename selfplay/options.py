"""What the commands share: option types, and complaints of one line with exit code 2. Loads nothing heavy."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from selfplay.environments import FAMILIES
from selfplay.errors import UserError, one_line, unknown, warn

Command = Callable[..., Any]


class Commands(click.Group):
    """A group whose complaints are one line, with the nearest right thing, and exit code 2."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UserError(unknown("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except click.UsageError as error:
            raise _short(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _short_warnings():
                return super().invoke(ctx)
        except click.UsageError as error:
            raise _short(error) from None
        except KeyboardInterrupt:
            sys.exit(130)
        except RuntimeError as error:
            errors = sys.modules.get("envs.errors")  # importing it here would load gymnasium for every --help
            if errors is not None and isinstance(
                error, errors.LevelDrawingError | errors.UnstablePhysicsError | errors.OutsideError
            ):
                raise UserError(str(error)) from None
            raise


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Inside, what the worlds warn of is one line, and each kind of warning is said once."""
    said = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *to: Any) -> None:
            if category.__module__ != "envs.errors":
                usual(message, category, filename, lineno, *to)
            elif category not in said:
                said.add(category)
                warn(str(message))

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _short(error: click.UsageError) -> click.ClickException:
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        options = [name for parameter in error.ctx.command.params for name in parameter.opts if name.startswith("--")]
        return UserError(unknown("option", error.option_name, [*options, "--help"]))
    if error.ctx is not None and type(error).__name__ == "NoArgsIsHelpError":
        return error
    return UserError(one_line(error.format_message()))


class Count(click.ParamType):
    """A whole number as people write it: 5M, 300k, 1e6."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        from selfplay.config import parse_count

        try:
            return parse_count(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Seconds(click.FloatRange):
    """A length of time; click's own range lets NaN through."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a finite number (expected 0 <= seconds)", param, ctx)
        return seconds


COUNT = Count()
_MOST_WORLDS = 2**31 - 1


def fits(_ctx: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    """A number of worlds (None: not given), if the engine can count them."""
    if value is not None and value > _MOST_WORLDS:
        raise UserError(f"{parameter.opts[0]}: {value} is out of range (expected 1 to {_MOST_WORLDS})")
    return value


SEED = click.IntRange(min=0, max=2**63 - 1)
AT_LEAST_1 = click.IntRange(min=1)


THREADS = click.option("--threads", type=AT_LEAST_1, help="Threads.  [default: the cores, one less on a busy machine]")
THREADS_OF_RUN = click.option(
    "--threads", type=AT_LEAST_1, help="Threads.  [default: those it was trained with, at most the cores]"
)
DETERMINISTIC = click.option("--deterministic", is_flag=True, help="Take the likeliest action instead of drawing one.")
CHECKPOINT_EVERY = click.option(
    "--checkpoint-every", "checkpoint_seconds", type=Seconds(), default=30.0, show_default=True, metavar="SECONDS",
    help="Seconds between two checkpoints; one more at the end.",
)  # fmt: skip


def run_options(folder: str, setting: str) -> Callable[[Command], Command]:
    """The options of what makes a run, but for its seed: `pairs`, and those that a function `run_…` takes as they are.

    folder: the run folder if none is given. setting: an example of --set.
    """
    options = (
        click.option(
            "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help=f"Run folder.  [default: {folder}]"
        ),
        click.option(
            "--set", "pairs", multiple=True, metavar="KEY=VALUE", help=f"A setting, such as {setting}. Repeatable."
        ),
        THREADS,
        click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), default="cpu", show_default=True),
        CHECKPOINT_EVERY,
        click.option("--quiet", is_flag=True, help="No progress bar and no closing table."),
    )

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


LABELS = click.option(
    "--labels", type=COUNT, metavar="N", help="Questions asked in all, with --reward preferences=…  [default: 500]"
)
TEACHER = click.option(
    "--teacher", type=click.Choice(["script", "human"]), help="Who answers them: by the task's reward, or on `selfplay "
    "label`.  [default: script]",
)  # fmt: skip


def label_pairs(labels: int | None, teacher: str | None, overrides: Mapping[str, str]) -> dict[str, str]:
    """What `--labels` and `--teacher` set; UserError where the rewards in `overrides` are not learnt from labels."""
    given = {"--labels": ("labels.budget", labels), "--teacher": ("teacher.kind", teacher)}
    found = {key: str(value) for key, value in given.values() if value is not None}
    names = {part.partition("=")[0].strip() for part in overrides.get("rewards", "").split(",")}
    if found and "preferences" not in names:
        option = next(option for option, (_, value) in given.items() if value is not None)
        raise UserError(f"{option}: no reward is learnt from labels (expected --reward preferences=WEIGHT as well)")
    return found


def checked_env(
    name: str | None, families: Sequence[str] = FAMILIES, kwargs: Sequence[str] = (), said: str = "--env: "
) -> str | None:
    """`name`, if there is an environment of that name in one of `families`; with its namespace and its arguments.

    said: what comes before a complaint about the name; nothing where it is not an option.
    """
    if name is None:
        if kwargs:
            raise UserError(f"--env-kwargs {kwargs[0]}: expected --env module:Id-v0 as well")
        return None
    from selfplay.environments import family_of, find_environment, full_name

    try:
        spec = find_environment(name)
    except ValueError as error:
        ours = "nearest is" in str(error)  # of somebody else's there is no list
        raise UserError(f"{said}{error}" + ("; `selfplay envs` lists all" if ours else "")) from None
    if kwargs:
        try:
            if family_of(spec) != "outside":
                raise ValueError(f"{full_name(spec)} takes no arguments")
            spec = find_environment(f"{name}{'&' if '?' in name else '?'}{_query(kwargs)}")
        except ValueError as error:
            raise UserError(f"--env-kwargs: {error}") from None
    if family_of(spec) not in families:
        raise UserError(
            f"{said}{full_name(spec)} is not for this command, expected a {' or '.join(families)} world"
            + ("; `selfplay envs` lists all" if family_of(spec) != "outside" else "")
        )
    return full_name(spec)


def _query(pairs: Sequence[str]) -> str:
    """KEY=VALUE pairs as they stand in an environment's name."""
    import json
    from urllib.parse import quote, urlencode

    from envs.outside.spec import parse_kwargs

    return urlencode([(key, json.dumps(value)) for key, value in parse_kwargs(pairs).items()], quote_via=quote)


ENV_KWARGS = click.option(
    "--env-kwargs", "env_kwargs", multiple=True, metavar="KEY=VALUE",
    help="An argument that an environment from outside (module:Id-v0) is made with. Repeatable.",
)  # fmt: skip
