"""Tables of benchmark results, with what they ran on."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from selfplay.jsonfile import plain


def machine() -> dict[str, Any]:
    """Processor, cores, versions and commit."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next(
            (line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), ""
        )
    import os

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numba", "numpy", "gymnasium", "minigrid")},
        "commit": commit,
        "command": shlex.join(["python", *sys.argv]),
    }


def cell(value: Any) -> str:
    """A number in as many digits as one wants to read."""
    if isinstance(value, bool) or not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table; columns in the order of the first row."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def write_report(title: str, rows: list[dict[str, Any]], facts: dict[str, Any], out: str | None) -> None:
    """Print the table; with `out`, also write `README.md` and `data.json` into that folder."""
    facts = facts | machine()
    text = (
        f"# {title}\n\n{table(rows)}\n\n"
        + "\n".join(f"- {name}: {cell(value)}" for name, value in facts.items())
        + "\n"
    )
    print(text)
    if out:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(text, encoding="utf-8")
        (folder / "data.json").write_text(
            json.dumps(plain({"facts": facts, "rows": rows}), indent=1) + "\n", encoding="utf-8"
        )
