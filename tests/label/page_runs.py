"""A run folder with made-up clips, and the server of its labelling page, for the tests of the page. Loads no torch."""

import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from selfplay.label.ledger import open_ledger
from selfplay.label.sheets import Sheets

ROOT = Path(__file__).resolve().parents[2]


def clip_id(name):
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def frames(number, count, size=(24, 32)):
    """A square that goes from left to right, in a colour of its own."""
    shots = np.full((count, *size, 3), 30, np.uint8)
    for t in range(count):
        left = 2 * t % (size[1] - 6)
        shots[t, 8:16, left : left + 6] = [(number * 67) % 256, 200, (number * 131) % 256]
    return list(shots)


def make_run(path, pairs):
    """A run folder with so many open questions; the ids of their queries."""
    (path / "preferences").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"config": {}, "threads": 1}))
    sheets = Sheets(path / "preferences" / "clips")
    asked = []
    with open_ledger(path / "preferences" / "ledger.sqlite") as ledger:
        for pair in range(pairs):
            ids = [clip_id(f"{pair} {side}") for side in "lr"]
            for side, id in enumerate(ids):
                sheets.save(id, frames(2 * pair + side, 5 + 4 * side))
            asked.append(ledger.ask(ids).id)
    return asked


class Server:
    """`selfplay label` in a process of its own, as a user starts it."""

    def __init__(self, run, *options):
        command = [sys.executable, "-m", "selfplay", "label", run, "--queries", "0", "--teacher", "anna", *options]
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.link = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/enter\?token=([\w-]{40,})", self.link)
        if not found:
            raise AssertionError(f"no link but {self.link!r}: {self.process.communicate()[1]}")
        self.port, self.token = int(found[1]), found[2]
        self.host = f"127.0.0.1:{self.port}"
        self.cookie = None

    def ask(self, method, path, body=None, **headers):
        """Status, headers (a list) and content. Headers: host_, origin_ and so on; None leaves one out."""
        given = {"host": self.host, "cookie": self.cookie}
        if method == "POST":
            given |= {"origin": f"http://{self.host}", "content-type": "application/json"}
        given |= {name.rstrip("_").replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.putheader("content-length", str(len(content)))
            connection.endheaders(content)
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def enter(self):
        """Swap the link for a cookie."""
        status, headers, _ = self.ask("GET", f"/enter?token={self.token}")
        assert status == 303, status
        self.cookie = headers["set-cookie"].split(";")[0]
        return headers

    def state(self):
        status, _, content = self.ask("GET", "/state")
        assert status == 200, content
        return json.loads(content)

    def stop(self, how=signal.SIGINT):
        """End it; exit status, what else it printed, and its complaints."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
