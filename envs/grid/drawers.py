"""A crew of processes that draw levels with minigrid, shared by all pools of this process.

Plain pipes carry the orders and the levels (`envs.grid.orders`); nothing is pickled. No thread runs here: answers
are fetched when a pool looks in. Which worker draws a level does not matter to it. What was drawn is remembered (the
last 16,384 levels), so that a second pool with the same seed, such as that of the next evaluation, costs nothing.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from envs.errors import LevelDrawingError
from envs.grid.orders import DRAWN, HEADER, Order

_ROOT = Path(__file__).resolve().parents[2]
_REMEMBERED = 16384  # levels; at 25x25 cells some 20 MB
_WAITING = 64  # orders that are not urgent; beyond these the oldest are dropped and ordered again when they are due
_AT_ONCE = 2  # orders a worker has at a time: one being drawn, one so that it does not wait for us

_levels: OrderedDict[Order, bytes] = OrderedDict()
_failures: dict[Order, str] = {}
_lock = threading.RLock()


class _Worker:
    def __init__(self) -> None:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "envs.grid.draw_levels"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, process_group=0,  # Ctrl-C is for us alone
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders, self.answers = self.process.stdin, self.process.stdout
        self.under_way: deque[Order] = deque()

    def give(self, order: Order) -> None:
        self.under_way.append(order)
        line = memoryview(json.dumps(order).encode() + b"\n")
        try:
            while line:
                line = line[self.orders.write(line) :]
        except BrokenPipeError:
            raise self._ended() from None

    def take(self) -> None:
        """Wait for one answer and remember it."""
        status, length = HEADER.unpack(self._read(HEADER.size))
        payload = self._read(length)
        order = self.under_way.popleft()
        if status == DRAWN:
            _levels[order] = payload
            if len(_levels) > _REMEMBERED:
                _levels.popitem(last=False)
        else:
            _failures[order] = payload.decode()

    def _read(self, length: int) -> bytes:
        parts = []
        while length:
            part = self.answers.read(length)
            if not part:
                raise self._ended()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _ended(self) -> LevelDrawingError:
        doing = f"while it drew level {self.under_way[0][2]} of {_name(self.under_way[0])}"
        return LevelDrawingError(f"a process that draws levels ended with exit code {self.process.wait()} {doing}")


def _name(order: Order) -> str:
    return json.loads(order[0])["id"]


def _end(workers: list[_Worker], owner: int) -> None:
    """End all workers. A fork's copies are not ours to end."""
    while workers:
        worker = workers.pop()
        worker.orders.close()
        worker.answers.close()
        if os.getpid() == owner:
            worker.process.kill()
            worker.process.wait()


class Drawers:
    """`workers` processes, started at the first order; they end with `close`, with this object or with this process."""

    def __init__(self, workers: int) -> None:
        self.workers, self.owner = workers, os.getpid()
        self._crew: list[_Worker] = []
        self._queue: deque[Order] = deque()
        self._finalizer = weakref.finalize(self, _end, self._crew, self.owner)

    def levels(self, orders: Sequence[Order]) -> list[bytes]:
        """What was ordered, once all of it is drawn.

        LevelDrawingError, one line: minigrid failed, or a worker ended. Another call starts new workers.
        """
        with _lock:
            while True:
                for order in orders:
                    if order in _failures:
                        raise LevelDrawingError(
                            f"minigrid cannot draw level {order[2]} of {_name(order)}: {_failures.pop(order)}"
                        )
                missing = [order for order in orders if order not in _levels]
                if not missing:
                    return [_levels[order] for order in orders]
                under_way = self._under_way()
                urgent = dict.fromkeys(order for order in missing if order not in under_way)
                self._queue = deque([*urgent, *(order for order in self._queue if order not in urgent)])
                self._pump(wait=True)

    def prepare(self, orders: Iterable[Order]) -> bool:
        """Have `orders` drawn in the background; whether all are. Does not wait."""
        with _lock:
            missing = [order for order in orders if order not in _levels]
            if missing:
                known = self._under_way().union(self._queue, _failures)
                self._queue.extend(order for order in missing if order not in known)
                while len(self._queue) > _WAITING:
                    self._queue.popleft()
                self._pump(wait=False)
            return not missing

    def close(self) -> None:
        """End the workers and forget what they were to draw."""
        with _lock:
            self._queue.clear()
            _end(self._crew, self.owner)

    def _under_way(self) -> set[Order]:
        return {order for worker in self._crew for order in worker.under_way}

    def _pump(self, wait: bool) -> None:
        """Hand out orders and fetch answers; with `wait` at least one."""
        whole = False
        try:
            while len(self._crew) < self.workers and len(self._queue) > len(self._crew):
                self._crew.append(_Worker())
            self._hand_out()
            with selectors.DefaultSelector() as selector:
                for worker in self._crew:
                    if worker.under_way:
                        selector.register(worker.answers, selectors.EVENT_READ, worker)
                for key, _ in selector.select(None if wait else 0):
                    key.data.take()
            self._hand_out()
            whole = True
        finally:
            if not whole:  # an error, or Ctrl-C in the middle of an answer: begin anew with new workers
                _end(self._crew, self.owner)

    def _hand_out(self) -> None:
        while self._queue and self._crew:
            worker = min(self._crew, key=lambda worker: len(worker.under_way))
            if len(worker.under_way) >= _AT_ONCE:
                return
            order = self._queue.popleft()
            if order not in _levels:
                worker.give(order)


_crews: weakref.WeakValueDictionary[tuple[int, int], Drawers] = weakref.WeakValueDictionary()


def drawers(workers: int) -> Drawers:
    """This process's crew of that many workers: the one at work, or a new one."""
    key = (os.getpid(), workers)
    with _lock:
        crew = _crews.get(key)
        if crew is None:
            crew = _crews[key] = Drawers(workers)
        return crew


def default_workers() -> int:
    """As many as there are cores for us, at most four."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, count))
