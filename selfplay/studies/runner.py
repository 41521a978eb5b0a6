"""Runs a study: a few worker processes, each taking the next run that is not finished."""

from __future__ import annotations

import selectors
from collections import Counter, deque
from collections.abc import Callable, Sequence

from selfplay.runlog import TIMINGS
from selfplay.signals import StopRequest
from selfplay.studies.plan import Task
from selfplay.studies.process import Worker
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
        self._waiting = deque(tasks)
        self._first: Task | None = tasks[0] if tasks else None
        self._workers: list[Worker] = []
        self._lost: Counter[str] = Counter()
        self._threads, self._checkpoint_seconds = threads, checkpoint_seconds
        self._report, self._selector = report, selector

    @property
    def unfinished(self) -> bool:
        """Whether a run waits or is going on."""
        return bool(self._waiting) or any(worker.task for worker in self._workers)

    def fill(self, jobs: int) -> None:
        """Give waiting runs to idle processes, and start processes up to `jobs`."""
        while self._waiting:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None:
                if len(self._workers) >= (jobs if self._first is None or _has_updated(self._first) else 1):
                    return
                idle = Worker()
                self._workers.append(idle)
                self._selector.register(idle.answers, selectors.EVENT_READ, idle)
            idle.give(self._waiting.popleft(), self._threads, self._checkpoint_seconds)

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
                    self._waiting.appendleft(task)
                    continue
            if task is self._first:
                self._first = None
            self._report(task, f"{lost} ({_TRIES} times)" if lost else answer.get("error") if answer else None)

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
