"""Segments of a fixed horizon, cut from what was played, and the files they are kept in as clips."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
import safetensors.numpy
import torch
from torch import Tensor

from curiosity.source import Rows
from selfplay.core.transitions import Transitions
from selfplay.jsonfile import write_bytes

FORMAT = "1"
_FIELDS = ("obs", "action", "next_obs", "terminated", "truncated", "task_reward", "mask")


@dataclass(frozen=True)
class Segments:
    """M segments of H steps, each within one episode.

    steps: [H, M, …], a batch like any other: whatever pays for steps pays for segments. `mask` says which steps are
    there; the others, at the end of a short segment, are 0. Without log_prob and value, which nobody needs again.
    pictures: arrays [H, M, …] by name, for whoever draws the segment (positions, the world's state); not looked at.
    """

    steps: Transitions
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.pictures.items():
            if array.shape[:2] != tuple(self.steps.mask.shape):
                raise ValueError(
                    f"segments: picture {name!r} must begin with [H, M] = {list(self.steps.mask.shape)}, "
                    f"got {list(array.shape)}"
                )

    def __len__(self) -> int:
        """M."""
        return self.steps.mask.shape[1]

    @property
    def horizon(self) -> int:
        """H, in steps."""
        return self.steps.mask.shape[0]

    def take(self, which: Tensor | Sequence[int]) -> Segments:
        """The segments with these numbers, in this order."""
        index = torch.as_tensor(which, dtype=torch.int64)
        columns = self.steps.each(lambda tensor: tensor[:, index.to(tensor.device)])
        return Segments(columns, {name: array[:, index.numpy()] for name, array in self.pictures.items()})


def cut(
    played: Transitions,
    horizon: int,
    short: Literal["pad", "drop"] = "pad",
    pictures: Mapping[str, np.ndarray] | None = None,
) -> Segments:
    """All segments of `horizon` steps in `played` [T, N, …], in the order of their environments, then of time.

    A stretch of steps that follow on each other is cut backwards from its end, so that how an episode ended is always
    seen; what is left over at its beginning is left out. A stretch shorter than the horizon is kept with "pad" if its
    episode ended in it: the missing steps come behind it, outside the mask, and count nothing. It is left out with
    "drop", and wherever the batch merely stopped. pictures: arrays [T, N, …], cut alike.

    Padding keeps the episodes that end soon, which are the successes of many worlds; but a comparison of unequal
    lengths is no longer blind to a constant added to the reward. "drop" keeps that identity.
    """
    if horizon < 1:
        raise ValueError(f"segments: horizon must be at least 1 step, got {horizon}")
    if short not in ("pad", "drop"):
        raise ValueError(f"segments: short must be 'pad' or 'drop', got {short!r}")
    starts, environments, lengths = _stretches(played, horizon, short == "pad")
    inside = torch.arange(horizon)[:, None] < lengths  # [H, M]
    time = (starts + torch.arange(horizon)[:, None]).clamp_max(max(len(played.mask) - 1, 0))

    def gather(tensor: Tensor) -> Tensor:
        rows = tensor[time.to(tensor.device), environments.to(tensor.device)]
        there = inside.to(tensor.device).view(*inside.shape, *[1] * (tensor.dim() - 2))
        return torch.where(there, rows, torch.zeros((), dtype=tensor.dtype, device=tensor.device))

    bare = replace(
        played, log_prob=torch.zeros_like(played.task_reward), value=played.value[..., :0], state=played.state[..., :0]
    )
    drawn = {
        name: gather(torch.from_numpy(np.ascontiguousarray(array))).numpy() for name, array in (pictures or {}).items()
    }
    return Segments(bare.each(gather), drawn)


def _stretches(played: Transitions, horizon: int, pad: bool) -> tuple[Tensor, Tensor, Tensor]:
    """First step, environment and length of every segment: three int64 [M]."""
    mask = played.mask.cpu().numpy()
    follows = np.zeros_like(mask)  # the next step goes on from this one
    follows[:-1] = mask[:-1] & mask[1:] & ~played.done.cpu().numpy()[:-1]
    begins, ends = mask.copy(), mask & ~follows
    begins[1:] &= ~follows[:-1]
    stopped = ~played.done.cpu().numpy()[-1]  # merely by the end of the batch
    found: list[tuple[int, int, int]] = []
    for n in range(mask.shape[1]):
        for begin, end in zip(np.flatnonzero(begins[:, n]).tolist(), np.flatnonzero(ends[:, n]).tolist(), strict=True):
            whole = range(end + 1 - horizon, begin - 1, -horizon)
            found += [(start, n, horizon) for start in reversed(whole)]
            if not whole and pad and not (end == len(mask) - 1 and stopped[n]):
                found.append((begin, n, end + 1 - begin))
    columns = torch.tensor(found, dtype=torch.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def stack(segments: Sequence[Segments]) -> Segments:
    """Several lots of the same horizon as one, in order; `ValueError` where they are not alike."""
    if not segments:
        raise ValueError("segments: nothing to stack")
    kinds = [_kinds(one) for one in segments]
    for kind in kinds:
        if kind != kinds[0]:
            odd = next(name for name in kinds[0].keys() | kind.keys() if kind.get(name) != kinds[0].get(name))
            raise ValueError(
                f"segments that are not alike cannot be stacked: {odd!r} is {kinds[0].get(odd)} in the first and "
                f"{kind.get(odd)} in another"
            )
    arrays = [_arrays(one) for one in segments]
    return _segments({name: np.concatenate([each[name] for each in arrays], 1) for name in arrays[0]})


class ClipStore:
    """A folder of clips, one segment a file: `ID.safetensors`. The id is the sha256 of the content (32 hex digits).

    A file is there as a whole or not at all; what is read back is held against its id.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def save(self, segments: Segments) -> list[str]:
        """Keep the segments, durable when this returns; their ids. Equal segments are one clip."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ids = []
        for content in _contents(segments):
            ids.append(_id(content))
            if not self.path(ids[-1]).exists():
                write_bytes(self.path(ids[-1]), content)
        return ids

    def load(self, ids: Sequence[str], channels: Collection[str] | None = None) -> Segments:
        """The clips with these ids, in this order; `ValueError` names one that is missing or damaged, or says what is
        not alike. Shorter ones are padded behind the mask, as `cut` does. channels: those that are kept; None: all.
        """
        if not ids:
            raise ValueError(f"clips {self.folder}: no ids to load")
        clips = [_kept(self._read(id), channels) for id in ids]
        horizon = max(len(clip["steps.mask"]) for clip in clips)
        return stack([_segments({name: _padded(array, horizon) for name, array in clip.items()}) for clip in clips])

    def kind(self, id: str, channels: Collection[str]) -> frozenset[tuple[str, str]]:
        """What a step of the clip is made of, name to dtype and shape: clips of one kind can be loaded together, with
        these `channels`, be they of one length or not.
        """
        clip = _kept(self._read(id), channels)
        return frozenset((name, f"{array.dtype} {list(array.shape[1:])}") for name, array in clip.items())

    def path(self, id: str) -> Path:
        """The file of a clip."""
        if len(id) != 32 or not set(id) <= set("0123456789abcdef"):
            raise ValueError(f"clips {self.folder}: {id!r} is no id of a clip, expected 32 hex digits")
        return self.folder / f"{id}.safetensors"

    def ids(self) -> list[str]:
        """All clips there are, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.safetensors"))

    def _read(self, id: str) -> dict[str, np.ndarray]:
        try:
            content = self.path(id).read_bytes()
        except OSError as error:
            raise ValueError(f"clip {self.path(id)}: {error.strerror}") from None
        if _id(content) != id:
            raise ValueError(f"clip {self.path(id)} is damaged: its content is not what its name says")
        return safetensors.numpy.load(content)


def clip_ids(segments: Segments) -> list[str]:
    """The ids that the segments have as clips; nothing is kept."""
    return [_id(content) for content in _contents(segments)]


def _kept(clip: Mapping[str, np.ndarray], channels: Collection[str] | None) -> dict[str, np.ndarray]:
    """The arrays of a clip, without those of other channels."""
    return {
        name: array
        for name, array in clip.items()
        if channels is None or not name.startswith("channel.") or name[8:].rsplit(".", 1)[0] in channels
    }


def _padded(array: np.ndarray, horizon: int) -> np.ndarray:
    """[H, …] as [horizon, 1, …], 0 where nothing is there."""
    padded = np.zeros((horizon, 1, *array.shape[1:]), array.dtype)
    padded[: len(array), 0] = array
    return padded


def _contents(segments: Segments) -> Iterator[bytes]:
    """The files of the segments, one after the other."""
    arrays = _arrays(segments)
    for m in range(len(segments)):
        each = {name: np.ascontiguousarray(array[:, m]) for name, array in arrays.items()}
        yield safetensors.numpy.save(each, {"format": FORMAT})


def _id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _arrays(segments: Segments) -> dict[str, np.ndarray]:
    """Everything as arrays [H, M, …]: "steps.obs", "channel.state.now", "picture.position"."""
    steps = segments.steps
    arrays = {f"steps.{name}": getattr(steps, name).cpu().numpy() for name in _FIELDS}
    for name, rows in steps.channels.items():
        arrays |= {f"channel.{name}.now": rows.now.cpu().numpy(), f"channel.{name}.next": rows.next.cpu().numpy()}
    return arrays | {f"picture.{name}": array for name, array in segments.pictures.items()}


def _kinds(segments: Segments) -> dict[str, str]:
    return {name: f"{array.dtype} {[array.shape[0], *array.shape[2:]]}" for name, array in _arrays(segments).items()}


def _segments(arrays: Mapping[str, np.ndarray]) -> Segments:
    """The inverse of `_arrays`."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items() if name[:7] != "picture"}
    channels = {name.split(".", 1)[1].rsplit(".", 1)[0] for name in arrays if name.startswith("channel.")}
    fields = {name: tensors[f"steps.{name}"] for name in _FIELDS}
    steps = Transitions(
        **fields,
        log_prob=torch.zeros_like(fields["task_reward"]),
        value=fields["task_reward"].new_zeros(*fields["mask"].shape, 0),
        channels={name: Rows(tensors[f"channel.{name}.now"], tensors[f"channel.{name}.next"]) for name in channels},
    )
    pictures = {name.split(".", 1)[1]: array.copy() for name, array in arrays.items() if name.startswith("picture.")}
    return Segments(steps, pictures)
