"""The near side of a worker: starts its process, gives it a run, hears how it went."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from selfplay.studies.plan import Task
from selfplay.threads import users_environment

ROOT = Path(__file__).resolve().parent.parent.parent
"""Where our packages lie: a new process is to find the same ones."""


def request(task: Task, threads: int, checkpoint_seconds: float) -> dict[str, Any]:
    """What a worker is told of `task`, as JSON can hold it."""
    run = task.arm.run
    return {
        "method": run.method, "env": run.env, "steps": run.steps, "seed": task.seed,
        "overrides": dict(run.overrides), "run_dir": str(task.folder), "threads": threads,
        "begins": None if task.begins is None else str(task.begins.folder),
        "checkpoint_seconds": checkpoint_seconds,
    }  # fmt: skip


class Worker:
    """A `selfplay.studies.worker` process and the task it has in hand.

    It has a session of its own: Ctrl-C reaches this process only, which hangs up.
    """

    def __init__(self) -> None:
        given = users_environment()
        given["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [given.get("PYTHONPATH")])])
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "selfplay.studies.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, env=given, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.answers = self._process.stdout
        self.task: Task | None = None

    def give(self, task: Task, threads: int, checkpoint_seconds: float) -> None:
        """Let it train `task`."""
        self.task = task
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it was killed while idle: then its answers have ended, which is noticed there
            self._process.stdin.write(json.dumps(request(task, threads, checkpoint_seconds)).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any] | None:
        """Its answer, to be called when there is one; None where the process has ended."""
        line = self.answers.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def hang_up(self) -> None:
        """End its input: it saves what it has in hand, and ends. One wish only: a second one would end it at once."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self) -> str:
        """Hang up, wait until the process has ended, and say how."""
        self.hang_up()
        code = self._process.wait()
        self._complaints.seek(0)
        said = [line for line in self._complaints.read().decode(errors="replace").split("\n") if line.strip()]
        self.answers.close()
        self._complaints.close()
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}" + (f": {said[-1].strip()[:200]}" if said else "")
