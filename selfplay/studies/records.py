"""What a study folder remembers beside its runs: what was registered beforehand, and which runs failed."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from selfplay.errors import UserError
from selfplay.jsonfile import plain, write_json
from selfplay.studies.study import Study

REGISTERED, FAILURES = "registered.json", "failures.json"


def registration(study: Study) -> dict[str, Any]:
    """What is fixed beforehand: question, arms, how everything is measured, and the claims."""
    return plain(
        {
            "question": study.question,
            "arms": {
                arm.name: {"method": arm.run.method, "env": arm.run.env, "steps": arm.run.steps,
                           "overrides": dict(arm.run.overrides)}
                for arm in study.arms
            },
            "measures": {measure.name: f"{measure.tag}: {measure.how}" for measure in study.measures},
            "claims": [f"{claim.text}: {claim.kind} of {claim.registered}" for claim in study.claims],
        }
    )  # fmt: skip


def register(study: Study, folder: Path) -> None:
    """Write `registered.json`, unless it is there: it keeps what was claimed before the first run."""
    if not (folder / REGISTERED).exists():
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_json(folder / REGISTERED, {"registered": now, **registration(study)})


def read_failures(folder: Path) -> dict[str, str]:
    """Run name to the line that says how it failed, as the last attempt at it left it."""
    try:
        return json.loads((folder / FAILURES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / FAILURES} cannot be read: {error}; remove it to go on") from None
