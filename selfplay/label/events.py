"""What is asked, what is answered, and what the answers say about pairs. Pure: no file, no clock."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

CHOICES = ("left", "right", "equal", "skip")

Answer = str | tuple[int, ...]
"""To a pair one of `CHOICES`; to a ranking of k "skip" or the k places, best first: (2, 0, 1)."""


@dataclass(frozen=True)
class Query:
    """A question about k clips, k ≥ 2.

    clips: their ids as they are shown: (left, right), or place 0, 1, … of a ranking. origin: the query that this one
    asks once more; None for a new one. held_out: never trained on. at: when it was asked, Unix time in s.
    """

    id: str
    clips: tuple[str, ...]
    origin: str | None
    held_out: bool
    at: float

    @property
    def group(self) -> str:
        """What stays together in splits and bootstraps: the id of the query that was asked first."""
        return self.origin or self.id


@dataclass(frozen=True)
class Label:
    """A current answer of one teacher. id: of the answer; seconds: the response time, None where not taken."""

    id: str
    query: Query
    teacher: str
    answer: Answer
    seconds: float | None
    at: float


@dataclass(frozen=True)
class Comparison:
    """What a label says of one pair. target: 1 left is better, 0 right is, ½ they are equal."""

    left: str
    right: str
    target: float
    group: str
    held_out: bool
    teacher: str


def query_id(clips: Iterable[str], again: int = 0) -> str:
    """32 hex digits made from the clips, in whatever order; `again`: how many times they were asked before."""
    text = "\n".join([*sorted(clips), *([str(again)] if again else [])])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_held_out(id: str, share: float) -> bool:
    """Whether what is asked belongs to the held-out `share`: decided by a hash of its `query_id`, so once for good."""
    return int.from_bytes(hashlib.sha256(f"held out {id}".encode()).digest()[:8]) < share * 2**64


def check_clips(clips: Sequence[str]) -> tuple[str, ...]:
    """The clips of a query; `ValueError` unless there are two or more different ids."""
    if isinstance(clips, str) or len(clips) < 2 or not all(isinstance(clip, str) and clip for clip in clips):
        raise ValueError(f"a query needs the ids of two or more clips, got {clips!r}")
    if len(set(clips)) < len(clips):
        raise ValueError(f"a query needs different clips, got {', '.join(clips)}")
    if any("\n" in clip for clip in clips):
        raise ValueError(f"the id of a clip is one line, got {clips!r}")
    return tuple(clips)


def encode_answer(answer: Answer, count: int) -> str:
    """The answer to a query of `count` clips as it is stored; `ValueError` for one that cannot be."""
    if isinstance(answer, str):
        fits = answer in CHOICES if count == 2 else answer == "skip"
        text = answer
    else:
        fits = count > 2 and sorted(answer) == list(range(count))
        text = json.dumps([int(place) for place in answer])
    if not fits:
        expected = " or ".join(CHOICES) if count == 2 else f"skip or the places 0 … {count - 1}, best first"
        raise ValueError(f"the answer {answer!r} to a query of {count} clips cannot be, expected {expected}")
    return text


def decode_answer(text: str) -> Answer:
    """What `encode_answer` made."""
    return text if text in CHOICES else tuple(json.loads(text))


def comparisons(labels: Iterable[Label]) -> list[Comparison]:
    """What labels say of pairs: nothing where skipped, C(k, 2) of a ranking of k, in the order of its places.

    The pairs of a ranking hang together (fewer answers than there are pairs put k clips in order: 41 at least for
    k = 15, as 2^40 < 15!, against 105 pairs), so they share a group, as re-asked queries do.
    """
    found = []
    for label in labels:
        query, answer = label.query, label.answer
        if answer == "skip":
            continue
        for one, other in combinations(range(len(query.clips)), 2):
            if isinstance(answer, str):
                target = {"left": 1.0, "right": 0.0, "equal": 0.5}[answer]
            else:
                target = float(answer.index(one) < answer.index(other))
            found.append(
                Comparison(query.clips[one], query.clips[other], target, query.group, query.held_out, label.teacher)
            )
    return found


@dataclass(frozen=True)
class Agreement:
    """How often two answers to the same pair were the same, of `pairs` that were asked and answered twice."""

    agreed: int
    pairs: int

    @property
    def share(self) -> float:
        """NaN where nothing was asked twice."""
        return self.agreed / self.pairs if self.pairs else math.nan


def self_agreement(labels: Iterable[Label], teacher: str, decided: bool = False) -> Agreement:
    """Of one teacher, over queries that were asked again: each answer against the one before, skips left out.

    decided: "equal" is left out as well. An accuracy is over preferences, so that is what `ceiling_bounds` wants.
    """
    own = sorted((label for label in labels if label.teacher == teacher), key=lambda label: (label.query.at, label.at))
    if decided:
        own = [label for label in own if label.answer != "equal"]
    return _agreement((label.query.group, label) for label in own)


def agreement(labels: Iterable[Label], one: str, other: str) -> Agreement:
    """Between two teachers who answered the same queries, skips left out."""
    labels = list(labels)
    both = {name: {label.query.id: label for label in labels if label.teacher == name} for name in (one, other)}
    shared = [query for query in both[one] if query in both[other]]
    return _agreement((query, both[name][query]) for query in shared for name in (one, other))


def _agreement(labels: Iterable[tuple[str, Label]]) -> Agreement:
    """Over labels in order, each with the name of what it is to be compared within."""
    last: dict[tuple[str, frozenset[str]], float] = {}
    agreed = pairs = 0
    for within, label in labels:
        for pair in comparisons([label]):
            key = within, frozenset((pair.left, pair.right))
            target = pair.target if pair.left < pair.right else 1 - pair.target
            if key in last:
                pairs += 1
                agreed += last[key] == target
            last[key] = target
    return Agreement(agreed, pairs)
