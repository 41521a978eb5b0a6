"""How far a study is: a bar in a terminal, a line for each run elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click


class StudyProgress:
    """Runs done of all, how many failed, and the time left at the pace of this session. Use as a context manager."""

    def __init__(self, title: str, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._terminal = sys.stderr.isatty()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs  {task.fields[left]}  [dim]{task.fields[words]}"),
            console=Console(stderr=True),
            disable=not self._terminal,
        )
        self._task = self._bar.add_task(title, total=total, completed=done, left="", words="")
        self._total, self._done, self._before = total, done, done
        self._began = time.monotonic()

    def over(self, name: str, why: str | None) -> None:
        """Run `name` is over; `why`: how it failed."""
        self._done += 1
        passed = time.monotonic() - self._began
        seconds = passed / (self._done - self._before) * (self._total - self._done)
        left = f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"
        line = f"{name} failed: {why}" if why else f"{name} finished"
        self._bar.update(self._task, completed=self._done, left=left, words=line)
        if not self._terminal:
            click.echo(f"{self._done}/{self._total} {line}; {left}", err=True)
        elif why:
            self._bar.console.print(line, highlight=False, markup=False)

    def __enter__(self) -> StudyProgress:
        self._bar.start()
        if not self._terminal:
            click.echo(f"{self._done}/{self._total} runs were finished before", err=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
