"""Which segments to ask about next."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from selfplay.label.events import Query
from selfplay.label.settings import QueryConfig

EXHAUSTIVE = 50_000  # so many sets are listed; of more some are drawn


@dataclass(frozen=True)
class Choice:
    """A query to ask: `ledger.ask(choice.clips, choice.again)`. again: the old query's id where it is one."""

    clips: tuple[str, ...]
    again: str | None = None


def chance_of_left(returns: Tensor, sets: Tensor) -> Tensor:
    """P_k(left ≻ right) = σ(R_left - R_right) of K models: [K, P] from returns [K, M] and sets int64 [P, 2]."""
    return torch.sigmoid(returns[:, sets[:, 0]] - returns[:, sets[:, 1]])


def disagreement(chance: Tensor) -> Tensor:
    """Var_k P_k [P] (divided by K) of chances [K, P] (Christiano et al. 2017, arXiv 1706.03741, section 2.2.4)."""
    return (chance - chance.mean(0)).square().mean(0)


def entropy(chance: Tensor) -> Tensor:
    """Of the mean chance, in nats, [P] of chances [K, P] (Lee et al. 2021, arXiv 2106.05091, section 4.2)."""
    mean = chance.mean(0)
    return torch.special.entr(mean) + torch.special.entr(1 - mean)


class Chooser:
    """Chooses queries by `config`; its draws come from a stream of its own, started by `seed`."""

    def __init__(self, config: QueryConfig, seed: int) -> None:
        self.config = config
        self.generator = torch.Generator()
        self.generator.manual_seed(seed)

    def choose(
        self, count: int, candidates: Sequence[str], asked: Collection[Query], returns: Tensor | None = None
    ) -> list[Choice]:
        """At most `count` queries about the M `candidates` (ids of clips); fewer where there are no more new ones.

        asked: all that was asked so far. No pair in them is in a new query, in whatever order, alone or in a ranking,
        nor are two new queries about one pair. returns: [K, M] Σ_t r_k of the candidates by K models, for every method
        but uniform. A ranking's score is the mean of its pairs'. Which clip is left is drawn, for old ones too.

        Raises `ValueError`: candidates that are not different, or returns that are missing or not theirs.
        """
        if len(set(candidates)) < len(candidates):
            raise ValueError("queries: a candidate is listed twice")
        if count < 0:
            raise ValueError(f"queries: count must be at least 0, got {count}")
        if self.config.method != "uniform" and (returns is None or returns.dim() != 2):
            raise ValueError(f"queries: {self.config.method} needs the returns [K, M] of the candidates by K models")
        if returns is not None and returns.shape[-1] != len(candidates):
            raise ValueError(f"queries: {returns.shape[-1]} returns for {len(candidates)} candidates")
        wanted = int((torch.rand(count, generator=self.generator, dtype=torch.float64) < self.config.again).sum())
        old = self._old(wanted, asked)
        known = {frozenset(pair) for query in asked for pair in combinations(query.clips, 2)}
        new = self._new(count - len(old), candidates, known, returns)
        return old + new

    def _old(self, count: int, asked: Collection[Query]) -> list[Choice]:
        """Different ones, those first that were asked least often, else in a random order."""
        times: dict[str, int] = {}
        for query in asked:
            times[query.group] = times.get(query.group, 0) + 1
        roots = [query for query in asked if query.origin is None]
        order = torch.randperm(len(roots), generator=self.generator).tolist()
        roots = sorted((roots[place] for place in order), key=lambda query: times[query.group])
        return [Choice(self._shuffled(query.clips), query.id) for query in roots[:count]]

    def _new(
        self, count: int, candidates: Sequence[str], known: set[frozenset[str]], returns: Tensor | None
    ) -> list[Choice]:
        found: list[Choice] = []
        if count == 0:
            return found
        known = set(known)
        sets = self._sets(len(candidates), known, candidates, count * self.config.pool)
        for row in self._ordered(sets, returns).tolist():
            clips = tuple(candidates[place] for place in row)
            pairs = {frozenset(pair) for pair in combinations(clips, 2)}
            if known & pairs:
                continue
            known |= pairs
            found.append(Choice(self._shuffled(clips)))
            if len(found) == count:
                break
        return found

    def _sets(self, candidates: int, known: set[frozenset[str]], names: Sequence[str], count: int) -> Tensor:
        """int64 [S, k], S ≤ count different sets of candidates without a known pair, uniformly, in a random order."""
        clips = self.config.clips
        if clips > candidates:
            return torch.empty(0, clips, dtype=torch.int64)
        if math.comb(candidates, clips) <= EXHAUSTIVE:
            listed = torch.tensor(list(combinations(range(candidates), clips)))
            drawn = listed[torch.randperm(len(listed), generator=self.generator)]
        else:
            drawn = torch.stack(
                [torch.randperm(candidates, generator=self.generator)[:clips] for _ in range(2 * count)]
            ).sort(-1)[0]
        fresh = []
        for row in dict.fromkeys(map(tuple, drawn.tolist())):
            if not any(frozenset((names[one], names[other])) in known for one, other in combinations(row, 2)):
                fresh.append(row)
                if len(fresh) == count:
                    break
        return torch.tensor(fresh, dtype=torch.int64).reshape(-1, clips)

    def _ordered(self, sets: Tensor, returns: Tensor | None) -> Tensor:
        """The sets [S, k], the most telling first; as they are for the uniform method."""
        if self.config.method == "uniform" or returns is None:
            return sets
        score = {"disagreement": disagreement, "entropy": entropy}[self.config.method]
        places = torch.combinations(torch.arange(sets.shape[1]))
        pairs = sets[:, places].reshape(-1, 2)  # of every set its C(k, 2)
        scores = score(chance_of_left(returns.double().cpu(), pairs)).view(len(sets), len(places)).mean(-1)
        return sets[scores.argsort(dim=0, descending=True, stable=True)]

    def _shuffled(self, clips: Sequence[str]) -> tuple[str, ...]:
        return tuple(clips[place] for place in torch.randperm(len(clips), generator=self.generator).tolist())

    def state_dict(self) -> dict[str, Tensor]:
        """Its random stream."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; `ValueError` if it does not fit."""
        if set(state) != {"generator"}:
            raise ValueError(f"queries state: expected generator, got {', '.join(sorted(state))}")
        try:
            self.generator.set_state(state["generator"].cpu())
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"queries state: generator holds no random stream: {error}") from None
