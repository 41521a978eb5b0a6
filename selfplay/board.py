"""TensorBoard events of one run: scalars, quantiles, images, episode GIFs, hyper-parameters, the page of charts."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from selfplay.gif import gif_bytes


@dataclass(frozen=True)
class Band:
    """A chart of one line inside a band. The three are tags of scalars."""

    value: str
    lower: str
    upper: str


Layout = Mapping[str, Mapping[str, Sequence[str] | Band]]
"""Category to title of a chart to the tags of its lines (or one `Band`), in the order in which they are shown."""


class Board:
    """Writes one event file into `folder`. Steps are env steps.

    `purge_step`: TensorBoard forgets what earlier event files of the folder hold at this step and later.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # a second to import

        self._writer = SummaryWriter(str(folder), purge_step=purge_step, flush_secs=10)

    def scalars(self, values: Mapping[str, Any], step: int) -> None:
        """One scalar a tag; None, what is not finite and what is not a number is left out."""
        for tag, value in values.items():
            number = float(value) if _is_number(value) else math.nan
            if math.isfinite(number):
                self._writer.add_scalar(tag, number, step)

    def quantiles(self, tag: str, values: Any, step: int, at: Sequence[float] = (0.1, 0.5, 0.9)) -> dict[str, float]:
        """Scalars `tag/p10`, `tag/p50`, `tag/p90` of `values` (any shape); returned too. Nothing where it is empty."""
        flat = np.asarray(values, np.float64).ravel()
        if not flat.size:
            return {}
        found = {f"{tag}/p{round(100 * q):02d}": float(np.quantile(flat, q)) for q in at}
        self.scalars(found, step)
        return found

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """The distribution of `values` (any shape). Nothing where it is empty."""
        flat = np.asarray(values, np.float64).ravel()
        if flat.size:
            self._writer.add_histogram(tag, flat, step)

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """A picture, uint8 [H, W, 3], as PNG."""
        _check_frame(pixels)
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
        self._picture(tag, buffer.getvalue(), pixels.shape[:2], step)

    def gif(self, tag: str, frames: Sequence[np.ndarray] | np.ndarray, step: int, fps: float = 8.0) -> None:
        """A moving picture, frames uint8 [H, W, 3], endlessly repeated; `fps` in frames a second."""
        if not len(frames):
            raise ValueError(f"gif '{tag}': no frames")
        if fps <= 0:
            raise ValueError(f"gif '{tag}': fps is {fps} (expected > 0)")
        for pixels in frames:
            _check_frame(pixels)
        self._picture(tag, gif_bytes(list(frames), round(1000 / fps)), frames[0].shape[:2], step)

    def hparams(self, params: Mapping[str, Any], metrics: Sequence[str]) -> None:
        """Hyper-parameters (dotted key to value) and the tags of the scalars that the HParams page compares them by."""
        from torch.utils.tensorboard.summary import hparams

        shown = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in params.items()
            if value is not None
        }
        experiment, session, _end = hparams(shown, dict.fromkeys(metrics, 0))
        for summary in (experiment, session):
            self._summary(summary, 0)

    def layout(self, layout: Layout) -> None:
        """The charts of the "Custom Scalars" page. Write it once each time the run is opened."""
        charts = {
            category: {
                title: ["Margin", [tags.value, tags.lower, tags.upper]]
                if isinstance(tags, Band)
                else ["Multiline", [f"^{re.escape(tag)}$" for tag in tags]]  # TensorBoard takes them for patterns
                for title, tags in group.items()
            }
            for category, group in layout.items()
        }
        self._writer.add_custom_scalars(charts)

    def flush(self) -> None:
        """Hand all events to the system."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        self._writer.close()

    def _picture(self, tag: str, encoded: bytes, size: tuple[int, ...], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        height, width = size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded)
        self._summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def _summary(self, summary: Any, step: int) -> None:
        writer = self._writer.file_writer
        assert writer is not None, "the board is closed"
        writer.add_summary(summary, step)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return True
    return hasattr(value, "item") and getattr(value, "ndim", 1) == 0


def _check_frame(pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"picture is {pixels.dtype} {pixels.shape} (expected uint8 [H, W, 3])")
