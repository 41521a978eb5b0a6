"""The far side of a study: a process that trains one run after another, so that torch and the kernels load once.

A request is one line of JSON with the arguments of `run_training`, and `begins`, null or the folder of the run that it
goes on from. The answer is `{"done": true}`, `{"error": one line}` or `{"stopped": exit code}`. At the end of its input
a run that is going on saves and stops: no worker survives the study it belongs to.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from selfplay.errors import UserError, one_line


def train(request: dict[str, Any]) -> dict[str, Any]:
    """Grant one request in this process; never raises."""
    from selfplay.finetune import run_finetune
    from selfplay.train import run_training

    run_dir = Path(request["run_dir"])
    common: dict[str, Any] = {key: request[key] for key in ("seed", "threads", "checkpoint_seconds")}
    common |= {"quiet": True, "pictures": False}
    try:
        if request["begins"] is None:
            run_training(request["method"], request["env"], steps=request["steps"], run_dir=run_dir,
                         overrides=request["overrides"], **common)  # fmt: skip
        else:
            run_finetune(Path(request["begins"]), request["env"], steps=request["steps"], run_dir=run_dir,
                         overrides=request["overrides"], method=request["method"], **common)  # fmt: skip
    except UserError as error:
        return {"error": one_line(error.message)}
    except SystemExit as stop:
        return {"stopped": stop.code}
    except Exception as error:  # the study goes on without this run, and names it at the end
        traceback.print_exc()
        return {"error": one_line(f"{type(error).__name__}: {error}")}
    return {"done": True}


def main() -> None:
    """Answer requests on stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    requests: queue.Queue[str | None] = queue.Queue()
    busy = threading.Event()

    def read() -> None:
        for line in sys.stdin:
            busy.set()
            requests.put(line)
        requests.put(None)
        if busy.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()
    while (line := requests.get()) is not None:
        answer = train(json.loads(line))
        busy.clear()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
