"""Finished runs that were never trained: what a study reads of a run folder, written by hand."""

import json

import pytest

from selfplay.jsonfile import write_json
from selfplay.studies.plan import expected_config, tasks
from selfplay.studies.records import register


@pytest.fixture
def fake():
    """fake(study, folder, {"a/s0": [0.1, 0.2, …]}, tag): success at equal distances up to the budget, 2 s a run."""

    def write(study, folder, curves, tag="eval/success"):
        folder.mkdir(exist_ok=True)
        register(study, folder)
        for task in tasks(study, folder, 20):
            if task.name not in curves:
                continue
            values = curves[task.name]
            (task.folder / "checkpoints" / f"step_{task.arm.run.steps:09d}").mkdir(parents=True)
            config = expected_config(task.arm, task.seed)
            write_json(task.folder / "config.json", {"config": config, "threads": 1, "commit": "abc"})
            lines = [{"step": task.arm.run.steps * (k + 1) // len(values), tag: v} for k, v in enumerate(values)]
            (task.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            (task.folder / "timings.jsonl").write_text('{"step": 1, "iteration_seconds": 2.0}\n')

    return write
