"""Writes a page: one HTML file that needs nothing else, no script and no server."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfplay import __version__
from selfplay.errors import UserError
from selfplay.jsonfile import write_bytes
from selfplay.report.runs_page import runs_page
from selfplay.report.study_page import STUDY_FILES, is_study, study_page
from selfplay.rundir import CONFIG, find_folder

WEB = Path(__file__).parent / "web"


def write_page(paths: Sequence[Path], out: Path | None = None) -> Path:
    """Write the page about the runs, or the study, in the folders `paths`, and return where.

    out: by default `report.html` in the folder, of several runs in the working directory.

    Raises:
        UserError: a folder holds neither a run nor a study, or a study is given with something else.
    """
    if len(paths) == 1:
        find_folder(paths[0], "run or study", (CONFIG, *STUDY_FILES))
    studies = [path for path in paths if is_study(path)]
    if studies and len(paths) > 1:
        raise UserError(f"'{studies[0]}' is a study (expected it alone, or runs only)")
    target = out or ((paths[0] if len(paths) == 1 else Path()) / "report.html")
    if target.is_dir():
        raise UserError(f"--out: '{target}' is a folder (expected a file, such as '{target / 'report.html'}')")
    html = render("study.html", study_page(paths[0])) if studies else render("runs.html", runs_page(paths))
    try:
        write_bytes(target, html.encode())
    except OSError as error:
        raise UserError(f"--out: '{target}' cannot be written: {error.strerror}") from None
    return target


def render(template: str, context: dict[str, Any]) -> str:
    """The page `template` with `context`; whatever it shows is escaped unless it was made here."""
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    written = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    return environment.get_template(template).render(**context, version=__version__, written=written)
