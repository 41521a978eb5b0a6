"""`selfplay watch`: episodes of a run as a moving picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from selfplay.errors import UserError
from selfplay.evaluate import load_run

KINDS = (".gif", ".mp4")


def run_watch(
    run: Path,
    out: Path | None = None,
    env: str | None = None,
    *,
    episodes: int = 3,
    seed: int = 1_000_000,
    longest: int = 1000,
    fps: float = 8.0,
    deterministic: bool = False,
    threads: int | None = None,
) -> Path:
    """Play `episodes` (for Alice and Bob: rounds) with the newest checkpoint of `run` and write them to `out`.

    out: a GIF or an MP4; by default `watch.gif` in the run folder. longest: steps of an episode that are shown.
    fps: frames a second.

    Raises:
        UserError: whatever `load_run` complains of; a world without pictures; a kind of file that cannot be written.
    """
    out = run / "watch.gif" if out is None else out
    if out.suffix.lower() not in KINDS:
        raise UserError(f"--out: '{out}' is no moving picture (expected a name that ends in {' or '.join(KINDS)})")
    stage, _ = load_run(run, env, threads)
    try:
        frames = [frame for episode in range(episodes) for frame in stage.film(seed + episode, longest, deterministic)]
    except NotImplementedError as error:
        raise UserError(f"watch: {error}") from None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write_gif(frames, out, fps) if out.suffix.lower() == ".gif" else _write_mp4(frames, out, fps)
    except OSError as error:
        raise UserError(f"--out: '{out}' cannot be written: {error.strerror or error}") from None
    return out


def _write_gif(frames: Sequence[np.ndarray], out: Path, fps: float) -> None:
    from PIL import Image

    from selfplay.gif import gif_bytes

    out.write_bytes(gif_bytes([Image.fromarray(frame) for frame in frames], round(1000 / fps)))


def _write_mp4(frames: Sequence[np.ndarray], out: Path, fps: float) -> None:
    try:
        import imageio.v2 as imageio
        import imageio_ffmpeg  # noqa: F401 (what imageio writes MP4 with)
    except ImportError:
        raise UserError("--out: MP4 needs the package imageio-ffmpeg (or take --out NAME.gif)") from None
    imageio.mimwrite(out, [_even(frame) for frame in frames], fps=fps, macro_block_size=2)


def _even(frame: np.ndarray) -> np.ndarray:
    """H and W made even, which the codec wants, by repeating the last row or column."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
