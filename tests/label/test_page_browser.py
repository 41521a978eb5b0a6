"""The labelling page in a real browser: Chromium, driven by Playwright."""

import http.server
import shutil
import threading

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the labelling page needs the extra 'label'")
pytest.importorskip("playwright", reason="Playwright, of the extra 'test', drives the browser")

from page_runs import Server, clip_id, frames, make_run
from playwright.sync_api import expect, sync_playwright

from selfplay.label.ledger import open_ledger

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the labelling page in")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)  # in a fresh profile of its own
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path):
    """(pairs, **of the context) -> page, server, run; the first pair is on show. Nothing may go wrong in the page."""
    opened = []

    def open_page(pairs, **context):
        run = tmp_path / "run"
        make_run(run, pairs)
        server = Server(run, "--fps", "20")
        opened.append(server)
        inside = browser.new_context(**context)
        page = inside.new_page()
        opened.append(inside)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(server.link)
        assert page.url == f"http://{server.host}/"  # the token is out of sight
        if pairs:
            expect(page.locator("#right-steps")).to_contain_text("step")
        return page, server, run

    complaints = []
    yield open_page
    for one in reversed(opened):
        one.close() if hasattr(one, "close") else one.__exit__()
    assert complaints == []


def labels(run):
    with open_ledger(run / "preferences" / "ledger.sqlite", create=False) as ledger:
        return [(label.query.clips[0], label.answer) for label in ledger.labels("anna")]


def lefts(pairs):
    return [clip_id(f"{pair} l") for pair in range(pairs)]


def pixels(page, side):
    """What a canvas shows, uint8 [H, W, 3]."""
    flat = page.evaluate(
        "side => { const c = document.getElementById(side);"
        "return [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }",
        side,
    )
    return np.array(flat[2:], np.uint8).reshape(flat[0], flat[1], 4)[..., :3]


def test_a_person_labels_by_keyboard_alone(visit):
    page, _, run = visit(5)
    count, status = page.locator("#count"), page.locator("#status")
    expect(count).to_have_text("0 answered, 5 open")
    for done, (key, said) in enumerate(
        [("1", "left is better"), ("ArrowRight", "right is better"), ("=", "equal"), ("s", "skipped")], 1
    ):
        page.keyboard.press(key)
        expect(status).to_have_text(f"Saved: {said}.")
        expect(count).to_have_text(f"{done} answered, {5 - done} open")
        expect(page.locator("[data-choice=left]")).to_have_attribute("aria-disabled", "false")
    wanted = list(zip(lefts(4), ["left", "right", "equal", "skip"], strict=True))
    assert labels(run) == wanted
    page.keyboard.press("u")
    expect(count).to_have_text("3 answered, 2 open")
    expect(status).to_contain_text("Undone: skipped.")
    page.keyboard.press("Backspace")
    expect(count).to_have_text("2 answered, 3 open")
    assert labels(run) == wanted[:2]
    page.reload()
    expect(count).to_have_text("2 answered, 3 open")
    expect(page.locator("#recent li")).to_have_count(2)
    expect(page.locator("#recent li").first).to_contain_text("2. right is better")
    expect(page.locator("#right-steps")).to_contain_text("step")
    page.keyboard.press("2")  # the third pair is asked once more
    expect(count).to_have_text("3 answered, 2 open")
    assert labels(run) == [*wanted[:2], (wanted[2][0], "right")]
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("1")  # answers nothing while help is open
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.locator("[data-choice=equal]").focus()
    page.keyboard.press("Enter")
    expect(count).to_have_text("4 answered, 1 open")
    assert labels(run)[3] == (lefts(4)[3], "equal")


def test_both_clips_run_in_step_and_show_every_frame(visit):
    """Five frames on the left, nine on the right: the shorter one stays on its last picture."""
    page, _, _ = visit(1, reduced_motion="reduce")
    expect(page.locator("#play")).to_contain_text("Play")
    page.wait_for_timeout(400)  # eight frames, if it ran
    for t in range(9):
        expect(page.locator("#right-steps")).to_have_text(f"step {t} of 8" + (", end" if t == 8 else ""))
        expect(page.locator("#left-steps")).to_have_text(f"step {min(t, 4)} of 4" + (", end" if t >= 4 else ""))
        assert (pixels(page, "left") == frames(0, 5)[min(t, 4)]).all()
        assert (pixels(page, "right") == frames(1, 9)[t]).all()
        page.keyboard.press(".")
    page.keyboard.press(",")
    expect(page.locator("#right-steps")).to_have_text("step 7 of 8")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_contain_text("Pause")
    expect(page.locator("#right-steps")).to_have_text("step 2 of 8")  # it begins anew


def test_a_key_held_down_answers_once(visit):
    page, _, run = visit(3)
    for _ in range(5):
        page.keyboard.down("1")  # from the second on marked as a repetition, as of a held key
    expect(page.locator("#count")).to_have_text("1 answered, 2 open")
    page.keyboard.up("1")
    page.keyboard.press("Control+1")
    page.wait_for_timeout(300)
    assert len(labels(run)) == 1


def test_an_answer_whose_acknowledgement_is_lost_counts_once(visit):
    page, _, run = visit(2)
    lost = []

    def lose(route):
        route.fetch()  # it arrives, but nobody hears of it
        lost.append(route.request.post_data_json["id"])
        route.abort()

    page.route("**/answer", lose)
    page.keyboard.press("2")
    expect(page.locator("#trouble")).to_contain_text("Not saved yet")
    page.keyboard.press("1")  # nothing else is taken before
    expect(page.locator("#count")).to_have_text("0 answered, 2 open")
    page.wait_for_timeout(500)
    page.unroute("**/answer")
    page.reload()
    expect(page.locator("#status")).to_have_text("Saved: right is better.")
    expect(page.locator("#count")).to_have_text("1 answered, 1 open")
    assert len(lost) >= 1
    assert len(set(lost)) == 1
    assert labels(run) == [(lefts(1)[0], "right")]


def test_another_page_can_neither_answer_nor_look(visit):
    """A page on another port of this machine is the same site to the browser: our cookie goes along, and is no help."""
    page, server, run = visit(1)
    query = server_query(run)
    body = f'{{"id": "{"e" * 32}", "query": "{query}", "choice": "left", "seconds": null}}'
    html = f"""<!doctype html><p id="picture">?</p><p id="sent">?</p><script>
    const image = new Image();
    image.onload = () => document.getElementById("picture").textContent = "seen";
    image.onerror = () => document.getElementById("picture").textContent = "refused";
    image.src = "http://{server.host}/clips/{clip_id("0 l")}.png";
    fetch("http://{server.host}/answer", {{method: "POST", mode: "no-cors", credentials: "include", body: '{body}'}})
      .finally(() => document.getElementById("sent").textContent = "yes");
    </script>""".encode()

    brought: list[str] = []

    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            brought.append(self.headers.get("cookie", ""))
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_):
            pass

    foreign = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=foreign.serve_forever)
    thread.start()
    try:
        other = page.context.new_page()
        tried = []
        other.on("request", lambda request: tried.append(request))
        other.goto(f"http://127.0.0.1:{foreign.server_port}/")
        expect(other.locator("#picture")).to_have_text("refused")
        expect(other.locator("#sent")).to_have_text("yes")
        other.close()
    finally:
        foreign.shutdown()
        thread.join()
        foreign.server_close()
    assert {"GET", "POST"} <= {one.method for one in tried if server.host in one.url}
    assert "selfplay-label" in brought[0]  # the browser gives our cookie to whatever is on this machine
    assert labels(run) == []


def server_query(run):
    with open_ledger(run / "preferences" / "ledger.sqlite", create=False) as ledger:
        return ledger.queries()[0].id


def test_new_questions_appear_by_themselves_on_a_narrow_screen(visit):
    page, _, run = visit(0, viewport={"width": 360, "height": 640})
    expect(page.locator("#empty")).to_contain_text("Nothing to answer now")
    make_more(run)
    expect(page.locator("#count")).to_have_text("0 answered, 1 open")
    expect(page.locator("#right-steps")).to_contain_text("step")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert min(box["width"], box["height"]) >= 24  # px, the least that WCAG 2.2 allows a target


def make_more(run):
    from selfplay.label.sheets import Sheets

    sheets = Sheets(run / "preferences" / "clips")
    with open_ledger(run / "preferences" / "ledger.sqlite") as ledger:
        for side in "lr":
            sheets.save(clip_id(f"new {side}"), frames(7, 5, (30, 300)))
        ledger.ask([clip_id("new l"), clip_id("new r")])
