"""Mistakes of the user: one line, exit code 2, and the nearest thing that would have been right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import IO, Any

import click


class UserError(click.ClickException):
    """What the user asked for cannot be done. Shown as `error: …` on one line, without a traceback."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error: {one_line(self.message)}", file=file, err=file is None)


def one_line(text: str) -> str:
    """`text` with every run of white space turned into one space."""
    return " ".join(text.split())


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option most like `name`, or None where nothing comes close. Case does not count."""
    folded = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def unknown(kind: str, name: str, options: Iterable[str]) -> str:
    """The line `unknown KIND 'name'; did you mean 'other'?`, or the whole list where nothing comes close."""
    options = list(options)
    match = nearest(name, options)
    if match is not None:
        return f"unknown {kind} '{name}'; did you mean '{match}'?"
    listed = ", ".join(options[:12]) + (", …" if len(options) > 12 else "")
    return f"unknown {kind} '{name}'; expected one of {listed}"


def warn(line: str) -> None:
    """Print `warning: …` as one line on stderr."""
    click.echo(f"warning: {one_line(line)}", err=True)
