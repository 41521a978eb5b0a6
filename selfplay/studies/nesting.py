"""Seeds that begin with one run, and so have its luck in common: which there are, and how they are counted in words."""

from __future__ import annotations

from collections.abc import Iterable


def whole_rows(seeds: Iterable[int], nested: int) -> list[range]:
    """The rows k · i … k · i + k − 1, k being `nested`, of which every seed is there: draws of luck, rising."""
    there = set(seeds)
    rows = [range(first, first + nested) for first in sorted(there) if first % nested == 0]
    return [row for row in rows if there.issuperset(row)]


def counted(seeds: int, nested: int, pretrained: bool = True) -> str:
    """`5 seeds`; nested `5 pretrained policies × 2 runs`, or from scratch `5 × 2 runs`. seeds: in whole rows."""
    if nested == 1:
        return f"{seeds} seed" + ("" if seeds == 1 else "s")
    rows = seeds // nested
    words = f" pretrained polic{'y' if rows == 1 else 'ies'}" if pretrained else ""
    return f"{rows}{words} × {nested} runs"


def lone(seeds: int, nested: int, pretrained: bool = True) -> str:
    """What there is one of, where seeds [in whole rows] are one draw of luck: no interval can be told. "" otherwise."""
    if seeds > nested:
        return ""
    if nested == 1:
        return "one seed"
    return "one pretrained policy" if pretrained else f"one draw of {nested} runs"
