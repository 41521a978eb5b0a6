"""Ranks as threads of one process, which take turns: a `curiosity.group.Group` without any transport."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


class _Table:
    def __init__(self, size):
        self.rows, self.barrier = [None] * size, threading.Barrier(size, timeout=60)
        self.turn = threading.Lock()  # not every threading layer of numba stands two callers at a time

    def wait(self):
        self.turn.release()
        try:
            self.barrier.wait()
        finally:
            self.turn.acquire()


class ThreadGroup:
    """One of `size` ranks that lay what they have on one table and read it once all have."""

    def __init__(self, rank, table):
        self.rank, self.size, self._table, self.turn = rank, len(table.rows), table, table.turn

    def gather(self, tensor):
        self._table.rows[self.rank] = tensor.clone()
        self._table.wait()
        every = torch.stack(self._table.rows)
        self._table.wait()
        return every

    def mean_(self, tensors):
        flat = self.gather(torch.cat([tensor.detach().flatten() for tensor in tensors])).mean(0)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(part.view_as(tensor))


def groups(size):
    """The ranks of one group."""
    table = _Table(size)
    return [ThreadGroup(rank, table) for rank in range(size)]


def together(ranks, *functions):
    """What the functions, one for each of `ranks` (of one group), return."""

    def run(rank, function):
        with rank.turn:
            return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        futures = [pool.submit(run, rank, function) for rank, function in zip(ranks, functions, strict=True)]
        return [future.result() for future in futures]
