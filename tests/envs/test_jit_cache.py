"""The cache of compiled code: it never hands out other code than it was asked for, and forgets what is stale."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envs.grid.engine import GridEngine
from envs.grid.levels import level_spec
from envs.jit import _Files

ROOT = Path(__file__).parents[2]


def test_every_key_has_a_file_of_its_own(tmp_path):
    first, second = (_Files(str(tmp_path), "kernel", "aaaa") for _ in range(2))  # as in two processes
    first.save(("f", 1), "one")
    second.save(("f", 2), "two")
    assert first.load(("f", 2)) == "two"
    assert second.load(("f", 1)) == "one"
    assert first.load(("f", 3)) is None


def test_other_sources_never_meet_and_old_ones_go(tmp_path):
    old, new = _Files(str(tmp_path), "kernel", "aaaa"), _Files(str(tmp_path), "kernel", "bbbb")
    beside = _Files(str(tmp_path), "kernel2", "aaaa")
    old.save("key", 1)
    beside.save("key", 2)
    assert new.load("key") is None
    new.save("key", 3)
    assert old.load("key") is None
    assert new.load("key") == 3
    assert beside.load("key") == 2


def test_a_spoilt_file_is_compiled_anew(tmp_path):
    files = _Files(str(tmp_path), "kernel", "aaaa")
    files.save("key", 1)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:5])
    assert files.load("key") is None


@pytest.mark.slow
def test_two_processes_that_compile_at_once_draw_their_own_levels(tmp_path):
    code = (
        "import sys, numpy as np; from envs.grid.engine import GridEngine; from envs.grid.levels import level_spec\n"
        "engine = GridEngine(level_spec(sys.argv[1]), 4); engine.seed(0); engine.generate()\n"
        "print(sorted(set((engine.state.cells & 15).reshape(-1).tolist())))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    expected = {"Empty-6x6-v0": "[1, 2, 8]", "Fetch-6x6-N2-v0": None}
    for _ in range(2):  # the second time from the cache that the first left behind
        running = {
            name: subprocess.Popen(
                [sys.executable, "-c", code, name], stdout=subprocess.PIPE, env=environment, text=True
            )
            for name in expected
        }
        found = {name: process.communicate()[0].strip() for name, process in running.items()}
        assert found["Empty-6x6-v0"] == expected["Empty-6x6-v0"]  # empty cells, walls, the goal
        assert found["Fetch-6x6-N2-v0"] in ("[1, 2, 5]", "[1, 2, 6]", "[1, 2, 5, 6]")  # keys and balls


def test_a_copied_engine_looks_its_generator_up_again():
    engine = GridEngine(level_spec("DoorKey-5x5-v0"), 3)
    engine.seed(0)
    engine.generate()
    other = copy.deepcopy(engine)
    other._level[0] = 12345  # what an address is worth in another process
    other.seed(0)
    other.generate()
    np.testing.assert_array_equal(other.state.cells, engine.state.cells)
