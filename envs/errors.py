"""Errors that environments of every family share."""

from __future__ import annotations


class UnmeasurableError(ValueError):
    """An exact answer (shortest path, reachable goals) cannot be had in this world; the message says why."""


class LevelDrawingError(RuntimeError):
    """A level could not be drawn, or a worker ended."""
