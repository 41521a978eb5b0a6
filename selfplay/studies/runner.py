"""Runs a study: a few worker processes, each taking the next run that is not finished."""

from __future__ import annotations

import selectors
from collections import Counter
from collections.abc import Callable, Sequence

from selfplay.runlog import TIMINGS
from selfplay.signals import StopRequest
from selfplay.studies.plan import Task
from selfplay.studies.process import Worker
from selfplay.studies.waiting import Waiting
from selfplay.train import CHECKPOINT_SECONDS

_TRIES = 2  # of a run whose process was killed; the second goes on from the last checkpoint
_POLL = 0.2  # seconds between two looks at what nobody announces

Report = Callable[[Task, str | None], None]


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int,
    threads: int = 1,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    report: Report,
) -> int:
    """Train all of `tasks`, in this order, in up to `jobs` processes of `threads` threads each.

    One that begins with another waits until that is finished, and fails where it fails (`plan.with_beginnings`).
    report(task, why) is called when a run is over; why is None, or the line that says how it failed. The other
    processes start once the first run has made an update: by then the kernels are compiled, and they only load them.

    Returns 0, or the exit code after Ctrl-C (130) or SIGTERM (143), when the runs in hand were saved.
    """
    with StopRequest() as stop, selectors.DefaultSelector() as selector:
        pool = _Pool(tasks, threads, checkpoint_seconds, report, selector)
        try:
            while pool.unfinished and not stop.requested:
                pool.fill(jobs)
                pool.hear()
        finally:
            pool.close()
    return stop.exit_code


class _Pool:
    """The worker processes and the runs that wait for them."""

    def __init__(
        self, tasks: Sequence[Task], threads: int, checkpoint_seconds: float, report: Report,
        selector: selectors.BaseSelector,
    ) -> None:  # fmt: skip
        self._waiting = Waiting(tasks)
        self._first: Task | None = tasks[0] if tasks else None
        self._workers: list[Worker] = []
        self._lost: Counter[str] = Counter()
        self._threads, self._checkpoint_seconds = threads, checkpoint_seconds
        self._report, self._selector = report, selector

    @property
    def unfinished(self) -> bool:
        """Whether a run waits or is going on."""
        return len(self._waiting) > 0 or any(worker.task for worker in self._workers)

    def fill(self, jobs: int) -> None:
        """Give runs that are ready to idle processes, and start processes up to `jobs`."""
        for task, why in self._waiting.stranded():
            self._report(task, why)
        while True:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            limit = jobs if self._first is None or _has_updated(self._first) else 1
            if idle is None and len(self._workers) >= limit:
                return
            given = self._waiting.take()
            if given is None:
                return
            if idle is None:
                idle = Worker()
                self._workers.append(idle)
                self._selector.register(idle.answers, selectors.EVENT_READ, idle)
            idle.give(given, self._threads, self._checkpoint_seconds)

    def hear(self) -> None:
        """Wait for a moment, and take the answers that came."""
        for key, _ in self._selector.select(_POLL):
            worker: Worker = key.data
            task, answer = worker.task, worker.answer()
            worker.task = None
            lost = None
            if answer is None:
                self._selector.unregister(worker.answers)
                self._workers.remove(worker)
                lost = worker.end()
            elif "stopped" in answer:
                lost = "its process was asked to stop"
            if task is None:
                continue
            if lost is not None:
                self._lost[task.name] += 1
                if self._lost[task.name] < _TRIES:
                    self._waiting.again(task)
                    continue
            why = f"{lost} ({_TRIES} times)" if lost else answer.get("error") if answer else None
            self._waiting.over(task, why is None)
            if task is self._first:
                self._first = None
            self._report(task, why)

    def close(self) -> None:
        """End every process; those that are still training save first, side by side."""
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.end()
        self._workers.clear()


def _has_updated(task: Task) -> bool:
    timings = task.folder / TIMINGS
    return timings.exists() and timings.stat().st_size > 0
