"""The worker behind `envs.grid.drawers`: `python -m envs.grid.draw_levels` draws levels with minigrid.

Orders (`envs.grid.orders`) come on standard input, answers leave standard output. The worker ends when its input does,
in the middle of a level if need be, so it never outlives whoever ordered.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import warnings

import numpy as np

from envs.grid.levels.spec import LevelSpec
from envs.grid.orders import DRAWN, FAILED, HEADER, spec_from
from envs.grid.state import MISSION, OVER

_NICENESS = 5  # the learner goes first


def level_seed(seed: int, k: int) -> int:
    """The seed that minigrid gets for level k of a sequence: a function of the two, 64 bits."""
    return int(np.random.SeedSequence((seed, k)).generate_state(1, np.uint64)[0])


class Drawer:
    """Draws levels of one spec with minigrid."""

    def __init__(self, spec: LevelSpec) -> None:
        from envs.grid.wfc import make_minigrid

        if spec.minigrid_id is None:
            raise ValueError(f"level {spec.id} has no minigrid_id: minigrid cannot draw it")
        self.spec = spec
        self.env = make_minigrid(spec.minigrid_id)

    def draw(self, seed: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Level k of sequence `seed`: cells uint16 [W, H], agent int32 [F]. ValueError: it does not fit the spec."""
        from envs.grid.interop import from_minigrid

        self.env.reset(seed=level_seed(seed, k))
        worlds = from_minigrid([self.env])
        found = (worlds.level.width, worlds.level.height, worlds.level.rule)
        expected = (self.spec.width, self.spec.height, self.spec.rule)
        if found != expected:
            raise ValueError(
                f"{self.spec.minigrid_id} has width, height and rule {found}, {self.spec.id} says {expected}"
            )
        agent = worlds.state.agent[0]
        agent[MISSION:OVER] = 0
        codes = self.spec.mission.codes(worlds.mission_text()[0])
        agent[MISSION : MISSION + len(codes)] = codes
        return worlds.state.cells[0], agent


def _read_orders(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)  # nobody is left to draw for


def main() -> None:
    """Serve orders until the input ends."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get between the answers
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    warnings.simplefilter("ignore")  # the process that ordered has its own
    os.nice(_NICENESS)
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    drawers: dict[str, Drawer] = {}
    with os.fdopen(answers, "wb") as out:
        while True:
            text, seed, k = json.loads(orders.get())
            try:
                if text not in drawers:
                    drawers[text] = Drawer(spec_from(text))
                cells, agent = drawers[text].draw(seed, k)
                payload, status = cells.tobytes() + agent.tobytes(), DRAWN
            except Exception as error:  # whatever minigrid raises: the one who ordered gets it in words
                payload, status = f"{type(error).__name__}: {error}".encode(), FAILED
            try:
                out.write(HEADER.pack(status, len(payload)) + payload)
                out.flush()
            except BrokenPipeError:
                os._exit(0)


if __name__ == "__main__":
    main()
