"""`selfplay watch`: episodes of a run as a moving picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from selfplay.errors import UserError
from selfplay.evaluate import load_run
from selfplay.gif import Reel, gif_bytes

KINDS = (".gif", ".mp4")
FPS = 8.0
"""Frames a second where steps have no length in time."""
_SMOOTH = 25.0  # frames a second, about, where they have
_HOLD = 0.75  # seconds that the start and the end of an episode stay


def run_watch(
    run: Path,
    out: Path | None = None,
    env: str | None = None,
    *,
    episodes: int = 3,
    seed: int = 1_000_000,
    longest: int = 1000,
    fps: float | None = None,
    stride: int | None = None,
    deterministic: bool = False,
    threads: int | None = None,
) -> Path:
    """Play `episodes` (for Alice and Bob: rounds) with the newest checkpoint of `run` and write them to `out`.

    out: a GIF or an MP4; by default `watch.gif` in the run folder. longest: steps of an episode, or of each turn of a
    round, that are shown. fps, stride: frames a second, and steps from one to the next; see `pace`.

    Raises:
        UserError: whatever `load_run` complains of; a world without pictures; a kind of file that cannot be written.
    """
    out = run / "watch.gif" if out is None else out
    if out.suffix.lower() not in KINDS:
        raise UserError(f"--out: '{out}' is no moving picture (expected a name that ends in {' or '.join(KINDS)})")
    if out.suffix.lower() == ".mp4":
        _check_mp4()
    stage, _ = load_run(run, env, threads)
    fps, stride = pace(stage.step_seconds, fps, stride)
    frames, hold = Reel(), max(1, round(_HOLD * fps))
    try:
        for episode in range(episodes):
            for frame in stage.film(seed + episode, longest, deterministic, stride, hold):
                frames.append(frame)
    except NotImplementedError as error:
        raise UserError(f"watch: {error}") from None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".gif":
            out.write_bytes(gif_bytes(frames, round(1000 / fps)))
        else:
            _write_mp4(frames, out, fps)
    except OSError as error:
        raise UserError(f"--out: '{out}' cannot be written: {error.strerror or error}") from None
    return out


def pace(step_seconds: float | None, fps: float | None, stride: int | None) -> tuple[float, int]:
    """Frames a second and steps from one to the next, where they are not given.

    step_seconds: of simulated time; then the film runs as fast as the world, with about 25 frames a second. None: steps
    have no length, each is a frame, and there are 8 a second.
    """
    if step_seconds is None:
        return fps or FPS, stride or 1
    stride = stride or max(1, round(1 / (step_seconds * (fps or _SMOOTH))))
    return fps or min(max(1 / (step_seconds * stride), 1.0), 60.0), stride


def _check_mp4() -> None:
    """UserError where MP4 cannot be written, before anything is loaded or played."""
    try:
        import imageio.v2  # noqa: F401
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise UserError(
            "--out: MP4 needs the package imageio-ffmpeg: pip install -c constraints.txt -e '.[mp4]' "
            "(or take --out NAME.gif)"
        ) from None


def _write_mp4(frames: Reel, out: Path, fps: float) -> None:
    import imageio.v2 as imageio

    with imageio.get_writer(out, fps=fps, macro_block_size=2) as writer:
        for frame in frames:
            writer.append_data(_even(frame))  # type: ignore[attr-defined]


def _even(frame: np.ndarray) -> np.ndarray:
    """H and W made even, which the codec wants, by repeating the last row or column."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
