"""The pictures of a run: its curriculum drawn anew from its logs, and the last of each kind that TensorBoard got."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from selfplay.curriculum import CHARTS, QUARTERS, Played, draw_map
from selfplay.report.svg import data_uri, inline

_LARGEST = 1_000_000  # bytes of a picture that still goes into a page


def curriculum(game: Played) -> list[dict[str, Any]]:
    """Charts and maps of a game, one by one."""
    found = []
    with matplotlib.rc_context({"font.size": 9, "axes.titlesize": 9.5}):
        for alt, draw in CHARTS.items():
            figure = _figure(4.0, 2.6)
            axis = figure.subplots()
            draw(axis, game)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            found.append({"svg": inline(figure, f"Over million env steps: {alt}."), "small": False})
        for quarter in range(QUARTERS):
            figure = _figure(2.0, 2.1)
            draw_map(figure.subplots(), game, quarter)
            alt = f"Map of where Alice's goals lay in quarter {quarter + 1} of {QUARTERS} of the run."
            found.append({"svg": inline(figure, alt), "small": True})
    return found


def last_pictures(path: Path) -> list[dict[str, Any]]:
    """The newest picture of each tag in the TensorBoard events of run folder `path`, as data."""
    if not any(path.glob("events.out.tfevents.*")):
        return []
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(path), size_guidance={"images": 1, "scalars": 1, "histograms": 1, "tensors": 1})
    events.Reload()
    found = []
    for tag in sorted(events.Tags()["images"]):
        event = events.Images(tag)[-1]
        content = event.encoded_image_string
        moving = content.startswith(b"GIF")
        if len(content) <= _LARGEST:
            found.append({
                "tag": tag, "step": f"{event.step:,}", "uri": data_uri(content, "image/gif" if moving else "image/png"),
                "width": event.width, "height": event.height,
                "alt": f"{'Moving picture' if moving else 'Picture'} of {tag} after {event.step:,} steps",
            })  # fmt: skip
    return found


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
