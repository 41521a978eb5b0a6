"""What a run writes while it goes: metrics, timings and proposals as JSON lines, and TensorBoard events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selfplay.board import Board
from selfplay.jsonfile import JsonLines

METRICS, TIMINGS, PROPOSALS = "metrics.jsonl", "timings.jsonl", "proposals.jsonl"


class RunLog:
    """The logs of one run folder.

    `metrics.jsonl` and `proposals.jsonl` hold only what the seed decides, so a run that was killed and taken up again
    ends with the same bytes as one that was not. Times of day and speeds go to `timings.jsonl`.
    """

    def __init__(self, folder: Path, offsets: Mapping[str, int] | None = None, step: int = 0) -> None:
        """Open the logs of `folder`, cut to `offsets` (of the checkpoint at `step`; None: start them anew)."""
        folder.mkdir(parents=True, exist_ok=True)
        events = any(folder.glob("events.out.tfevents.*"))
        purge_step = 0 if offsets is None else step + 1  # TensorBoard forgets what the rerun writes once more
        offsets = offsets or {}
        self._files = {name: JsonLines(folder / name, offsets.get(name, 0)) for name in (METRICS, TIMINGS, PROPOSALS)}
        self.board = Board(folder, purge_step if events else None)

    def metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """One line of tags and numbers at env step `step`, and the same as TensorBoard scalars.

        A number that is not finite is null in the file and left out of TensorBoard.
        """
        self._files[METRICS].write({"step": step, **values})
        self.board.scalars(values, step)

    def timings(self, step: int, values: Mapping[str, Any]) -> None:
        """As `metrics`, for what depends on the machine; in TensorBoard under `time/`."""
        self._files[TIMINGS].write({"step": step, **values})
        self.board.scalars({f"time/{name}": value for name, value in values.items()}, step)

    def proposals(self, records: Iterable[Mapping[str, Any]]) -> None:
        """One line for each of the goals in `records`."""
        self._files[PROPOSALS].write(*records)

    def offsets(self) -> dict[str, int]:
        """Make everything durable; file name to length in bytes, for the checkpoint written next."""
        self.board.flush()
        return {name: file.sync() for name, file in self._files.items()}

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self.board.close()
