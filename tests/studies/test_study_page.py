"""The page on a study: everything is in it, nothing is outside, and what came out contrary is as plain as the rest."""

import dataclasses
import json
import shutil
import sys

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="pages need the extra 'report'")

from page_checks import check_page

from selfplay.cli import main
from selfplay.errors import UserError
from selfplay.jsonfile import write_json
from selfplay.report.claims import bar, interval_of
from selfplay.report.page import write_page
from selfplay.report.words import section, to_html
from selfplay.studies.claim import Expected
from selfplay.studies.reductions import FirstStep, Last
from selfplay.studies.report import export, write_report
from selfplay.studies.statistics import Interval
from selfplay.studies.study import Arm, Claim, Measure, Run, Study

RUN = Run("ppo", "grid/Empty-5x5-v0", 1000)


def study(seeds=5, question="Is <script>a</script> better than b & c?"):
    return Study(
        name="letters",
        question=question,
        arms=(Arm("x.a", RUN), Arm("x.b", RUN), Arm("y.a", RUN)),
        measures=(Measure("score", "eval/success", Last()), Measure("time to .5", "eval/success", FirstStep(0.5))),
        claims=(
            Claim("a beats b", "score", "x.a", "x.b", "difference", "> 0"),
            Claim("b beats a", "score", "x.b", "x.a", "difference", "> 0"),
            Claim("b reaches a third of a", "score", "x.b", "x.a", "ratio", "0.3 to 10"),
        ),
        curves=("eval/success",),
        seeds=seeds,
    )


def curves(seeds, arms=("x.a", "x.b", "y.a")):
    level = {"x.a": 0.8, "x.b": 0.3, "y.a": 0.1}
    return {f"{arm}/s{seed}": [0.0, level[arm] / 2, level[arm] + seed / 100] for arm in arms for seed in range(seeds)}


@pytest.fixture
def folder(tmp_path, fake):
    fake(study(), tmp_path / "letters", curves(5))
    write_report(study(), tmp_path / "letters")
    return tmp_path / "letters"


def test_the_page_of_a_study(folder):
    html = write_page([folder]).read_text()
    assert (folder / "report.html").read_text() == html
    page = check_page(html)
    assert page.title == "letters – selfplay"
    assert "Is <script>a</script> better than b & c?" in page.text  # shown as it was typed, and not run
    assert "<script" not in html
    tiles = [line.split() for line in page.items if line[0].isdigit()]
    assert tiles == [["1", "contrary"], ["2", "as", "predicted"]]
    contrary, agreed = page.text.index("b beats a"), page.text.index("a beats b")
    assert contrary < agreed
    # x.a: .80 … .84, IQM of five is the mean of the middle three, .82; x.b .32
    assert "found -0.5 [" in page.text
    assert "found 0.5 [" in page.text
    numbers = page.tables[0]
    assert numbers[0] == ["arm", "average [95 %]", "seeds", "each"]
    assert numbers[1][::3] == ["x.a", "0.8, 0.81, 0.82, 0.83, 0.84"]
    assert numbers[1][1].startswith("0.82 [0.8")
    times = page.tables[1]
    assert times[1][1] == "1,000 [1,000, 1,000]"  # .8 at the last of three points, 1000 steps
    assert times[2][1] == "≥ 1,000 [1,000, ∞]"
    assert times[2][3] == ", ".join(["≥ 1,000"] * 5)
    assert page.text.count("selfplay train ppo --env grid/Empty-5x5-v0 --steps 1000") == 3
    assert len([alt for alt in page.labels if "over env steps" in alt]) == 3


def test_an_export_and_the_readers_own_words(folder, tmp_path, fake):
    export(study(), tmp_path / "small", [folder])
    readme = (tmp_path / "small/README.md").read_text()
    words = "\n\n## What it says\n\nWritten *after*.\n\n- **First**: `x.a` <b>.\n- second\n  line"
    words += "\n\n| of | **a** |\n| --- | :-: |\n| `x.a` | <1 |\n| x.b | |\n\n## Claims"
    (tmp_path / "small/README.md").write_text(readme.replace("\n\n## Claims", words))
    page = check_page(write_page([tmp_path / "small"], tmp_path / "page.html").read_text())
    assert "Written *after*." in page.text
    assert page.items[:2] == ["First: x.a <b>.", "second line"]
    assert page.tables[0] == [["of", "a"], ["x.a", "<1"], ["x.b", ""]]
    assert len([alt for alt in page.labels if "over env steps" in alt]) == 3  # from the archive


def test_curves_are_of_the_arms_that_are_said(folder, tmp_path):
    told = dataclasses.replace(study(), curves_of=lambda factors: factors["bonus"] == "b")
    told = dataclasses.replace(told, arms=tuple(
        dataclasses.replace(arm, factors={"bonus": arm.name.partition(".")[2]}) for arm in told.arms))  # fmt: skip
    write_report(told, folder)
    page = check_page(write_page([folder]).read_text())
    assert len([alt for alt in page.labels if "over env steps" in alt]) == 1


def test_one_seed_is_said_to_be_one(tmp_path, fake):
    fake(study(1), tmp_path / "one", curves(1))
    write_report(study(1), tmp_path / "one")
    page = check_page(write_page([tmp_path / "one"]).read_text())
    assert "One seed of each arm: no interval" in page.text
    assert page.tables[0][1][1] == "0.8 (one seed: no interval)"
    assert "found -0.5 (one seed: no interval)" in page.text
    assert not [label for label in page.labels if label.startswith("expected")]


def test_what_is_missing_is_said(tmp_path, fake):
    fake(study(), tmp_path / "part", curves(5, arms=("x.a", "x.b")))
    write_report(study(), tmp_path / "part")
    write_json(tmp_path / "part/registered.json", {"study": "letters", "seeds": 5, "registered": "2026-01-02T03:04:05"})
    page = check_page(write_page([tmp_path / "part"]).read_text())
    assert "Partial: 5 runs are missing." in page.text
    assert "2026-01-02 03:04 UTC" in page.text
    assert "y.a" not in {row[0] for row in page.tables[0]}


def test_refusals(folder, tmp_path):
    with pytest.raises(UserError, match="alone, or runs only"):
        write_page([folder, folder / "x.a/s0"])
    (folder / "results.json").write_text('{"study": 1}')
    with pytest.raises(UserError, match=r"results.json is not the report of a study: KeyError"):
        write_page([folder])
    saved = {"study": "letters-quick", "registration": {"arms": {}, "measures": {}, "question": "?"}, "values": {}}
    (folder / "results.json").write_text(json.dumps(saved))  # as it was before seeds were registered
    with pytest.raises(
        UserError, match=r"by an older version: `selfplay study letters --quick --dir .* --report-only` w"
    ):
        write_page([folder])
    bare = folder.with_name("bare")
    bare.mkdir()
    shutil.copy(folder / "results.json", bare)
    with pytest.raises(UserError, match=r"by an older version: its runs are not there.*bare/README.md"):
        write_page([bare])
    (folder / "results.json").unlink()
    with pytest.raises(UserError, match="--report-only"):
        write_page([folder])
    with pytest.raises(UserError, match="is a folder"):
        write_page([folder], tmp_path)


def test_bars():
    # expected ≥ 1 and found .5 to 1.5: the line shows .5 to 1.5 and a margin of .12 on either side
    drawn = bar(Interval(1.0, 1.0, 0.5, 1.5), Expected.parse(">= 1"))
    assert drawn == {"expected": 50.0, "width": 50.0, "low": 9.7, "high": 90.3, "found": 50.0}
    wide = bar(Interval(10, 10, 1, 100), Expected.parse("> 0"))
    assert wide["expected"] == 0 or wide["low"] < wide["found"] < wide["high"]
    log = bar(Interval(10.0, 10.0, 1.0, 100.0), Expected.parse("1 to 10"))
    assert (log["found"], log["expected"]) == (50.0, log["low"])  # 10 is half way from 1 to 100
    assert bar(Interval(2.0, float("inf"), 2.0, float("inf")), Expected.parse("> 1"))["high"] == 100
    saved = json.loads('{"found_low": 2, "found_high": null, "low": null, "high": 3}')
    assert interval_of(saved) == (2, float("inf"), -float("inf"), 3)


def test_words():
    assert to_html("a **b** `c<d`\n\n[link](x)") == "<p>a <strong>b</strong> <code>c&lt;d</code></p>\n<p>link</p>"
    assert section("# t\n\n## Other\n\nx\n", "What it says") is None


def test_the_command(folder, tmp_path, monkeypatch):
    done = CliRunner().invoke(main, ["report", str(folder), "--out", str(tmp_path / "page.html")])
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'page.html'}\n")
    for name in [name for name in sys.modules if name.startswith("selfplay.report.page")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = CliRunner().invoke(main, ["report", str(folder)])
    line = "error: report needs the package jinja2: pip install 'selfplay[report]'\n"
    assert (done.exit_code, done.output) == (
        2,
        line,
    )


def test_on_a_phone_only_tables_scroll_and_nothing_is_refused(folder, tmp_path):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright, of the extra 'test', drives the browser"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here to open the page in")
    path, said = write_page([folder], tmp_path / "page.html"), []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        width = page.evaluate("document.documentElement.scrollWidth")
        page.emulate_media(media="print")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
        hidden = page.evaluate(
            "[...document.querySelectorAll('details > :not(summary)')]"
            ".filter(each => !each.checkVisibility({contentVisibilityAuto: true})).length"
        )
        page.emulate_media(media="screen")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        tables = page.evaluate(
            "[...document.querySelectorAll('.scroll')].some(each => each.scrollWidth > each.clientWidth)"
        )
        browser.close()
    assert (width, tables, hidden, said) == (360, True, 0, [])
