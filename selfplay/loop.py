"""The loop of `selfplay train`, one for every method: iterate, evaluate, write, save."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from selfplay import checkpoint
from selfplay.errors import UserError, warn
from selfplay.sharing import asked_to_stop, first_says, gathered_state, merged

if TYPE_CHECKING:
    from curiosity.group import Alone
    from selfplay.progress import Progress
    from selfplay.ranks import Ranks
    from selfplay.rundir import RunDir
    from selfplay.runlog import RunLog
    from selfplay.signals import StopRequest
    from selfplay.stages.base import Stage

EVALUATIONS = 20
"""How often a run is evaluated between its first and its last step."""
PICTURES = 5
"""How often of these TensorBoard also gets pictures."""
_IDLE_ITERATIONS = 1000  # STOP costs no environment step: without this a budget might never be spent


def loop(
    stage: Stage, log: RunLog | None, folder: RunDir | None, steps: int, stop: StopRequest, progress: Progress,
    checkpoint_seconds: float, pictures: bool, group: Alone | Ranks, fresh: bool,
) -> None:  # fmt: skip
    """Train `stage` until `steps` environment steps, or until asked to stop, and save it.

    log, folder: None for all ranks but the first, which write nothing. fresh: nothing was trained yet.
    """
    progress.update(stage.steps, {"compiling": "the kernels, once per machine"})
    if fresh and log is not None:
        log.metrics(0, stage.evaluate())
    saved_at = time.monotonic()
    idle = 0
    finished = False
    while stage.steps < steps and not finished and not asked_to_stop(group, stop):
        before, began = stage.steps, time.monotonic()
        report = stage.iterate(min(1.0, before / steps))
        seconds = time.monotonic() - began
        idle = idle + 1 if stage.steps == before else 0
        if idle == _IDLE_ITERATIONS:
            _save(stage, log, folder, group)
            raise UserError(
                f"nothing was played in {idle} iterations after {stage.steps:,} steps: Alice says STOP at once "
                "(try a larger alice.entropy, or game.stop=false)"
            )
        scalars = merged(group, report.scalars)
        finished = getattr(stage, "finished", False)  # what learns from a file may have learnt all there is
        due = finished or before * EVALUATIONS // steps != stage.steps * EVALUATIONS // steps
        if log is not None and due:
            scalars = scalars | stage.evaluate()
            if pictures and (finished or before * PICTURES // steps != stage.steps * PICTURES // steps):
                _draw(stage, log)
        if log is not None:
            log.metrics(stage.steps, scalars)
            log.proposals(report.proposals)
            speed = (stage.steps - before) / seconds
            log.timings(stage.steps, {"steps_per_second": speed, "iteration_seconds": seconds})
        progress.update(stage.steps, stage.headline())
        if first_says(group, time.monotonic() - saved_at > checkpoint_seconds):
            _save(stage, log, folder, group)
            saved_at = time.monotonic()
    _save(stage, log, folder, group)


def _draw(stage: Stage, log: RunLog) -> None:
    """Pictures for TensorBoard. Whatever goes wrong with them is a warning: no training ends for that."""
    try:
        for tag, picture in stage.pictures().items():
            if isinstance(picture, list):
                log.board.gif(tag, picture, stage.steps)
            else:
                log.board.image(tag, picture, stage.steps)
    except Exception as error:
        warn(f"pictures after {stage.steps:,} steps are left out: {type(error).__name__}: {error}")


def _save(stage: Stage, log: RunLog | None, folder: RunDir | None, group: Alone | Ranks) -> None:
    state = gathered_state(group, stage.state_dict())
    if state is not None and log is not None and folder is not None:
        checkpoint.save(folder.checkpoints, stage.steps, state, {"offsets": log.offsets()})
