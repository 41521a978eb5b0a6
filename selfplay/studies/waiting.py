"""The runs of a study that wait for a process, and for the run they begin with."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from selfplay.studies.plan import Task, finished


class Waiting:
    """Runs in their order. One that begins with another is ready when that one is finished."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = deque(tasks)
        self._in_hand: set[Path] = set()
        self._done: set[Path] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self) -> Task | None:
        """The first one that is ready, which is in hand from now on; None where all wait for others."""
        for task in self._tasks:
            if self._ready(task):
                self._tasks.remove(task)
                self._in_hand.add(task.folder)
                return task
        return None

    def again(self, task: Task) -> None:
        """`task` was in hand, is not over, and is the next one."""
        self._in_hand.discard(task.folder)
        self._tasks.appendleft(task)

    def over(self, task: Task, well: bool) -> None:
        """`task` was in hand and is over. A disk that several machines share may not show at once that it is there."""
        self._in_hand.discard(task.folder)
        if well:
            self._done.add(task.folder)

    def stranded(self) -> list[tuple[Task, str]]:
        """Those that wait for what is neither finished, nor in hand, nor waiting: they wait no more. And why."""
        found = []
        expected = self._in_hand | {task.folder for task in self._tasks}
        for task in list(self._tasks):  # in their order, so that who begins with a stranded one is stranded too
            if task.begins is not None and task.begins.folder not in expected and not self._ready(task):
                self._tasks.remove(task)
                expected.discard(task.folder)
                found.append((task, f"{task.begins.name}, which it begins with, is not finished"))
        return found

    def _ready(self, task: Task) -> bool:
        if task.begins is None or task.begins.folder in self._done:
            return True
        if task.begins.folder in self._in_hand or not finished(task.begins):
            return False
        self._done.add(task.begins.folder)
        return True
