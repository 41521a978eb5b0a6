"""The methods that `selfplay train` knows. Importing this loads neither torch nor numba; building a stage does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfplay.errors import UserError, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from envs.grid.field import GridField
    from envs.grid.levels import LevelSpec
    from selfplay.stages.base import Stage


@dataclass(frozen=True)
class Method:
    """A way to train: one line of description, its settings, and how its stage is built.

    config: () -> the pydantic model of its settings.  build: (spec, settings, seed, device) -> Stage.
    """

    description: str
    config: Callable[[], type[BaseModel]]
    build: Callable[[LevelSpec, BaseModel, int, str], Stage]


def _ppo_config() -> type[BaseModel]:
    from selfplay.stages.ppo import PPOStageConfig

    return PPOStageConfig


def _ppo(spec: LevelSpec, settings, seed: int, device: str) -> Stage:
    from envs.grid.world import GridWorld
    from selfplay.stages.ppo import PPOStage

    def make_field(num_envs: int, field_seed: int) -> GridField:
        from envs.grid.field import GridField

        return GridField(spec, num_envs, field_seed, settings.segments, settings.view_size)

    def make_world(num_envs: int) -> GridWorld:
        return GridWorld(spec, num_envs, settings.segments, settings.view_size)

    return PPOStage(make_field, make_world, settings, seed, device)


def _alice_bob_config() -> type[BaseModel]:
    from selfplay.stages.alice_bob import AliceBobConfig

    return AliceBobConfig


def _alice_bob(spec: LevelSpec, settings, seed: int, device: str) -> Stage:
    from selfplay.stages.alice_bob import AliceBob

    def make_field(num_envs: int, field_seed: int) -> GridField:
        from envs.grid.field import GridField

        seen = settings.segments, settings.view_size
        return GridField(spec, num_envs, field_seed, *seen, goal=True, parts=settings.game.goal)

    return AliceBob(make_field, settings, seed, device)


METHODS: dict[str, Method] = {
    "alice-bob": Method(
        "asymmetric self-play: Alice proposes goals by doing, Bob learns to match her", _alice_bob_config, _alice_bob
    ),
    "ppo": Method("proximal policy optimisation on the task's own reward", _ppo_config, _ppo),
}
"""Name to method, in alphabetical order."""


def method_settings(name: str, overrides: Mapping[str, str]) -> BaseModel:
    """The settings of method `name`: its defaults with dotted keys set from text. UserError for what does not fit."""
    from selfplay.config import apply_overrides

    model = find_method(name).config()
    return apply_overrides(model, overrides, base=model())


def find_method(name: str) -> Method:
    """The method called `name`; UserError with the nearest one where there is none."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name]
