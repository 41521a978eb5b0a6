"""The near side of a contender: starts its process, asks, and turns what goes wrong into one line for the table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from selfplay.errors import UserError
from selfplay.threads import users_environment

_ROOT = Path(__file__).resolve().parent.parent.parent


class Unavailable(Exception):
    """This contender cannot be measured here; the message is for its row."""


class Contender:
    """A worker process (`selfplay.bench.worker`) of module `module`.

    python: its interpreter; by default this one. threads: how many processors it is bound to, None: all.
    environment: variables that it is given besides this process's own. What it prints is not shown.
    """

    def __init__(
        self,
        module: str,
        python: str | None = None,
        threads: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        given = users_environment() | (environment or {})
        if python is None or python == sys.executable:
            given["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, [given.get("PYTHONPATH")])])
        else:
            given["PYTHONPATH"] = str(_ROOT)  # the other interpreter finds this package, its own packages, no more
        command = [python or sys.executable, "-m", module]
        if threads is not None and hasattr(os, "sched_setaffinity"):
            bind = f"import os, sys, runpy; os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[:threads]}); "
            command = [command[0], "-c", bind + f"runpy.run_module({module!r}, run_name='__main__')"]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, env=given, text=True
            )
        except OSError as error:
            self._complaints.close()
            raise UserError(f"cannot start {command[0]}: {error.strerror}") from None

    def ask(self, call: str, **arguments: Any) -> Any:
        """The answer to a request; `Unavailable` where a package is missing, the call fails or the process ends."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"call": call} | arguments) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Unavailable(f"ended with exit code {self._process.wait()}{self._last_complaint()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Unavailable(f"not installed: {answer['missing']}")
        if "error" in answer:
            raise Unavailable(f"failed: {answer['error']}")
        return answer["result"]

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:200]}" if last else ""

    def close(self) -> None:
        """End the process: by the end of its input, after ten seconds by force."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
