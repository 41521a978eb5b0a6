"""What the ranks of one run do together: share out worlds, agree when to stop, gather what rank 0 writes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from curiosity.group import Alone
from selfplay import checkpoint
from selfplay.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from selfplay.ranks import Ranks
    from selfplay.signals import StopRequest

_SUMS = ("rollout/episodes", "rollout/unstable", "train/played_steps")
_BY_EPISODES = ("rollout/", "coverage/")  # means over the episodes that ended; other means are over steps


def shard(settings: BaseModel, ranks: int) -> BaseModel:
    """`settings` with one rank's share of the worlds; UserError where they cannot be shared out equally."""
    if ranks == 1:
        return settings
    worlds = int(settings.num_envs)  # type: ignore[attr-defined]
    if worlds % ranks:
        raise UserError(f"num_envs: {worlds} worlds cannot be shared out to {ranks} processes, expected a multiple")
    return settings.model_copy(update={"num_envs": worlds // ranks})


def check_ranks(path: Path, record: Mapping[str, Any] | None, ranks: int) -> None:
    """UserError unless the run in folder `path` (its `config.json`: `record`) was started with so many processes."""
    if record is None:
        return
    before = record["config"].get("ranks", 1)
    if before != ranks:
        raise UserError(
            f"run folder '{path}' was started with {before} process{'es' * (before > 1)}, this is {ranks}: its "
            "checkpoints hold the worlds of each; start as many or choose another --run-dir"
        )


def check_same(group: Alone | Ranks, config: Mapping[str, Any]) -> None:
    """UserError unless every rank was told the same."""
    if isinstance(group, Alone):
        return
    import torch

    own = zlib.crc32(json.dumps(config, sort_keys=True, default=str).encode())
    if len(set(group.gather(torch.tensor(own)).tolist())) > 1:
        raise UserError(
            "the processes were told different things, expected the same command everywhere, and a run to begin with "
            "that nobody is writing"
        )


def first_says(group: Alone | Ranks, number: int) -> int:
    """Rank 0's `number`."""
    if isinstance(group, Alone):
        return number
    import torch

    return int(group.gather(torch.tensor(number))[0])


def asked_to_stop(group: Alone | Ranks, stop: StopRequest) -> bool:
    """Whether any rank was asked to stop; then all are."""
    if isinstance(group, Alone):
        return stop.requested
    import torch

    signal = int(group.gather(torch.tensor(stop.signal or 0)).max())
    if signal and not stop.requested:
        stop.request(signal)
    return bool(signal)


def own_state(tensors: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """What `rank` needs of a checkpoint's tensors."""
    state = {key: value for key, value in tensors.items() if not _is_others(key)}
    mine = f"rank{rank}/"
    return state | {key.removeprefix(mine): value for key, value in tensors.items() if key.startswith(mine)}


def gathered_state(group: Alone | Ranks, state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """At rank 0 what a checkpoint holds: its own state, and as `rank1/…` what differs in that of rank 1. Else None."""
    if isinstance(group, Alone):
        return state
    every = [checkpoint.unpacked(data) for data in group.to_first(checkpoint.packed(state))]
    if not every:
        return None
    together = dict(state)
    for rank, other in enumerate(every[1:], 1):
        if other.keys() != state.keys():
            raise ValueError(f"rank {rank} has {sorted(other.keys() ^ state.keys())[0]!r} to save or has not")
        together |= {f"rank{rank}/{key}": value for key, value in other.items() if not _equal(value, state[key])}
    return together


def handed_out(group: Alone | Ranks, saved: checkpoint.Checkpoint | None) -> checkpoint.Checkpoint | None:
    """Each rank's own checkpoint out of the one that rank 0 has read; None where it has none."""
    if isinstance(group, Alone):
        return saved
    if not first_says(group, int(saved is not None)):
        return None
    mine: list[bytes] = []
    if saved is not None:
        mine = [checkpoint.packed(own_state(saved.tensors, rank)) for rank in range(group.size)]
    tensors = checkpoint.unpacked(group.from_first(mine))
    step = first_says(group, saved.step if saved is not None else 0)
    if saved is None:
        from pathlib import Path

        return checkpoint.Checkpoint(step, tensors, {"offsets": {}}, Path(f"step {step:,} of rank 0"))
    return checkpoint.Checkpoint(step, tensors, saved.meta, saved.path)


def merged(group: Alone | Ranks, scalars: dict[str, float]) -> dict[str, float]:
    """At rank 0 one iteration's numbers of all ranks: sums of counts, else means; elsewhere the rank's own.

    Means over episodes are weighted by their number, all others are of equally many steps.
    """
    if isinstance(group, Alone):
        return scalars
    every = [json.loads(data) for data in group.to_first(json.dumps(scalars, default=float).encode())]
    if not every:
        return scalars
    found = {}
    for tag in dict.fromkeys(tag for one in every for tag in one):
        here = [one for one in every if tag in one]
        values = np.array([one[tag] for one in here], np.float64)
        episodes = np.array([one.get("rollout/episodes", 0) for one in here], np.float64)
        if tag in _SUMS:
            found[tag] = float(values.sum())
        elif tag.startswith(_BY_EPISODES) and episodes.sum() > 0:
            found[tag] = float((values * episodes).sum() / episodes.sum())
        else:
            found[tag] = float(values.mean())
    return found


def _is_others(key: str) -> bool:
    first, slash, _ = key.partition("/")
    return bool(slash) and first.startswith("rank") and first[4:].isdigit()


def _equal(one: Any, other: Any) -> bool:
    """The same bits."""
    one, other = (np.asarray(value) for value in (one, other))
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
