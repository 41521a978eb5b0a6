"""Settings that must be in place before numba, torch and matplotlib are loaded, and a fresh Python to run things in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("NUMBA_NUM_THREADS", "2")
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run_python():
    """(code or list of arguments, cwd=…, check=True) -> CompletedProcess of a fresh Python that finds our packages."""

    def run(code, cwd=ROOT, check=True, timeout=120):
        arguments = ["-c", code] if isinstance(code, str) else [str(part) for part in code]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run
