"""How often each of many 64-bit keys was met: sorted tables, merged geometrically."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

GROWTH = 2  # a table is at least so many times as long as the next


def order_of_visit(keys: Tensor) -> Tensor:
    """For each of keys int64 [S] how many equal ones come before it, int64 [S]."""
    ordered, order = keys.sort(stable=True)
    place = torch.arange(len(keys), device=keys.device)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    start = torch.where(first, place, 0).cummax(0).values if len(keys) else place
    return torch.empty_like(place).index_copy_(0, order, place - start)


class Table(NamedTuple):
    """keys: int64 [M], ascending, each once. counts: int64 [M]."""

    keys: Tensor
    counts: Tensor

    def find(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Where each of keys [S] is, int64 [S], and whether it is there at all, bool [S]."""
        if len(self.keys) == 0:
            return torch.zeros_like(keys), torch.zeros_like(keys, dtype=torch.bool)
        place = torch.searchsorted(self.keys, keys).clamp_max_(len(self.keys) - 1)
        return place, self.keys[place] == keys

    def known(self, keys: Tensor) -> Tensor:
        """The counts of keys [S], int64 [S]; 0 where there is none."""
        place, here = self.find(keys)
        return torch.where(here, self.counts[place], 0) if len(self.keys) else place

    def merged(self, other: Table) -> Table:
        """Both in one; no key may be in both."""
        at = torch.searchsorted(self.keys, other.keys)
        at += torch.arange(len(at), device=at.device)
        kept = torch.ones(len(self.keys) + len(at), dtype=torch.bool, device=at.device)
        kept[at] = False
        out = []
        for own, its in zip(self, other, strict=True):
            tensor = own.new_empty(len(kept))
            tensor[kept], tensor[at] = own, its
            out.append(tensor)
        return Table(*out)


def empty_table(device: torch.device) -> Table:
    """Nothing met yet."""
    return Table(*(torch.empty(0, dtype=torch.int64, device=device) for _ in range(2)))


def check_table(keys: Tensor, counts: Tensor) -> None:
    """`ValueError` unless every key is there once, in order, with a count."""
    if keys.dim() != 1 or keys.shape != counts.shape:
        raise ValueError(f"keys and counts must be [M] alike, got {list(keys.shape)} and {list(counts.shape)}")
    if (keys[1:] <= keys[:-1]).any() or (counts < 1).any():
        raise ValueError("keys must ascend and counts be at least 1")


class Counter:
    """How often each key was met, in a whole life.

    tables: of M keys in all, none of them in two tables, each table at least `GROWTH` times as long as the next: to add
    K new keys takes part in O(log M) merges over a life, where one sorted table would be copied whole for every batch
    (the logarithmic method, Bentley and Saxe 1980).
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.tables: list[Table] = []

    def __len__(self) -> int:
        """How many keys were met."""
        return sum(len(table.keys) for table in self.tables)

    def known(self, keys: Tensor) -> Tensor:
        """How often each of keys [S] was met so far, int64 [S]."""
        found = torch.zeros_like(keys)
        for table in self.tables:
            found += table.known(keys)
        return found

    def numbers(self, keys: Tensor) -> Tensor:
        """Which visit to its key each of keys [S] would be, if they came one after the other: int64 [S], from 1."""
        distinct, place = keys.unique(return_inverse=True)  # sorted, so that tables are walked through in order
        return self.known(distinct)[place] + order_of_visit(keys) + 1

    def add(self, keys: Tensor) -> None:
        """Meet keys [S]."""
        fresh, counts = keys.unique(return_counts=True)
        for table in self.tables:
            place, here = table.find(fresh)
            table.counts.index_add_(0, place[here], counts[here])
            fresh, counts = fresh[~here], counts[~here]
        if len(fresh):
            self.tables.append(Table(fresh, counts))
        while len(self.tables) > 1 and len(self.tables[-2].keys) < GROWTH * len(self.tables[-1].keys):
            self._merge()

    def _merge(self) -> None:
        last = self.tables.pop()
        self.tables[-1] = self.tables[-1].merged(last)

    def state_dict(self) -> dict[str, Tensor]:
        """keys and counts, int64 [M]: all tables as one, which it stays."""
        while len(self.tables) > 1:
            self._merge()
        table = self.tables[0] if self.tables else empty_table(self.device)
        return {"keys": table.keys, "counts": table.counts}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` unless every key is there once, in order, with a count."""
        check_table(state["keys"], state["counts"])

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        table = Table(*(state[key].to(self.device, copy=True) for key in ("keys", "counts")))
        self.tables = [table] if len(table.keys) else []
