"""What people see of clips: for every clip one picture file with all its frames, beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from selfplay.jsonfile import write_bytes

CLIP_ID = re.compile(r"[0-9a-f]{32}")
LARGEST = 320  # pixels along the longer edge of a frame
_ACROSS = 8
_KEY = "selfplay.sheet"


@dataclass(frozen=True)
class Sheet:
    """How the F frames lie in a sheet: row by row, `columns` in a row, each `width` × `height` pixels."""

    frames: int
    columns: int
    width: int
    height: int


class Sheets:
    """The folder of the clips as a folder of pictures: `ID.png`, of one clip every frame.

    Made once, when a clip is filmed; a file is there as a whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._known: dict[str, Sheet] = {}

    def path(self, id: str) -> Path:
        """The file of a clip's pictures; `ValueError` for what is no id, so that no path is made of it."""
        if not CLIP_ID.fullmatch(id):
            raise ValueError(f"sheets {self.folder}: {id!r} is no id of a clip, expected 32 hex digits")
        return self.folder / f"{id}.png"

    def save(self, id: str, frames: Sequence[np.ndarray]) -> None:
        """Keep the frames, uint8 [h, w, 3] of one size, of the clip with this id; nothing where there are some."""
        path = self.path(id)
        if path.exists():
            return
        if not frames or any(frame.shape != frames[0].shape for frame in frames):
            raise ValueError(f"sheets {self.folder}: a clip needs one or more frames of one size")
        height, width = frames[0].shape[:2]
        columns = min(_ACROSS, len(frames))
        whole = Image.new("RGB", (columns * width, -(-len(frames) // columns) * height))
        for number, frame in enumerate(frames):
            row, column = divmod(number, columns)
            whole.paste(Image.fromarray(frame), (column * width, row * height))
        note = PngImagePlugin.PngInfo()
        note.add_text(_KEY, f"{len(frames)} {columns} {width} {height}")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _png(whole, note))

    def find(self, id: str) -> Sheet | None:
        """The sheet of a clip, None where there is none that can be shown."""
        if id not in self._known:
            try:
                with Image.open(self.path(id)) as image:
                    self._known[id] = Sheet(*map(int, str(image.info[_KEY]).split()))
            except (OSError, KeyError, ValueError, TypeError):
                return None
        return self._known[id]

    def read(self, id: str) -> bytes:
        """The file, PNG; `OSError` where there is none."""
        return self.path(id).read_bytes()


def shrunk(frame: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """A frame uint8 [H, W, 3] with no edge longer than `largest`; as it is where it fits."""
    height, width = frame.shape[:2]
    if max(height, width) <= largest:
        return frame
    scale = largest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))


def _png(image: Image.Image, note: PngImagePlugin.PngInfo) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=note)
    return file.getvalue()
