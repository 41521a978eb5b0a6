"""The pictures of `selfplay bench scaling` and of `benchmarks/leash.py`."""

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


def draw_leash(path: Path, rows: Sequence[Row]) -> None:
    """Draw J by β, a panel for each grid: the optimum J* as a line, the reference's J as a thin one, PPO as points.

    rows: those of `benchmarks/leash.py`. Each seed has a reference of its own, and so an optimum and a colour.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    grids = list(dict.fromkeys(row["grid"] for row in rows))
    figure, panels = pyplot.subplots(
        1, len(grids), figsize=(4.5 * len(grids), 4), layout="constrained", squeeze=False, sharey=True
    )
    for axes, grid in zip(panels[0], grids, strict=True):
        for seed in dict.fromkeys(row["seed"] for row in rows):
            own = sorted((row for row in rows if (row["grid"], row["seed"]) == (grid, seed)), key=lambda row: row["β"])
            betas = [row["β"] for row in own]
            (line,) = axes.plot(betas, [row["J*"] for row in own], lw=1.4, label=f"optimum J*, seed {seed}")
            colour = line.get_color()
            axes.plot(betas, [row["J of the reference"] for row in own], color=colour, lw=0.6, ls=":",
                      label=f"reference, seed {seed}")  # fmt: skip
            axes.plot(betas, [row["J of PPO"] for row in own], "o", color=colour, ms=5, mfc="none",
                      label=f"PPO, seed {seed}")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("β, reward per nat")
        axes.set_title(grid)
    panels[0][0].set_ylim(bottom=0)
    panels[0][0].set_ylabel("J = return − β KL, discounted")
    panels[0][-1].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
