"""Busy processes: a quiet benchmark says nothing about a machine that others use too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Inside, `count` processes do nothing but count, a processor each; afterwards they are gone."""
    spinners = [
        subprocess.Popen([sys.executable, "-c", "print(end='', flush=True)\nwhile True: pass"]) for _ in range(count)
    ]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
        for spinner in spinners:
            spinner.wait()
