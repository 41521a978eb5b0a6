"""What a benchmark says: the machine, the figures' arithmetic, tables for the eye, Markdown and JSON."""

from __future__ import annotations

import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from selfplay.jsonfile import write_json

Row = dict[str, Any]


def machine() -> dict[str, Any]:
    """Processor, cores, load, versions, commit (where there is a checkout) and the command."""
    from selfplay.threads import physical_cores

    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
    return {
        "processor": _processor(),
        "cores": physical_cores(),
        "processors": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numba", "numpy", "gymnasium", "minigrid")},
        "commit": commit,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def median(values: Sequence[float | None]) -> float:
    """The median of what is known; NaN of nothing."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of `ours[k] / theirs[k]`: a busy moment of the machine falls on both; NaN of nothing."""
    return median([a / b for a, b in zip(ours, theirs, strict=True) if b])


def cell(value: Any) -> str:
    """A value in as many digits as were measured, three; whole numbers in all; ∞; nothing for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


_MODES = {"num_envs": "{:,} worlds", "batch_size": "batches of {:,}", "minibatch": "minibatches of {:,}"}


def mode(settings: dict[str, int]) -> str:
    """How a contender was run, in words."""
    return ", ".join(_MODES[key].format(value) for key, value in settings.items())


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Every column of any row, in the order they first appear."""
    return list(dict.fromkeys(column for row in rows for column in row))


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table; what a row does not have stays empty."""
    columns = columns_of(rows)
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def show(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Print a titled table, numbers to the right, and a line for each note."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"\n{title}", highlight=False, markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    columns = [name for name in columns_of(rows) if any(cell(row.get(name)) for row in rows)]
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    console.print(table, highlight=False, markup=False)
    for note in notes:
        console.print(note, highlight=False, markup=False)


def show_facts(facts: dict[str, Any]) -> None:
    """Print what it ran on, in a paragraph, and the command."""
    from rich.console import Console

    shown = ", ".join(f"{name} {cell(value)}" for name, value in facts.items() if name != "command" and value)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{shown}\n{facts['command']}\n", highlight=False, markup=False)


def write(path: Path | None, result: dict[str, Any]) -> None:
    """Write the figures as JSON, if a path was given; missing folders are made."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, result)


def write_report(
    title: str, rows: list[Row], facts: dict[str, Any], out: str | None, summary: Sequence[Row] = (),
    figure: str = "",
) -> None:  # fmt: skip
    """Print a Markdown report; with `out`, also write `README.md` and `data.json` into that folder.

    summary: rows of a table of its own, before the others. figure: the name of a picture there.
    """
    facts = facts | machine()
    listed = "\n".join(f"- {name}: {cell(value)}" for name, value in facts.items())
    tables = "\n\n".join(markdown(table) for table in (summary, rows) if table)
    picture = f"![{title}]({figure})\n\n" if figure else ""
    text = f"# {title}\n\n{picture}{tables}\n\n{listed}\n"
    print(text)
    if out:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(text, encoding="utf-8")
        write_json(folder / "data.json", {"facts": facts, "rows": rows})
