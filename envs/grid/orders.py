"""What passes between a pool of levels and the processes that draw them with minigrid.

Orders go one way, a line each: a JSON list [spec, seed, k] with the level's spec as `spec_text` writes it. Answers come
back in the same order: one byte (`DRAWN` or `FAILED`), four bytes of length, then the level (cells uint16 [W, H] and
agent int32 [F], as they lie in memory) or the error's text.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict

from envs.grid.levels.spec import LevelSpec, MissionText

Order = tuple[str, int, int]
"""(`spec_text` of the level, seed of the sequence, number in it)."""
HEADER = struct.Struct("<BI")
FAILED, DRAWN = range(2)


def spec_text(spec: LevelSpec) -> str:
    """`spec` as one line of JSON."""
    return json.dumps(asdict(spec))


def spec_from(text: str) -> LevelSpec:
    """The spec that `spec_text` wrote."""
    fields = json.loads(text)
    mission = fields.pop("mission")
    choices = tuple(tuple(words) for words in mission["choices"])
    return LevelSpec(**fields, mission=MissionText(mission["template"], choices))
