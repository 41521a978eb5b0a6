"""Ctrl-C and SIGTERM as a wish that the training loop grants between two updates."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import click

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Context manager that turns SIGINT and SIGTERM into a flag.

        with StopRequest() as stop:
            while step < steps and not stop.requested:
                ...
        save(); sys.exit(stop.exit_code)

    A second signal ends the process at once. Outside the main thread Python does not deliver signals: there the flag
    can only be set by `request`.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, object] = {}

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """0 without a request, 130 after SIGINT, 143 after SIGTERM."""
        return 0 if self.signal is None else 128 + self.signal

    def request(self, signum: int = signal.SIGTERM) -> None:
        """Ask to stop, as if signal `signum` had come."""
        self.signal = int(signum)

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_exception: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.requested:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        self.request(signum)
        click.echo("stopping: saving after this update (once more to stop at once)", err=True)
