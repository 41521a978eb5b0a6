"""The methods that `selfplay train` knows. Importing this loads neither torch nor numba; building a stage does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from curiosity.catalogue import SOURCES
from curiosity.group import Group
from selfplay.environments import EVERY_FAMILY, FAMILIES, Family
from selfplay.errors import UserError, unknown
from selfplay.worlds import field_maker, world_maker

if TYPE_CHECKING:
    from pydantic import BaseModel

    from selfplay.environments import Environment
    from selfplay.stages.base import Stage
    from selfplay.stages.ppo_settings import PPOStageConfig


@dataclass(frozen=True)
class Method:
    """A way to train: one line of description, its settings, and how its stage is built.

    defaults: family of environments -> its settings there, a pydantic model.
    build: (spec, settings, seed, device, group) -> Stage, one rank's; ValueError where it cannot be one of several.
    families: those it is made for.
    """

    description: str
    defaults: Callable[[Family], BaseModel]
    build: Callable[[Environment, BaseModel, int, str, Group], Stage]
    families: tuple[Family, ...] = EVERY_FAMILY


def _ppo_defaults(family: Family) -> PPOStageConfig:
    from selfplay.stages.ppo_settings import GridStageConfig, MujocoStageConfig, OutsideStageConfig

    return {"grid": GridStageConfig, "mujoco": MujocoStageConfig, "outside": OutsideStageConfig}[family]()


def _curious_defaults(bonus: str, family: Family) -> BaseModel:
    return _ppo_defaults(family).model_copy(update={"rewards": ("task=1", f"{bonus}={SOURCES[bonus].weight:g}")})


def _random_defaults(family: Family) -> BaseModel:
    base = _ppo_defaults(family)
    still = base.ppo.model_copy(update={"learning_rate": 0.0})
    return base.model_copy(update={"ppo": still} | ({"coverage": True} if family == "grid" else {}))


def _ppo(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    from selfplay.stages.ppo import PPOStage

    return PPOStage(world_maker(spec, settings), settings, seed, device, group)


def _finetune_defaults(family: Family) -> BaseModel:
    from selfplay.stages.finetune_settings import GridFinetuneConfig, MujocoFinetuneConfig, OutsideFinetuneConfig

    return {"grid": GridFinetuneConfig, "mujoco": MujocoFinetuneConfig, "outside": OutsideFinetuneConfig}[family]()


def _finetune(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    from selfplay.stages.finetune import FinetuneStage

    return FinetuneStage(world_maker(spec, settings), settings, seed, device, group)


def _overoptimization_defaults(family: Family) -> BaseModel:
    from selfplay.stages.overoptimization_settings import GridOveroptimizationConfig

    return GridOveroptimizationConfig()


def _overoptimization(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    _alone("overoptimization", group)
    from selfplay.stages.overoptimization import OveroptimizationStage

    return OveroptimizationStage(world_maker(spec, settings), settings, seed, device)


def _alone(method: str, group: Group) -> None:
    """ValueError where a method that cannot be one of several is asked to."""
    if group.size > 1:
        raise ValueError(
            f"{method} runs in one process, got {group.size} (ppo, the bonuses and finetune run in several)"
        )


def _clone_defaults(family: Family) -> BaseModel:
    from selfplay.stages.fitted_settings import GridCloneConfig, MujocoCloneConfig, OutsideCloneConfig

    return {"grid": GridCloneConfig, "mujoco": MujocoCloneConfig, "outside": OutsideCloneConfig}[family]()


def _clone(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    _alone("clone", group)
    from selfplay.stages.clone import CloneStage

    return CloneStage(world_maker(spec, settings), settings, seed, device)


def _dpo_defaults(family: Family) -> BaseModel:
    from selfplay.stages.fitted_settings import GridDPOConfig, MujocoDPOConfig, OutsideDPOConfig

    return {"grid": GridDPOConfig, "mujoco": MujocoDPOConfig, "outside": OutsideDPOConfig}[family]()


def _dpo(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    _alone("dpo", group)
    from selfplay.stages.dpo import DPOStage

    return DPOStage(world_maker(spec, settings), settings, seed, device)


def _alice_bob_defaults(family: Family) -> BaseModel:
    from selfplay.stages.alice_bob_settings import GridAliceBobConfig, MujocoAliceBobConfig

    return MujocoAliceBobConfig() if family == "mujoco" else GridAliceBobConfig()


def _alice_bob(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    _alone("alice-bob", group)
    from selfplay.stages.alice_bob import AliceBob

    return AliceBob(*field_maker(spec, settings), seed, device)


METHODS: dict[str, Method] = {
    "alice-bob": Method(
        "asymmetric self-play: Alice proposes goals by doing, Bob learns to match her",
        _alice_bob_defaults,
        _alice_bob,
        FAMILIES,
    ),
    "ppo": Method("proximal policy optimisation on the task's own reward", _ppo_defaults, _ppo),
    "random": Method(
        "a policy that never learns: uniform actions, or normal ones of deviation 1", _random_defaults, _ppo
    ),
    **{
        name: Method(f"ppo with a bonus: {entry.description}", partial(_curious_defaults, name), _ppo)
        for name, entry in sorted(SOURCES.items())
    },
}
"""Name to method: those that need no bonus, then one preset for each bonus."""


CONTINUATIONS: dict[str, Method] = {
    "finetune": Method(
        "ppo that goes on from the policy of another run: selfplay finetune RUN", _finetune_defaults, _finetune
    ),
    "overoptimization": Method(
        "finetune, with proxy and gold reward told exactly by KL: for studies, in a few levels of a small grid",
        _overoptimization_defaults,
        _overoptimization,
        ("grid",),
    ),
    "clone": Method("behaviour cloning of recorded episodes: selfplay clone FILE", _clone_defaults, _clone),
    "dpo": Method("a run's policy made to agree with preferences: selfplay dpo RUN", _dpo_defaults, _dpo),
}
"""Name to method of those that begin with a run or a file: commands of their own, or what a study makes of a run."""


def method_settings(name: str, overrides: Mapping[str, str], family: Family = "grid") -> BaseModel:
    """The settings of method `name`: its defaults in `family` with dotted keys set from text.

    UserError for what does not fit, and for a method that has no worlds there.
    """
    from selfplay.config import apply_overrides, keys

    method = find_method(name)
    if family not in method.families and family != "outside":
        raise UserError(f"{name} is not for {family} worlds (expected a world of {', '.join(method.families)}/…)")
    if family not in method.families:
        raise UserError(
            f"{name} does not play in environments from outside: it sets goals and sets worlds back, which Gymnasium "
            f"has no words for (expected a world of {', '.join(method.families)}/…)"
        )
    base = method.defaults(family)
    here = keys(type(base))
    for other in method.families:
        elsewhere = keys(type(method.defaults(other)))
        if key := next((key for key in overrides if key not in here and key in elsewhere), None):
            raise UserError(
                f"--set: '{key}' is a setting of {other} worlds, {family} worlds have no such thing "
                f"(`selfplay methods {name} --env ID` lists what they have)"
            )
    return apply_overrides(type(base), overrides, base=base)


def find_method(name: str) -> Method:
    """The method called `name`; UserError with the nearest one where there is none."""
    known = METHODS | CONTINUATIONS
    if name not in known:
        raise UserError(unknown("method", name, known))
    return known[name]
