"""How many threads, and that numba and torch get them."""

import sys

import pytest

from selfplay import threads
from selfplay.errors import UserError


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """(cpus, siblings, load, quota) -> a pretended machine; hyper-threads come in groups of `siblings`."""

    def pretend(cpus, siblings=1, load=0.0, quota="max 100000"):
        for cpu in range(cpus):
            folder = tmp_path / f"cpu{cpu}/topology"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "thread_siblings_list").write_text(f"{cpu % (cpus // siblings)}\n")
        (tmp_path / "cpu.max").write_text(quota + "\n")
        monkeypatch.setattr(threads, "_CPUS", tmp_path)
        monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
        monkeypatch.setattr(threads, "_limit", lambda: 64)
        monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cpus)), raising=False)
        monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))

    return pretend


@pytest.mark.parametrize(
    ("pretended", "cores", "default"),
    [
        ({"cpus": 4}, 4, 4),
        ({"cpus": 4, "load": 1.2}, 4, 3),
        ({"cpus": 8, "siblings": 2}, 4, 4),
        ({"cpus": 1, "load": 3.0}, 1, 1),
        ({"cpus": 64, "quota": "250000 100000"}, 2, 2),
        ({"cpus": 4, "quota": "50000 100000"}, 1, 1),
    ],
)
def test_default(machine, pretended, cores, default):
    machine(**pretended)
    assert threads.physical_cores() == cores
    assert threads.default_threads() == default


def test_a_machine_that_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_CPUS", tmp_path)
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "none")
    assert threads.physical_cores() >= 1


def test_both_libraries_get_them(run_python):
    code = """
import os, sys
os.environ["NUMBA_NUM_THREADS"] = "2"
from selfplay.threads import set_threads
assert not {"numba", "torch"} & set(sys.modules)
print(set_threads(2))
import numba, torch
print(numba.get_num_threads(), torch.get_num_threads())
print(set_threads(1), numba.get_num_threads(), torch.get_num_threads())
print(1 <= set_threads() <= 2)
"""
    assert run_python(code).stdout.split() == ["2", "2", "2", "1", "1", "1", "True"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP comes with torch on Linux")
def test_openmp_hears_of_it_in_time(run_python):
    """OpenMP prints its settings when it is loaded: by then the command has made them."""
    code = """
import os
os.environ["OMP_DISPLAY_ENV"] = "VERBOSE"
for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
    os.environ.pop(name, None)
from selfplay.cli import main
main(["methods"], standalone_mode=False)
import selfplay.train, selfplay.methods
[method.defaults(method.families[0]) for method in selfplay.methods.METHODS.values()]
import torch
"""
    assert "GOMP_SPINCOUNT = '2000'" in run_python(code).stderr


@pytest.mark.parametrize("wrong", [0, -1, 10_000])
def test_out_of_range(wrong):
    with pytest.raises(UserError, match=rf"threads: {wrong} is out of range \(expected 1 <= threads <= \d+"):
        threads.set_threads(wrong)
