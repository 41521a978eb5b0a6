"""The ledger's file: its tables, and opening it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from selfplay.jsonfile import sync_folder

SCHEMA = 1
APPLICATION = 0x73704C61  # "spLa", in the header of the file
BUSY = 30.0  # seconds that a writer waits for another one

_TABLES = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('query', 'answer', 'undo', 'redo')),
    at REAL NOT NULL,                                          -- Unix time, s
    clips TEXT, origin TEXT, held_out INTEGER,                 -- query
    query TEXT REFERENCES event (id), answer TEXT, seconds REAL, -- answer
    target TEXT REFERENCES event (id),                         -- undo, redo: the answer
    teacher TEXT                                               -- answer, undo, redo
) STRICT;
CREATE INDEX event_target ON event (target, seq) WHERE target IS NOT NULL;
CREATE INDEX event_answer ON event (query, teacher, seq) WHERE kind = 'answer';
CREATE INDEX event_origin ON event (origin) WHERE origin IS NOT NULL;

CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER setting_stays BEFORE UPDATE ON setting BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER setting_kept BEFORE DELETE ON setting BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Answers that were not undone, or were redone since.
CREATE VIEW standing AS
SELECT * FROM event AS a WHERE kind = 'answer' AND 'redo' = COALESCE(
    (SELECT kind FROM event AS e WHERE e.target = a.id ORDER BY e.seq DESC LIMIT 1), 'redo');

-- Of each teacher the last standing answer to each query.
CREATE VIEW label AS
SELECT a.seq, a.id, a.at, a.teacher, a.answer, a.seconds,
       q.id AS query, q.clips, q.origin, q.held_out, q.at AS asked_at
FROM standing AS a JOIN event AS q ON q.id = a.query
WHERE NOT EXISTS (SELECT 1 FROM standing AS b WHERE b.query = a.query AND b.teacher = a.teacher AND b.seq > a.seq);
"""


def connect(path: Path, held_out: float, create: bool) -> sqlite3.Connection:
    """The ledger at `path`, checked; begun where there is none and `create`. `ValueError`: see `open_ledger`."""
    if not create and not path.exists():
        raise ValueError(f"there is no ledger {path}")
    if not path.parent.is_dir():
        raise ValueError(f"ledger {path}: the folder {path.parent} does not exist")
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # one look at all of it: another process may be beginning the file
        _check(connection, path)
        connection.execute("COMMIT")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise ValueError(f"ledger {path}: no write-ahead log can be kept here (journal mode {mode!r})")
        connection.execute("PRAGMA synchronous = FULL")  # a commit has reached the disk when it returns
        connection.execute("PRAGMA foreign_keys = ON")
        if _header(connection)[0] == 0:
            _begin(connection, held_out)
            sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        _close(connection)
        raise ValueError(f"ledger {path} cannot be used: {error}") from None
    except ValueError:
        _close(connection)
        raise
    return connection


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _header(connection: sqlite3.Connection) -> tuple[int, int]:
    """Whose file it is and its schema version; both 0 where it is new."""
    return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """`ValueError` unless the file is empty or a whole ledger of this version. Changes nothing in it."""
    owner, version = _header(connection)
    if owner == 0 and version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return
    if owner != APPLICATION:
        raise ValueError(f"{path} is an SQLite file of something else, expected a ledger of labels")
    if version != SCHEMA:
        kind = "a newer" if version > SCHEMA else "an unknown"
        raise ValueError(f"ledger {path} has schema {version}, of {kind} version; this one reads schema {SCHEMA}")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ValueError(f"ledger {path} is damaged: {' '.join(found.split())}")


def _begin(connection: sqlite3.Connection, held_out: float) -> None:
    """Write the tables, unless another process has just done so."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _header(connection)[0] == 0:
            statement = ""
            for line in _TABLES.splitlines():
                statement += line + "\n"
                if sqlite3.complete_statement(statement):
                    connection.execute(statement)
                    statement = ""
            connection.execute("INSERT INTO setting VALUES ('held_out', ?)", (held_out,))
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
