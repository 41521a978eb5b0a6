"""One ledger for every kind of teacher: people, scripts, judges.

Events are only ever added, and a label is what the events leave standing:

    query   clips were put side by side          answer   a teacher said which is better
    undo    an answer does not count any more    redo     it counts again

Every event has an id that its maker may choose: given twice, it counts once, so a submit can be repeated until it is
acknowledged. An event is acknowledged (its method returns) when it has reached the disk.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfplay.label.events import (
    Answer,
    Label,
    Query,
    check_clips,
    decode_answer,
    encode_answer,
    is_held_out,
    query_id,
)  # fmt: skip
from selfplay.label.schema import connect

HELD_OUT = 0.2


def open_ledger(path: Path, held_out: float | None = None, create: bool = True) -> Ledger:
    """The ledger in the file `path`, begun where there is none.

    held_out: share of the queries that are never trained on; None: as the ledger was begun with, .2 for a new one.
    create: False: it must be there.

    Raises `ValueError`, one line: the file is damaged, foreign, of another version, cannot be written, or was begun
    with another share. The folder must be on a disk of this machine: the write-ahead log needs shared memory.
    """
    if held_out is not None and not 0 <= held_out < 1:
        raise ValueError(f"ledger {path}: held_out must be in [0, 1), got {held_out}")
    connection = connect(Path(path), HELD_OUT if held_out is None else held_out, create)
    begun = connection.execute("SELECT value FROM setting WHERE name = 'held_out'").fetchone()[0]
    if held_out is not None and held_out != begun:
        connection.close()
        raise ValueError(
            f"ledger {path} was begun with a held-out share of {begun:g}, which cannot become {held_out:g}"
        )
    return Ledger(Path(path), connection, begun)


class Ledger:
    """See `open_ledger`. May be used by many threads; every process opens its own (none is carried over a fork)."""

    def __init__(self, path: Path, connection: sqlite3.Connection, held_out: float) -> None:
        self.path = path
        self.held_out = held_out
        self._connection = connection
        self._lock = threading.Lock()

    def ask(self, clips: Sequence[str], again: str | None = None, id: str | None = None) -> Query:
        """Take down that `clips` are put side by side, in this order.

        Asked before without `again`, the query as it stands is returned, in its own order. again: the id of a query of
        the same clips that is asked once more on purpose; the new one is held out if that is. id: made from the clips
        where it is left out; an `again` without one is a new query each time.
        """
        clips = check_clips(clips)
        with self._write() as db:
            if again is None:
                id = id or query_id(clips)
                found = self._query(db, id)
                if found is not None:
                    self._same(id, (set(found.clips), found.origin), (set(clips), None))
                    return found
                # by the clips, whatever the id: else one pair could be trained on and held out
                return self._ask(db, id, clips, None, is_held_out(query_id(clips), self.held_out))
            root = self._query(db, again)
            if root is None:
                raise ValueError(f"ledger {self.path}: there is no query {again!r} to ask again")
            if set(root.clips) != set(clips):
                raise ValueError(f"ledger {self.path}: query {again!r} was about other clips than {', '.join(clips)}")
            if id is None:
                before = db.execute("SELECT count(*) FROM event WHERE origin = ?", (root.group,)).fetchone()[0]
                id = query_id(clips, before + 1)
            found = self._query(db, id)
            if found is not None:
                self._same(id, (found.clips, found.origin), (clips, root.group))
                return found
            return self._ask(db, id, clips, root.group, root.held_out)

    def answer(
        self, query: str, teacher: str, answer: Answer, seconds: float | None = None, id: str | None = None
    ) -> str:
        """Take down what `teacher` says to the query with this id; the answer's id, once it is on the disk.

        answer: "left", "right", "equal" or "skip"; of a ranking "skip" or the places, best first. It replaces what the
        teacher said to the query before. seconds: the response time. id: the client's own, to repeat a submit safely.
        """
        if not isinstance(teacher, str) or not teacher.strip():
            raise ValueError(f"ledger {self.path}: an answer needs the name of its teacher, got {teacher!r}")
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"ledger {self.path}: a response time must be ≥ 0 s, got {seconds}")
        with self._write() as db:
            asked = self._query(db, query)
            if asked is None:
                raise ValueError(f"ledger {self.path}: there is no query {query!r} to answer")
            text = encode_answer(answer, len(asked.clips))
            return self._add(db, id, kind="answer", query=query, teacher=teacher, answer=text, seconds=seconds)

    def undo(self, answer: str, teacher: str, id: str | None = None) -> str:
        """`teacher`'s answer with this id does not count any more; what they said before does. The event's id."""
        return self._turn("undo", answer, teacher, id)

    def redo(self, answer: str, teacher: str, id: str | None = None) -> str:
        """`teacher`'s answer, undone, counts again. Of undo and redo of one answer the last counts. The event's id."""
        return self._turn("redo", answer, teacher, id)

    def labels(self, teacher: str | None = None, held_out: bool | None = None) -> list[Label]:
        """The current labels in the order they were given: of each teacher the last standing answer to each query.

        teacher, held_out: only these.
        """
        rows = self._read(
            "SELECT * FROM label WHERE (?1 IS NULL OR teacher = ?1) AND (?2 IS NULL OR held_out = ?2) ORDER BY seq",
            (teacher, held_out),
        )
        return [
            Label(
                row["id"],
                _query_of(row, row["query"], row["asked_at"]),
                row["teacher"],
                decode_answer(row["answer"]),
                row["seconds"],
                row["at"],
            )
            for row in rows
        ]

    def queries(self) -> list[Query]:
        """Everything that was asked, in order."""
        rows = self._read("SELECT * FROM event WHERE kind = 'query' ORDER BY seq")
        return [_query_of(row, row["id"], row["at"]) for row in rows]

    def unanswered(self, teacher: str, limit: int = -1) -> list[Query]:
        """What `teacher` has no standing answer to, in the order it was asked; the first `limit` (-1: all)."""
        rows = self._read(
            "SELECT * FROM event AS q WHERE kind = 'query' AND NOT EXISTS "
            "(SELECT 1 FROM standing AS a WHERE a.query = q.id AND a.teacher = ?) ORDER BY seq LIMIT ?",
            (teacher, limit),
        )
        return [_query_of(row, row["id"], row["at"]) for row in rows]

    def teachers(self) -> list[str]:
        """Everyone who ever answered, by name."""
        rows = self._read("SELECT DISTINCT teacher FROM event WHERE kind = 'answer' ORDER BY teacher")
        return [row["teacher"] for row in rows]

    def last(self) -> int:
        """A number that grows with every event: a reader who remembers it sees whether there is news."""
        return int(self._read("SELECT COALESCE(max(seq), 0) AS last FROM event")[0]["last"])

    def close(self) -> None:
        """Done with it; whatever was acknowledged stays."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _turn(self, kind: str, answer: str, teacher: str, id: str | None) -> str:
        with self._write() as db:
            found = db.execute("SELECT teacher FROM event WHERE kind = 'answer' AND id = ?", (answer,)).fetchone()
            if found is None:
                raise ValueError(f"ledger {self.path}: there is no answer {answer!r} to {kind}")
            if found["teacher"] != teacher:
                raise ValueError(
                    f"ledger {self.path}: answer {answer!r} is of {found['teacher']!r}, {teacher!r} cannot {kind} it"
                )
            return self._add(db, id, kind=kind, target=answer, teacher=teacher)

    def _ask(
        self, db: sqlite3.Connection, id: str, clips: tuple[str, ...], origin: str | None, held_out: bool
    ) -> Query:
        self._add(db, id, kind="query", clips=json.dumps(clips), origin=origin, held_out=int(held_out))
        query = self._query(db, id)
        assert query is not None
        return query

    def _query(self, db: sqlite3.Connection, id: str) -> Query | None:
        row = db.execute("SELECT * FROM event WHERE kind = 'query' AND id = ?", (id,)).fetchone()
        return None if row is None else _query_of(row, row["id"], row["at"])

    def _add(self, db: sqlite3.Connection, id: str | None, **event: Any) -> str:
        """One more event, unless it is there already."""
        id = uuid.uuid4().hex if id is None else id
        if not isinstance(id, str) or not 0 < len(id) <= 200:
            raise ValueError(f"ledger {self.path}: the id of an event has 1 to 200 characters, got {id!r}")
        before = db.execute("SELECT * FROM event WHERE id = ?", (id,)).fetchone()
        if before is not None:
            self._same(id, {name: before[name] for name in event}, event)
            return id
        names = ", ".join(["id", "at", *event])
        marks = ", ".join("?" * (len(event) + 2))
        db.execute(f"INSERT INTO event ({names}) VALUES ({marks})", (id, time.time(), *event.values()))
        return id

    def _same(self, id: str, before: object, now: object) -> None:
        if before != now:
            raise ValueError(f"ledger {self.path}: the id {id!r} is taken by another event: {before}, now {now}")

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on the disk when the block is left."""
        with self._lock, self._plainly():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _read(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._lock, self._plainly():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ValueError(f"ledger {self.path} cannot be used: {error}") from None


def _query_of(row: sqlite3.Row, id: str, at: float) -> Query:
    return Query(id, tuple(json.loads(row["clips"])), row["origin"], bool(row["held_out"]), at)
