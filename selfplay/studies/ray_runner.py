"""Runs a study on a Ray cluster: one task a run, on whichever node has processors free.

The run folder is the truth, so it must lie on a disk that all nodes see under the same path. A run whose process or
node is lost is begun again by Ray somewhere else, and goes on from its last checkpoint: with as many threads its end
has the bits of one that was never broken. What Ray sends between nodes are requests and answers, a few words each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from selfplay.errors import UserError
from selfplay.signals import StopRequest
from selfplay.studies import worker
from selfplay.studies.plan import Task
from selfplay.studies.process import ROOT, request
from selfplay.studies.runner import Report
from selfplay.studies.waiting import Waiting
from selfplay.train import CHECKPOINT_SECONDS

LOCAL = "local"
"""The address of a cluster that is made of this machine alone, and ends with the study."""
RETRIES = 3  # of a run whose process or node was lost
_POLL = 0.5  # seconds between two looks at whether somebody asked to stop
_SAVING = 120.0  # seconds that runs have to save when somebody did


def check_ray(address: str, jobs: int | None) -> None:
    """UserError where Ray is not installed, or `jobs` is given for a cluster that has processors of its own."""
    _import_ray(address)
    if jobs is not None and address != LOCAL:
        raise UserError(f"--jobs {jobs} has no use with --ray {address}: a cluster runs as many as its processors hold")


def run_tasks_on_ray(
    tasks: Sequence[Task],
    *,
    address: str,
    jobs: int | None = None,
    threads: int = 1,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    report: Report,
) -> int:
    """Train all of `tasks` on the cluster at `address`, `threads` processors each; else as `run_tasks`.

    address: "local", "auto" (the cluster this machine belongs to), or HOST:PORT. jobs: how many at once on a local one.
    UserError where there is no cluster, or no node of it has so many processors.
    """
    ray = _import_ray(address)
    with StopRequest() as stop, _connected(ray, address, jobs and jobs * threads):
        most = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
        if tasks and most < threads:
            raise UserError(f"--threads {threads}: the largest node of the cluster has {most:g} processors")
        train = ray.remote(num_cpus=threads, max_retries=RETRIES)(_train)
        waiting = Waiting(tasks)
        running: dict[Any, Task] = {}
        while (len(waiting) or running) and not stop.requested:
            while (task := waiting.take()) is not None:
                running[train.remote(_absolute(task, threads, checkpoint_seconds))] = task
            for answer in ray.wait(list(running), timeout=_POLL)[0] if running else ():
                task, why = running.pop(answer), _why(ray, answer)
                waiting.over(task, why is None)
                report(task, why)
            for stranded, why in waiting.stranded():
                report(stranded, why)
        for answer in running:
            ray.cancel(answer)  # as Ctrl-C would: it saves, and ends
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=_SAVING)
    return stop.exit_code


def _train(told: dict[str, Any]) -> dict[str, Any]:
    """What a node does. Top-level, so that Ray finds it by name."""
    return worker.train(told)


def _absolute(task: Task, threads: int, checkpoint_seconds: float) -> dict[str, Any]:
    """The request, with paths that mean the same on every node."""
    begins = None if task.begins is None else str(task.begins.folder.resolve())
    return request(task, threads, checkpoint_seconds) | {"run_dir": str(task.folder.resolve()), "begins": begins}


def _why(ray: Any, answer: Any) -> str | None:
    """None, or the line that says how a run failed."""
    try:
        found = ray.get(answer)
    except ray.exceptions.RayError as error:
        words = str(error).strip().splitlines()
        return f"its process or node was lost {RETRIES + 1} times ({type(error).__name__}: {words[0][:200]})"
    return "its process was asked to stop" if "stopped" in found else found.get("error")


def _import_ray(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if _within(address):  # what keeps Ray to loopback on other systems does it here too
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError('--ray needs the package ray: pip install -c constraints.txt -e ".[cluster]"') from None
    return ray


def _within(address: str) -> bool:
    """Whether the cluster is on this machine alone, and is not to be heard from outside."""
    return address == LOCAL or address.startswith("127.")


@contextmanager
def _connected(ray: Any, address: str, processors: int | None) -> Iterator[None]:
    """Inside, this process belongs to the cluster. Workers find the same packages as this process."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    told: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        told |= {"num_cpus": processors, "include_dashboard": False}
    if _within(address):
        told["_node_ip_address"] = "127.0.0.1"
    try:
        ray.init(runtime_env={"env_vars": {"PYTHONPATH": path}}, **told)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray {address}: {(str(error).strip().splitlines() or ['no answer'])[0]}") from None
    try:
        yield
    finally:
        ray.shutdown()
