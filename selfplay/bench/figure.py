"""The picture of `selfplay bench scaling`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from selfplay.bench.report import Row


def draw_scaling(
    path: Path, name: str, by_count: Sequence[Row], by_side: Sequence[Row], knees: dict[int, int | None]
) -> None:
    """Draw speed by worlds (a line for each number of threads, its knee marked), memory by worlds, speed by size."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (speed, memory, size) = pyplot.subplots(1, 3, figsize=(14, 4), layout="constrained")
    for threads, knee in knees.items():
        rows = [row for row in by_count if row["threads"] == threads]
        label = f"{threads} thread{'s' if threads > 1 else ''}"
        counts = [row["worlds"] for row in rows]
        (line,) = speed.plot(counts, [row["steps/s"] / 1e6 for row in rows], "o-", ms=3, label=label)
        memory.plot(counts, [row["peak memory MB"] for row in rows], "o-", ms=3, label=label)
        if knee is not None:
            speed.axvline(knee, color=line.get_color(), ls=":", lw=1)
    for axes in (speed, memory):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("worlds")
        axes.legend(frameon=False)
    speed.set_ylim(bottom=0)
    speed.set_ylabel("million steps/s")
    speed.set_title(f"{name} (dotted: the knee)")
    memory.set_yscale("log")
    memory.set_ylabel("peak memory of the process, MB")
    memory.set_title("memory")
    for family in dict.fromkeys(row["level"] for row in by_side):
        rows = [row for row in by_side if row["level"] == family]
        size.plot([row["side"] for row in rows], [row["steps/s"] / 1e6 for row in rows], "o-", ms=3, label=family)
    size.set_ylim(bottom=0)
    size.set_xlabel("cells a side")
    size.set_ylabel("million steps/s")
    size.set_title("size of the worlds")
    if by_side:
        size.legend(frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
