"""Moving pictures."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import GifImagePlugin, Image

_LONGEST = 655_350  # ms that a frame of a GIF can stay


class Reel:
    """Frames uint8 [H, W, 3], all of one size, kept compressed: some thousands of them are some megabytes."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._shape: tuple[int, ...] = ()
        self._last: np.ndarray | None = None

    def append(self, frame: np.ndarray) -> None:
        """One more; the same array again costs nothing."""
        if self._packed and frame.shape != self._shape:
            raise ValueError(f"a frame is {list(frame.shape)}, those before are {list(self._shape)}: expected one size")
        if frame is not self._last:
            self._shape, self._last = frame.shape, frame
            self._packed.append(zlib.compress(frame.tobytes(), 1))
        else:
            self._packed.append(self._packed[-1])

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, place: int) -> np.ndarray:
        return np.frombuffer(zlib.decompress(self._packed[place]), np.uint8).reshape(self._shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))


def gif_bytes(frames: Sequence[np.ndarray] | Reel, duration: int) -> bytes:
    """A GIF of frames uint8 [H, W, 3] that begins again and again, `duration` ms a frame.

    All frames have the 256 colours of the first, the middle and the last: one palette each takes several times as long.
    Of a frame only the rectangle that changed is written; equal ones are joined, adding their times. By Pillow's parts:
    its own writer keeps all frames in memory.
    """
    chosen = np.concatenate([frames[place] for place in sorted({0, len(frames) // 2, len(frames) - 1})])
    palette = Image.fromarray(chosen).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    waiting: Image.Image | None = None
    corner, wait = (0, 0), 0
    before: np.ndarray | None = None

    def write() -> None:
        assert waiting is not None
        buffer.writelines(GifImagePlugin.getdata(waiting, corner, duration=wait, disposal=1))

    for frame in frames:
        image = Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        now = np.asarray(image)
        if before is None:
            header, _ = GifImagePlugin.getheader(image.copy(), info={"loop": 0, "duration": duration})
            buffer.writelines(header)
            waiting = image
        else:
            rows, columns = (np.flatnonzero((now != before).any(axis=axis)) for axis in (1, 0))
            if len(rows) or wait + duration > _LONGEST:
                write()
                corner = (int(columns[0]), int(rows[0])) if len(rows) else (0, 0)
                far = (int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else (1, 1)
                waiting, wait = image.crop((*corner, *far)), 0
        before = now
        wait += duration
    write()
    return buffer.getvalue() + b";"
