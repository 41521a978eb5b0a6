"""The methods that `selfplay train` knows. Importing this loads neither torch nor numba; building a stage does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from curiosity.catalogue import SOURCES
from selfplay.errors import UserError, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from envs.grid.field import GridField
    from envs.grid.levels import LevelSpec
    from selfplay.core.collect import World
    from selfplay.stages.base import Stage


@dataclass(frozen=True)
class Method:
    """A way to train: one line of description, its settings, and how its stage is built.

    defaults: () -> its settings, a pydantic model.  build: (spec, settings, seed, device) -> Stage.
    """

    description: str
    defaults: Callable[[], BaseModel]
    build: Callable[[LevelSpec, BaseModel, int, str], Stage]


def _ppo_defaults() -> BaseModel:
    from selfplay.stages.ppo import PPOStageConfig

    return PPOStageConfig()


def _curious_defaults(bonus: str) -> BaseModel:
    from selfplay.stages.ppo import PPOStageConfig

    return PPOStageConfig(rewards=("task=1", f"{bonus}={SOURCES[bonus].weight:g}"))


def _random_defaults() -> BaseModel:
    from selfplay.core.config import PPOConfig
    from selfplay.stages.ppo import PPOStageConfig

    return PPOStageConfig(coverage=True, ppo=PPOConfig(minibatch_size=8192, learning_rate=0))


def _ppo(spec: LevelSpec, settings, seed: int, device: str) -> Stage:
    from envs.grid.coverage import Explored
    from envs.grid.fixed_levels import FixedLevels
    from envs.grid.tv import with_tv
    from envs.grid.world import GridWorld
    from envs.noisy_tv import TVSpec
    from selfplay.stages.ppo import PPOStage

    def make_world(num_envs: int, world_seed: int, training: bool) -> World:
        channels = settings.channels if training else ()
        fixed = FixedLevels(spec, settings.levels, world_seed) if settings.levels else None
        bare = GridWorld(spec, num_envs, settings.segments, settings.view_size, channels, fixed)
        world = with_tv(bare, TVSpec.parse(settings.tv), world_seed, settings.tv_hidden)
        return Explored(world) if training and settings.explores else world

    return PPOStage(make_world, settings, seed, device)


def _alice_bob_defaults() -> BaseModel:
    from selfplay.stages.alice_bob import AliceBobConfig

    return AliceBobConfig()


def _alice_bob(spec: LevelSpec, settings, seed: int, device: str) -> Stage:
    from selfplay.stages.alice_bob import AliceBob

    def make_field(num_envs: int, field_seed: int) -> GridField:
        from envs.grid.field import GridField

        seen = settings.segments, settings.view_size
        return GridField(spec, num_envs, field_seed, *seen, goal=True, parts=settings.game.goal)

    return AliceBob(make_field, settings, seed, device)


METHODS: dict[str, Method] = {
    "alice-bob": Method(
        "asymmetric self-play: Alice proposes goals by doing, Bob learns to match her", _alice_bob_defaults, _alice_bob
    ),
    "ppo": Method("proximal policy optimisation on the task's own reward", _ppo_defaults, _ppo),
    "random": Method("a policy that never learns: what chance does", _random_defaults, _ppo),
    **{
        name: Method(f"ppo with a bonus: {entry.description}", partial(_curious_defaults, name), _ppo)
        for name, entry in sorted(SOURCES.items())
    },
}
"""Name to method: those that need no bonus, then one preset for each bonus."""


def method_settings(name: str, overrides: Mapping[str, str]) -> BaseModel:
    """The settings of method `name`: its defaults with dotted keys set from text. UserError for what does not fit."""
    from selfplay.config import apply_overrides

    base = find_method(name).defaults()
    return apply_overrides(type(base), overrides, base=base)


def find_method(name: str) -> Method:
    """The method called `name`; UserError with the nearest one where there is none."""
    if name not in METHODS:
        raise UserError(unknown("method", name, METHODS))
    return METHODS[name]
