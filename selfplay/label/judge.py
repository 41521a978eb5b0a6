"""The scripted teacher of a run: its answer to a question depends on the question and a seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from curiosity.source import Batch
from selfplay.label.events import Answer, Query
from selfplay.label.segments import ClipStore
from selfplay.label.settings import OneTeacher
from selfplay.label.teachers import ScriptedTeacher

NAME = "script"


def _steps(batch: Batch) -> Tensor:
    return torch.ones_like(batch.task_reward)


def _still(batch: Batch) -> Tensor:
    return (batch.obs == batch.next_obs).all(-1).float()


FEATURES: dict[str, Callable[[Batch], Tensor]] = {"steps": _steps, "still": _still}
"""What a biased judge may have a liking for, by name: of a batch, float32 [T, N]."""


def scripted(config: OneTeacher, seed: int) -> ScriptedTeacher:
    """The teacher that a run's settings ask for."""
    return ScriptedTeacher(NAME, config, seed, config.bias, FEATURES[config.feature] if config.bias else None)


def answer(teacher: ScriptedTeacher, seed: int, query: Query, clips: ClipStore) -> Answer:
    """What `teacher` says to `query`.

    Its stream begins anew for each question, so that it neither matters when a question is answered nor whether others
    were answered before: asked again after a crash, it says the same.
    """
    teacher.generator.manual_seed(int.from_bytes(hashlib.sha256(f"{seed} {query.id}".encode()).digest()[:7]))
    [said] = teacher.answer(clips.load(query.clips).steps, torch.arange(len(query.clips))[None])
    return said
