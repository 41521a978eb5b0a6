"""What the labelling page shows one teacher, and what it takes down: a view of the ledger, without HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from selfplay.label.events import Query
from selfplay.label.ledger import Ledger
from selfplay.label.sheets import Sheets

AHEAD = 3  # queries that are sent at once: one to show, the others to load meanwhile
RECENT = 8


class Desk:
    """The pairs of `ledger` that have pictures in `sheets`, as `teacher` answers them. Safe with many threads."""

    def __init__(self, ledger: Ledger, sheets: Sheets, teacher: str) -> None:
        self.ledger, self.sheets, self.teacher = ledger, sheets, teacher
        self._clips: set[str] = set()
        self._seen = -1

    def state(self) -> dict[str, Any]:
        """All that the page shows.

        version: of the ledger. next: the first open pairs, {id, clips: [left, right]}. labelled, open: how many pairs
        this teacher has answered (skips included) and has not. hidden: open ones without pictures. recent: the last
        answers, newest first, {answer, choice, seconds}.
        """
        version = self.ledger.last()  # before the rest: what comes in between is news next time
        pairs = [query for query in self.ledger.unanswered(self.teacher) if len(query.clips) == 2]
        shown = [query for query in pairs if self._drawn(query)]
        labels = [label for label in self.ledger.labels(self.teacher) if len(label.query.clips) == 2]
        return {
            "version": version,
            "next": [{"id": query.id, "clips": self._described(query)} for query in shown[:AHEAD]],
            "labelled": len(labels),
            "open": len(shown),
            "hidden": len(pairs) - len(shown),
            "recent": [
                {"answer": label.id, "choice": label.answer, "seconds": label.seconds}
                for label in reversed(labels[-RECENT:])
            ],
        }

    def version(self) -> int:
        """Changes with every event, of whomever."""
        return self.ledger.last()

    def answer(self, id: str, query: str, choice: str, seconds: float | None) -> None:
        """On the disk when this returns; the same `id` again changes nothing. `ValueError`: it cannot be."""
        self.ledger.answer(query, self.teacher, choice, seconds, id)

    def undo(self, id: str, answer: str) -> None:
        """The answer with that id does not count any more; as `answer` otherwise."""
        self.ledger.undo(answer, self.teacher, id)

    def picture(self, clip: str) -> bytes | None:
        """The sheet of a clip, PNG; None unless the ledger asks about a clip of that id and it has one."""
        version = self.ledger.last()
        if version != self._seen:
            self._clips = {id for query in self.ledger.queries() for id in query.clips}
            self._seen = version
        if clip not in self._clips:
            return None
        try:
            return self.sheets.read(clip)
        except (OSError, ValueError):
            return None

    def _drawn(self, query: Query) -> bool:
        return all(self.sheets.find(clip) is not None for clip in query.clips)

    def _described(self, query: Query) -> list[dict[str, Any]]:
        sheets = [(clip, self.sheets.find(clip)) for clip in query.clips]
        return [{"id": clip} | asdict(sheet) for clip, sheet in sheets if sheet is not None]
