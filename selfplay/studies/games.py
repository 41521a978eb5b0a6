"""The games in a study: one seed of every arm that is self-play, or that begins with it. An export keeps them."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay.curriculum import Played, played, read_game
from selfplay.errors import UserError
from selfplay.jsonfile import plain, write_bytes
from selfplay.studies.plan import BEGINNINGS

GAMES = "games.json.gz"
MOST = 12
"""So many are told of: a page draws some 80 kB of each."""
_KEPT = 1000  # goals, and updates
_DRAWN = ("curriculum/", "alice/", "bob/", "eval/")  # what charts are drawn from


def find_games(folder: Path, arms: Iterable[str]) -> list[tuple[str, Played]]:
    """Name and game: of the first seed that kept its goals, of every arm and of what arms begin with; `MOST` of them.

    From `games.json.gz` where `folder` is an export, else from its run folders.

    Raises:
        UserError: the archive cannot be read.
    """
    path = folder / GAMES
    if not path.is_file():
        return list(islice(_played_in(folder, arms), MOST))
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        return [(game["name"], played(game["proposals"], game["metrics"], game["config"])) for game in content]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not of an exported study: {type(error).__name__}: {error}") from None


def write_games(sources: Iterable[Path], arms: Iterable[str], folder: Path) -> None:
    """Write `games.json.gz` unless there are none: of each game configuration, goals, and what else is drawn of it.

    At most 1,000 goals and as many updates, evenly taken.
    """
    arms = tuple(arms)
    found = [
        {
            "name": name,
            "config": game.config,
            "proposals": _thinned(game.proposals),
            "metrics": [{key: line[key] for key in line if key == "step" or key.startswith(_DRAWN)}
                        for line in _thinned(game.metrics)],
        }
        for source in sources for name, game in find_games(source, arms)
    ]  # fmt: skip
    if found:
        text = json.dumps(plain(found[:MOST]), allow_nan=False, separators=(",", ":"))
        write_bytes(folder / GAMES, gzip.compress(text.encode(), mtime=0))


def _thinned(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[:: math.ceil(len(lines) / _KEPT)] if lines else lines


def _played_in(folder: Path, arms: Iterable[str]) -> Iterator[tuple[str, Played]]:
    for place in (*(folder / arm for arm in arms), *sorted((folder / BEGINNINGS).glob("*"))):
        name = place.name if place.parent == folder else "what others begin with"
        for path in sorted((path for path in place.glob("s*") if path.name[1:].isdigit()), key=_seed):
            if (game := read_game(path)) is not None:
                yield f"{name}: {_said(game.config)}", game
                break


def _said(config: Mapping[str, Any]) -> str:
    wants = config["settings"].get("rewards", ["task=1"])
    paid = "" if list(wants) == ["task=1"] else f", Alice paid by {' and '.join(wants)}"
    return f"{config['method']} on {config['env']}, {config['steps']:,} steps{paid}, seed {config['seed']}"


def _seed(path: Path) -> int:
    return int(path.name[1:])
