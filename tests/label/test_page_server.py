"""The labelling page's server: who is let in, what is taken down, and that what was acknowledged stays."""

import http.client
import json
import signal
import socket
import sqlite3
import threading

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette", reason="the labelling page needs the extra 'label'")
pytest.importorskip("uvicorn", reason="the labelling page needs the extra 'label'")

from page_runs import Server, clip_id, make_run

from selfplay.cli import main
from selfplay.label.ledger import open_ledger
from selfplay.rundir import RunDir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("label") / "run"
    make_run(path, pairs=4)
    return path


@pytest.fixture(scope="module")
def server(run):
    with Server(run, "--question", "Which <b>cat</b> is better?") as server:
        assert server.ask("GET", "/enter?token=" + "x" * 43)[0] == 403
        assert server.ask("GET", "/enter")[0] == 403
        assert server.ask("GET", "/")[0] == 403  # nobody is in yet
        server.enter()
        yield server


def ledger_of(run):
    return open_ledger(run / "preferences" / "ledger.sqlite", create=False)


def test_the_link_lets_one_browser_in_once(server):
    assert server.ask("GET", f"/enter?token={server.token}", cookie=None)[0] == 403
    status, headers, _ = server.ask("GET", f"/enter?token={server.token}")  # who is in may open it again
    assert (status, headers["location"]) == (303, "/")
    parts = {part.strip().lower() for part in headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert server.token not in headers["set-cookie"]
    for path in ("/", "/state", "/page.js", f"/clips/{clip_id('0 l')}.png"):
        assert server.ask("GET", path)[0] == 200
        for cookie in (None, server.cookie[:-1], "selfplay-label=x"):
            assert server.ask("GET", path, cookie=cookie)[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil:{}", None]
)
def test_a_foreign_host_is_refused(server, host):
    """What a name that was made to point here (DNS rebinding) would send."""
    host = host and host.format(server.port)
    status, _headers, _ = server.ask("GET", "/", host=host)
    assert status in (400, 421)  # 400: of HTTP itself, without any Host
    assert server.ask("POST", "/answer", {}, host=host, origin=f"http://{host}")[0] in (400, 421)


def test_localhost_is_us(server):
    assert server.ask("GET", "/state", host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", None, "https://127.0.0.1:{}", "http://127.0.0.1", ""]
)
def test_a_foreign_origin_changes_nothing(server, run, origin):
    with ledger_of(run) as ledger:
        before = ledger.last()
        body = {"id": "a" * 32, "query": ledger.queries()[0].id, "choice": "left", "seconds": None}
        assert server.ask("POST", "/answer", body, origin=origin and origin.format(server.port))[0] == 403
        assert server.ask("POST", "/undo", {}, origin=origin and origin.format(server.port))[0] == 403
        assert ledger.last() == before
    if origin:
        assert server.ask("GET", "/state", origin=origin.format(server.port))[0] == 403


def test_clips_are_found_by_id_only(server, run):
    secret = run / "preferences" / "clips" / f"{clip_id('unasked')}.png"
    secret.write_bytes(b"in the folder, but nothing asks about it")
    shown = f"/clips/{clip_id('0 l')}.png"
    status, headers, content = server.ask("GET", shown)
    assert (status, headers["content-type"], content[:4]) == (200, "image/png", b"\x89PNG")
    wrong = [
        f"/clips/{clip_id('unasked')}.png", f"/clips/{'0' * 32}.png", f"/clips/{clip_id('0 l')}.safetensors",
        "/clips/../ledger.sqlite", "/clips/..%2fledger.sqlite.png", "/clips/%2e%2e/%2e%2e/config.json",
        "/clips/..%2f..%2fconfig.json.png", "/clips//etc/passwd.png", "/clips/%2fetc%2fpasswd.png",
        f"/clips/{clip_id('0 l')}%00.png", f"/clips/{clip_id('0 l').upper()}.png", f"/clips/{clip_id('0 l')}%0a.png",
        "/web/page.html", "/../config.json", "/ledger.sqlite",
    ]  # fmt: skip
    for path in wrong:
        status, _, content = server.ask("GET", path)
        assert status == 404, path
        assert b"SQLite" not in content
        assert b"nothing asks" not in content


def test_every_answer_carries_the_headers(server):
    for path, cookie in (("/", server.cookie), ("/state", server.cookie), ("/nowhere", server.cookie), ("/", None)):
        _, headers, _ = server.ask("GET", path, cookie=cookie)
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_the_page_holds_no_script_of_its_own_and_escapes_what_it_is_told(server):
    html = server.ask("GET", "/")[2].decode()
    assert "Which &lt;b&gt;cat&lt;/b&gt; is better?" in html
    assert "<b>" not in html
    assert html.count("<script") == html.count('<script src="/page.js"') == 1
    assert "style=" not in html
    assert "onclick" not in html
    assert "//" not in html.replace("<!doctype html>", "")  # nothing from elsewhere


def test_answers_repeat_undo_and_reload(server, run):
    state = server.state()
    assert (state["labelled"], state["open"]) == (0, 4)
    first, second = state["next"][:2]
    assert [clip["frames"] for clip in first["clips"]] == [5, 9]
    body = {"id": "1" * 32, "query": first["id"], "choice": "left", "seconds": 1.5}
    for _ in range(3):  # a submit that was repeated
        status, _, content = server.ask("POST", "/answer", body)
        assert status == 200, content
    assert json.loads(content)["labelled"] == 1
    assert server.ask("POST", "/answer", body | {"choice": "right"})[0] == 409  # the same id for something else
    server.ask("POST", "/answer", {"id": "2" * 32, "query": second["id"], "choice": "equal", "seconds": None})
    state = server.state()
    assert [label["choice"] for label in state["recent"]] == ["equal", "left"]
    assert state["next"][0]["id"] not in (first["id"], second["id"])
    assert server.ask("GET", f"/state?seen={state['version']}")[0] == 204
    for _ in range(2):
        server.ask("POST", "/undo", {"id": "3" * 32, "answer": "2" * 32})
    state = server.state()
    assert (state["labelled"], state["next"][0]["id"]) == (1, second["id"])
    with ledger_of(run) as ledger:
        [label] = ledger.labels()
        assert (label.id, label.teacher, label.answer, label.seconds) == ("1" * 32, "anna", "left", 1.5)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"choice": "best"}, 422), ({"seconds": -1}, 422), ({"seconds": "1"}, 422), ({"id": "short"}, 422),
        ({"id": "a b c d e f g h"}, 422), ({"id": "x" * 65}, 422), ({"id": "abcdefgh\n"}, 422), ({"extra": 1}, 422),
        ({"query": "nothing"}, 409), ({"query": "x" * 5000}, 413),
    ],
)  # fmt: skip
def test_what_the_page_would_not_send_is_refused(server, run, change, status):
    with ledger_of(run) as ledger:
        before = ledger.last()
        body = {"id": "f" * 32, "query": ledger.queries()[-1].id, "choice": "skip", "seconds": 1.0}
        assert server.ask("POST", "/answer", body | change)[0] == status
        assert server.ask("POST", "/answer", b"{" * 9)[0] == 422
        assert server.ask("POST", "/answer", body, content_type="text/plain")[0] == 415
        assert server.ask("GET", "/answer")[0] == 405
        assert server.ask("PUT", "/answer", origin=f"http://{server.host}")[0] == 405
        assert ledger.last() == before


def test_what_another_process_asks_appears(server, run):
    seen = server.state()
    with ledger_of(run) as ledger:
        ledger.ask((clip_id("0 l"), clip_id("1 r")))
        ledger.ask(("0" * 32, "1" * 32))  # without pictures: left out, and said so
        ledger.ask((clip_id("0 l"), clip_id("1 r"), clip_id("2 l")))  # a ranking is not for this page
    now = server.state()
    assert now["version"] > seen["version"]
    assert (now["open"], now["hidden"]) == (seen["open"] + 1, 1)


def test_every_acknowledged_label_survives_kill_minus_nine(tmp_path):
    """Two browsers' worth of answers stream in until the server is killed; then everything is sent once more."""
    run = tmp_path / "run"
    queries = make_run(run, pairs=60)
    bodies = [
        {"id": f"answer-{n:05}", "query": query, "choice": "left", "seconds": 0.1} for n, query in enumerate(queries)
    ]
    acknowledged = []
    with Server(run) as server:
        server.enter()
        enough = threading.Event()

        def stream(mine):
            for body in mine:
                try:
                    status, _, _ = server.ask("POST", "/answer", body)
                except (OSError, http.client.HTTPException):
                    return
                assert status == 200
                acknowledged.append(body["id"])
                if len(acknowledged) >= 15:
                    enough.set()

        threads = [threading.Thread(target=stream, args=(bodies[half::2],)) for half in range(2)]
        for thread in threads:
            thread.start()
        assert enough.wait(120)
        assert server.stop(signal.SIGKILL)[0] == -signal.SIGKILL
        for thread in threads:
            thread.join()
    assert 15 <= len(acknowledged) < len(bodies), "killed too late to say anything"
    with ledger_of(run) as ledger:
        found = [label.id for label in ledger.labels("anna")]
        assert len(found) == len(set(found))
        assert set(acknowledged) <= set(found)
        assert len(found) <= len(acknowledged) + 2  # one of each stream may be written and not yet said
    with Server(run) as server:
        server.enter()
        for body in bodies:
            assert server.ask("POST", "/answer", body)[0] == 200
    rows = sqlite3.connect(run / "preferences" / "ledger.sqlite")
    assert rows.execute("SELECT count(*), count(DISTINCT query) FROM event WHERE kind = 'answer'").fetchone() == (
        60,
        60,
    )
    rows.close()


def test_ctrl_c_ends_it_cleanly_and_only_this_machine_can_reach_it(tmp_path):
    make_run(tmp_path / "run", pairs=1)
    with RunDir(tmp_path / "run"), Server(tmp_path / "run") as server:  # beside a training that holds the folder
        server.enter()
        with socket.socket() as other:  # taken on 127.0.0.1 only: another address of this machine is free
            other.bind(("127.0.0.2", server.port))
        code, out, err = server.stop(signal.SIGINT)
    assert code == 0
    assert server.token not in err
    assert "0 answers of anna in " in err
    assert "Traceback" not in out + err


def test_wrong_use_is_one_line(tmp_path):
    run = tmp_path / "run"
    make_run(run, pairs=1)
    foreign = tmp_path / "foreign"
    make_run(foreign, pairs=0)
    (foreign / "preferences" / "ledger.sqlite").write_text("not a database, but long enough to be taken for one\n" * 30)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, message in [
            ([tmp_path / "rum"], "no run in"),
            ([run, "--port", port], f"--port: {port} cannot be used: Address already in use"),
            ([run, "--teacher", " "], "--teacher: ' ' is no name"),
            ([run, "--host", "0.0.0.0"], "--host"),
            ([run, "--queries", "-1"], "--queries"),
            ([foreign], "cannot be used: file is not a database"),
        ]:
            done = CliRunner().invoke(main, ["label", *map(str, arguments)])
            assert done.exit_code == 2, done.output
            assert message in done.output
            assert len(done.output.strip().splitlines()) == 1
