"""The progress bar of a run: shown in a terminal, silent elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType


class Progress:
    """A bar with steps done, speed, time left and a few words of the stage. Use as a context manager.

    total: environment steps of the whole run. Nothing is shown when `quiet`, or where stderr is no terminal.
    """

    def __init__(self, title: str, total: int, quiet: bool = False):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[steps]}"),
            TextColumn("[cyan]{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[words]}"),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(title, total=total, steps="", speed="", words="")
        self._total = total

    def update(self, steps: int, words: dict[str, str]) -> None:
        """Show that `steps` environment steps are done, and `words` (name to value) beside the bar."""
        self._bar.update(self._task, completed=min(steps, self._total))
        speed = self._bar.tasks[0].speed
        self._bar.update(
            self._task,
            steps=f"{human(steps)}/{human(self._total)} steps",
            speed=f"{human(speed)}/s" if speed else "",
            words=" ".join(f"{name} {value}" for name, value in words.items()),
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def human(count: float) -> str:
    """A number as people say it: 950, 12.3k, 4.56M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"
