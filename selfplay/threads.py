"""The one place that sets the threads of numba and torch.

Both keep a pool of OpenMP threads that meet at barriers. One thread too many, and a barrier waits for a thread that
the system has put to sleep, while the others spin and keep it asleep: a launch of 10 µs then takes 0.5 ms on average.
So the default leaves a core free on a busy machine, and waiting threads soon stop spinning. The number is written into
the run's `config.json`, because sums are split by thread: the same bits come only from the same number.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from selfplay.errors import UserError

_BUSY_LOAD = 0.5  # runnable processes, one-minute average: above this somebody else is computing
# Rounds a waiting thread of GNU's OpenMP spins before it sleeps (about 5 µs; its own default is milliseconds).
# On 4 idle cores a launch stays at 6 µs (22 µs where it never spins, OMP_WAIT_POLICY=PASSIVE); with 4 threads beside a
# busy process it takes 120 µs on average instead of 400 to 600.
_SPIN_ROUNDS = 2000
_limited = False  # whether the spin count in the environment is ours
_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def physical_cores() -> int:
    """Physical cores this process may use: affinity and a container's quota count, hyper-threads do not."""
    if hasattr(os, "sched_getaffinity"):
        cpus = os.sched_getaffinity(0)
    else:
        cpus = set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in cpus}
    return max(1, min(len(cores), _quota(len(cores))))


def _siblings(cpu: int) -> str:
    try:
        return (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota(default: int) -> int:
    """Whole cores that the container's quota allows."""
    try:
        quota, period = _QUOTA.read_text().split()
    except (OSError, ValueError):
        return default
    return default if quota == "max" else max(1, int(quota) // int(period))


def default_threads(processes: int = 1) -> int:
    """Physical cores, less one where the machine is busy; never more than `NUMBA_NUM_THREADS` allows.

    processes: how many of this run share the machine, each with as many threads.
    """
    cores = physical_cores()
    if cores > 1 and hasattr(os, "getloadavg") and os.getloadavg()[0] > _BUSY_LOAD:
        cores -= 1
    return max(1, min(cores // processes, _limit()))


def _limit() -> int:
    """The most threads numba can be given: what it was loaded with, or else what it would be loaded with."""
    if "numba" in sys.modules:
        from numba import config

        return int(config.NUMBA_NUM_THREADS)
    try:
        return int(os.environ["NUMBA_NUM_THREADS"])
    except (KeyError, ValueError):
        return os.cpu_count() or 1


def limit_spinning() -> None:
    """Let waiting OpenMP threads sleep soon. Read once, when torch or numba loads OpenMP: call it before that.

    What the user set in the environment (`GOMP_SPINCOUNT`, `OMP_WAIT_POLICY`) stays.
    """
    global _limited
    if "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ:
        os.environ["GOMP_SPINCOUNT"] = str(_SPIN_ROUNDS)
        _limited = True


def users_environment() -> dict[str, str]:
    """The environment as the user gave it, without what `limit_spinning` put there."""
    return {name: value for name, value in os.environ.items() if not (_limited and name == "GOMP_SPINCOUNT")}


def set_threads(threads: int | None = None) -> int:
    """Give numba and torch `threads` threads each (None: `default_threads()`) and return that number.

    Raises:
        UserError: fewer than one thread, or more than there are processors or `NUMBA_NUM_THREADS` allows.
    """
    if threads is None:
        threads = default_threads()
    if not 1 <= threads <= _limit():
        raise UserError(f"threads: {threads} is out of range (expected 1 <= threads <= {_limit()} on this machine)")
    limit_spinning()

    import numba
    import torch

    numba.set_num_threads(threads)
    torch.set_num_threads(threads)
    return threads
