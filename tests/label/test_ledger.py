"""The ledger: what is acknowledged stays, what is repeated counts once, what is undone does not count."""

import math
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from selfplay.label import schema
from selfplay.label.events import agreement, comparisons, self_agreement
from selfplay.label.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ledger(tmp_path):
    with open_ledger(tmp_path / "labels.sqlite") as ledger:
        yield ledger


def start(code, *arguments):
    """A Python process of its own that runs `code`; it sees our packages, and its output is piped."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def answers(ledger, **which):
    return [(label.id, label.answer) for label in ledger.labels(**which)]


STREAM = """
import itertools, sys
from pathlib import Path
from selfplay.label.ledger import open_ledger
ledger = open_ledger(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    query = ledger.ask((f"{sys.argv[2]} clip {number}", f"{sys.argv[2]} clip {number + 1}"))
    print(ledger.answer(query.id, sys.argv[2], "left", id=f"{sys.argv[2]} {number}"), flush=True)
"""


def test_every_acknowledged_label_survives_kill_minus_nine(tmp_path):
    path = tmp_path / "labels.sqlite"
    acknowledged = []
    for life in range(3):
        process = start(STREAM, path, f"life {life}", 10**9)
        lines = [process.stdout.readline().strip() for _ in range(15 + 7 * life)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().split("\n")[:-1]  # said before the end, read after it
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        acknowledged += lines
        with open_ledger(path, create=False) as ledger:
            found = [label.id for label in ledger.labels()]
            assert len(found) == len(set(found))
            assert set(acknowledged) <= set(found)
            assert len(found) <= len(acknowledged) + life + 1  # in each life one may be written and not yet said


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "labels.sqlite"
    writers = [start(STREAM, path, name, 60) for name in ("anna", "bert", "carl")]
    with open_ledger(path) as ledger:
        while any(writer.poll() is None for writer in writers):
            seen = ledger.labels()
            assert len({label.id for label in seen}) == len(seen)
    for writer, name in zip(writers, ("anna", "bert", "carl"), strict=True):
        assert writer.stdout.read().split("\n")[:-1] == [f"{name} {number}" for number in range(60)]
        writer.stdout.close()
        with open_ledger(path) as ledger:
            assert [label.id for label in ledger.labels(teacher=name)] == [f"{name} {number}" for number in range(60)]


def test_a_commit_reaches_the_disk(ledger):
    """2 is FULL: in this mode SQLite syncs the write-ahead log before a commit returns. Killing cannot show that."""
    assert ledger._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_repeated_submit_counts_once(ledger):
    query = ledger.ask(("a", "b"))
    for _ in range(3):
        assert ledger.answer(query.id, "anna", "left", 1.5, id="mine") == "mine"
    assert answers(ledger) == [("mine", "left")]
    assert ledger.labels()[0].seconds == 1.5
    with pytest.raises(ValueError, match="the id 'mine' is taken by another event"):
        ledger.answer(query.id, "anna", "right", 1.5, id="mine")
    with pytest.raises(ValueError, match="taken"):
        ledger.undo("mine", "anna", id="mine")
    undone = ledger.undo("mine", "anna", id="oops")
    assert ledger.undo("mine", "anna", id="oops") == undone
    ledger.redo("mine", "anna")
    assert ledger.undo("mine", "anna", id="oops") == undone  # an old submit that comes late: nothing new
    assert answers(ledger) == [("mine", "left")]


def test_undo_and_redo(ledger):
    query = ledger.ask(("a", "b"))
    first = ledger.answer(query.id, "anna", "left")
    second = ledger.answer(query.id, "anna", "right")
    other = ledger.answer(query.id, "bert", "equal")
    assert answers(ledger) == [(second, "right"), (other, "equal")]
    ledger.undo(second, "anna")
    assert answers(ledger) == [(first, "left"), (other, "equal")]
    ledger.undo(first, "anna")
    ledger.undo(first, "anna")
    assert answers(ledger) == [(other, "equal")]
    assert ledger.unanswered("anna") == [query]
    assert ledger.unanswered("bert") == []
    ledger.redo(first, "anna")
    assert answers(ledger, teacher="anna") == [(first, "left")]
    ledger.redo(second, "anna")
    assert answers(ledger, teacher="anna") == [(second, "right")]
    assert ledger.last() == 9  # nothing was taken away: one query, three answers, five turns
    with pytest.raises(ValueError, match="there is no answer 'nothing' to undo"):
        ledger.undo("nothing", "anna")
    for turn in (ledger.undo, ledger.redo):
        with pytest.raises(ValueError, match=f"is of 'bert', 'anna' cannot {turn.__name__} it"):
            turn(other, "anna")
    assert answers(ledger, teacher="bert") == [(other, "equal")]


def test_events_cannot_be_changed(ledger):
    query = ledger.ask(("a", "b"))
    ledger.answer(query.id, "anna", "left")
    for statement in ("UPDATE event SET answer = 'right'", "DELETE FROM event", "UPDATE setting SET value = .5"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._connection.execute(statement)
    assert [label.answer for label in ledger.labels()] == ["left"]


def test_a_pair_is_asked_once_unless_again_on_purpose(ledger):
    query = ledger.ask(("a", "b"))
    assert ledger.ask(("b", "a")) == query  # as it was shown first
    assert ledger.queries() == [query]
    again = ledger.ask(("b", "a"), again=query.id)
    third = ledger.ask(("a", "b"), again=again.id)
    assert (again.clips, again.origin, third.origin) == (("b", "a"), query.id, query.id)
    assert len({query.id, again.id, third.id}) == 3
    assert {one.group for one in ledger.queries()} == {query.id}
    with pytest.raises(ValueError, match="was about other clips than a, c"):
        ledger.ask(("a", "c"), again=query.id)
    with pytest.raises(ValueError, match="no query 'none' to ask again"):
        ledger.ask(("a", "b"), again="none")
    assert ledger.ask(("c", "d"), id="own").id == "own"
    with pytest.raises(ValueError, match="taken"):
        ledger.ask(("c", "e"), id="own")


def test_the_split_is_drawn_once_for_good(tmp_path):
    """Two ledgers draw alike; the share is what was said, within 4.5 deviations of a binomial."""
    splits = []
    for name in ("one", "other"):
        with open_ledger(tmp_path / name, held_out=0.3) as ledger:
            ledger._connection.execute("PRAGMA synchronous = OFF")
            for number in range(400):
                query = ledger.ask((f"{number}", f"{number}'"))
                assert ledger.ask(query.clips[::-1], again=query.id).held_out == query.held_out
            splits.append({query.id: query.held_out for query in ledger.queries()})
        with open_ledger(tmp_path / name) as ledger:
            assert {query.id: query.held_out for query in ledger.queries()} == splits[-1]
            assert ledger.held_out == 0.3
    assert splits[0] == splits[1]
    assert len(splits[0]) == 800
    roots = sum(splits[0].values()) / 2
    assert abs(roots - 120) < 4.5 * math.sqrt(400 * 0.3 * 0.7)
    with pytest.raises(ValueError, match=r"held-out share of 0\.3, which cannot become 0\.2"):
        open_ledger(tmp_path / "one", held_out=0.2)


def test_a_pair_is_on_one_side_of_the_split_whatever_the_id(ledger):
    """20 pairs, each under four ids: a draw for each of the ids would part them."""
    for number in range(20):
        clips = (f"{number}", f"{number}'")
        asked = [ledger.ask(clips), *(ledger.ask(clips, id=f"{number} {more}") for more in range(3))]
        asked.append(ledger.ask(clips, again=asked[-1].id))
        assert len({query.id for query in asked}) == 5
        assert len({query.held_out for query in asked}) == 1
    assert len({query.held_out for query in ledger.queries()}) == 2


def test_a_ranking_is_all_its_pairs_in_one_group(ledger):
    """15 clips give C(15, 2) = 105 pairs; to sort them takes 41 answers, for 40 tell apart less than 15! orders."""
    assert 2**40 < math.factorial(15) <= 2**41
    clips = [f"clip {number}" for number in range(15)]
    query = ledger.ask(clips)
    order = tuple((7 * place + 3) % 15 for place in range(15))
    ledger.answer(query.id, "anna", order)
    pairs = comparisons(ledger.labels())
    assert len(pairs) == 105
    assert {pair.group for pair in pairs} == {query.id}
    assert len({pair.held_out for pair in pairs}) == 1
    for pair in pairs:
        better = order.index(clips.index(pair.left)) < order.index(clips.index(pair.right))
        assert pair.target == better
    wins = {clip: sum(p.target if p.left == clip else 1 - p.target for p in pairs if clip in (p.left, p.right))
            for clip in clips}  # fmt: skip
    assert sorted(clips, key=wins.get, reverse=True) == [clips[place] for place in order]
    with pytest.raises(ValueError, match="to a query of 15 clips cannot be, expected skip or the places 0 … 14"):
        ledger.answer(query.id, "anna", (0, 0, *range(2, 15)))
    with pytest.raises(ValueError, match="cannot be"):
        ledger.answer(query.id, "anna", "left")


def test_what_answers_say_of_pairs(ledger):
    for number, answer in enumerate(("left", "right", "equal", "skip")):
        query = ledger.ask((f"a{number}", f"b{number}"))
        ledger.answer(query.id, "anna", answer)
    assert [(pair.left, pair.target) for pair in comparisons(ledger.labels())] == [("a0", 1), ("a1", 0), ("a2", 0.5)]
    with pytest.raises(ValueError, match="'better' to a query of 2 clips cannot be, expected left or right or equal"):
        ledger.answer(query.id, "anna", "better")
    with pytest.raises(ValueError, match="there is no query 'x' to answer"):
        ledger.answer("x", "anna", "left")
    for wrong in ({"teacher": " "}, {"seconds": math.nan}, {"seconds": -1.0}):
        with pytest.raises(ValueError, match=r"an answer needs|a response time"):
            ledger.answer(**{"query": query.id, "teacher": "anna", "answer": "left", "seconds": None, **wrong})
    for clips in (("a",), ("a", "a"), ("a", ""), "ab"):
        with pytest.raises(ValueError, match="a query needs"):
            ledger.ask(clips)


def test_agreement_counts_what_was_asked_twice(ledger):
    """Sides are swapped in the second asking: the same clip is "left" once and "right" once."""
    for number, (first, second) in enumerate([("left", "right"), ("left", "left"), ("equal", "equal")]):
        query = ledger.ask((f"a{number}", f"b{number}"))
        again = ledger.ask((f"b{number}", f"a{number}"), again=query.id)
        ledger.answer(query.id, "anna", first)
        ledger.answer(again.id, "anna", second)
        ledger.answer(query.id, "bert", "left")
    ledger.answer(ledger.ask(("x", "y")).id, "anna", "left")
    own = self_agreement(ledger.labels(), "anna")
    assert (own.agreed, own.pairs) == (2, 3)
    assert math.isnan(self_agreement(ledger.labels(), "bert").share)
    own = self_agreement(ledger.labels(), "anna", decided=True)  # the pair that is equal both times says nothing
    assert (own.agreed, own.pairs) == (1, 2)
    both = agreement(ledger.labels(), "anna", "bert")
    assert both.share == pytest.approx(2 / 3)
    ranked = ledger.ask(("p", "q", "r"))
    ledger.answer(ranked.id, "anna", (0, 1, 2))
    ledger.answer(ledger.ask(("r", "q", "p"), again=ranked.id).id, "anna", (1, 2, 0))  # q, p, r: one pair turned
    own = self_agreement(ledger.labels(), "anna")
    assert (own.agreed, own.pairs) == (4, 6)


def test_a_ledger_that_another_one_begins_meanwhile_is_no_foreign_file(tmp_path, monkeypatch):
    """The other one begins it after the header was read, and before the tables are counted."""
    path, header, others = tmp_path / "labels.sqlite", schema._header, []

    def read(connection):
        found = header(connection)
        if not others:
            others.append(threading.Thread(target=lambda: open_ledger(path).close()))
            others[0].start()
            others[0].join(0.5)  # it may have to wait for us
        return found

    monkeypatch.setattr(schema, "_header", read)
    with open_ledger(path) as ledger:
        ledger.answer(ledger.ask(("a", "b")).id, "anna", "left")
    others[0].join()
    with open_ledger(path, create=False) as ledger:
        assert len(ledger.labels()) == 1


def test_a_file_that_is_no_ledger_is_one_clear_line(tmp_path):
    path = tmp_path / "labels.sqlite"
    with pytest.raises(ValueError, match=r"there is no ledger .*labels\.sqlite"):
        open_ledger(path, create=False)
    assert not path.exists()
    with pytest.raises(ValueError, match=r"the folder .* does not exist"):
        open_ledger(tmp_path / "nowhere" / "labels.sqlite")
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one\n" * 30)
    with pytest.raises(ValueError, match="text cannot be used: file is not a database"):
        open_ledger(tmp_path / "text")
    foreign = sqlite3.connect(tmp_path / "foreign")
    foreign.execute("CREATE TABLE notes (text)")
    foreign.commit()
    foreign.close()
    content = (tmp_path / "foreign").read_bytes()
    with pytest.raises(ValueError, match="foreign is an SQLite file of something else, expected a ledger"):
        open_ledger(tmp_path / "foreign")
    assert (tmp_path / "foreign").read_bytes() == content


def test_a_newer_or_damaged_ledger_is_refused(tmp_path):
    newer, damaged = tmp_path / "newer", tmp_path / "damaged"
    for path in (newer, damaged):
        with open_ledger(path) as ledger:
            ledger._connection.execute("PRAGMA synchronous = OFF")
            for number in range(200):
                ledger.answer(ledger.ask((f"a{number}", f"b{number}")).id, "anna", "left")
    other = sqlite3.connect(newer)
    other.execute("PRAGMA user_version = 9")
    other.close()
    with pytest.raises(ValueError, match="newer has schema 9, of a newer version; this one reads schema 1"):
        open_ledger(newer)
    content = bytearray(damaged.read_bytes())
    assert len(content) > 5 * 4096
    content[4096 : 3 * 4096] = bytes(2 * 4096)
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged (is damaged|cannot be used): ") as error:
        open_ledger(damaged)
    assert "\n" not in str(error.value)
    damaged.write_bytes(content[: 2 * 4096])
    with pytest.raises(ValueError, match=r"damaged (is damaged|cannot be used): "):
        open_ledger(damaged)


def test_the_ledger_needs_no_torch(run_python):
    assert "torch" not in run_python("import sys, selfplay.label.ledger; print(*sys.modules)").stdout.split()
