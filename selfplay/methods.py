"""The methods that `selfplay train` knows. Importing this loads neither torch nor numba; building a stage does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from curiosity.catalogue import SOURCES
from curiosity.group import Group
from selfplay.environments import EVERY_FAMILY, FAMILIES, Family, MujocoSpec, family_of
from selfplay.errors import UserError, nearest, unknown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from envs.grid.levels import LevelSpec
    from envs.mujoco.field import MujocoField
    from envs.outside.spec import OutsideSpec
    from selfplay.core.collect import World
    from selfplay.environments import Environment
    from selfplay.game.field import CurriculumField
    from selfplay.stages.alice_bob_settings import AliceBobConfig, MujocoAliceBobConfig
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


class WorldMaker(Protocol):
    """The worlds of a stage of one learner: see `PPOStage`."""

    def __call__(self, num_envs: int, world_seed: int, training: bool, filmed: bool = False) -> World: ...


def world_maker(spec: Environment, settings) -> WorldMaker:
    """What makes the worlds of a stage of one learner."""
    makers = {"grid": _grid_worlds, "mujoco": _mujoco_worlds, "outside": _outside_worlds}
    return makers[family_of(spec)](spec, settings)  # type: ignore[operator]


def _mujoco_worlds(spec: MujocoSpec, settings) -> WorldMaker:
    from envs.mujoco.coverage import Explored
    from envs.mujoco.goals import GoalWorld
    from envs.mujoco.maze_world import MazeWorld
    from envs.mujoco.rendering import wanted_opengl
    from envs.mujoco.rollout_world import MujocoWorld, offered_channels
    from envs.mujoco.tv import with_tv
    from envs.mujoco.worlds import WORLDS
    from envs.noisy_tv import TVSpec

    world = WORLDS[spec.id]()
    if not isinstance(world, GoalWorld):
        wanted_opengl()  # which draws these: complains now, not when there is something to be drawn
    _check_channels(settings, offered_channels(world), world.features(), spec.id)
    maze = issubclass(WORLDS[spec.id], MazeWorld)
    if settings.coverage and not maze:
        raise ValueError(f"coverage: not defined in {spec.id}, which has no maze (expected coverage=false)")
    explores = maze and (settings.coverage or settings.curious)
    tv = TVSpec.parse(settings.tv)
    hung = {"position"} if maze and tv.on and tv.place != "everywhere" else set()
    channels = sorted(hung | settings.read_channels | ({"position"} if explores else set()))

    def make_world(num_envs: int, world_seed: int, training: bool, filmed: bool = False) -> World:
        bare = MujocoWorld(spec.id, num_envs, channels=channels if training else sorted(hung))
        world = with_tv(bare, tv, world_seed, settings.tv_hidden)
        return Explored(world) if training and explores and not filmed else world

    return make_world


def _check_channels(settings: PPOStageConfig, offered: Sequence[str], features: Collection[str], where: str) -> None:
    """ValueError with the nearest one for a channel or a feature that the world does not have."""
    for name in sorted(settings.read_channels - set(offered)):
        if name in settings.weighed:
            near = nearest(name, features)
            hint = (
                f"; did you mean {near!r}?"
                if near
                else f" ({'expected ' + ' or '.join(features) if features else 'it has none'})"
            )
            raise ValueError(f"taught.features.weights: {where} has no feature {name!r}{hint}")
        near = nearest(name, offered)
        hint = f"; did you mean {near!r}?" if near else f", expected reads or keys = {' or '.join(('obs', *offered))}"
        raise ValueError(f"rewards: {where} has no channel {name!r}{hint}")


def _outside_worlds(spec: OutsideSpec, settings) -> WorldMaker:
    from envs.outside.world import OutsideWorld

    if settings.tv != "off":
        raise ValueError(f"tv: {spec.id} has no TV, expected a world of {' or '.join(FAMILIES)}/…")
    _check_channels(settings, (), (), spec.id)

    def make_world(num_envs: int, world_seed: int, training: bool, filmed: bool = False) -> World:
        return OutsideWorld(spec, num_envs, settings.vectorisation, settings.success, drawn=filmed or not training)

    return make_world


def _grid_worlds(spec: LevelSpec, settings) -> WorldMaker:
    from envs.grid.channels import CHANNELS
    from envs.grid.coverage import Explored
    from envs.grid.features import FEATURES
    from envs.grid.fixed_levels import FixedLevels
    from envs.grid.tv import with_tv
    from envs.grid.world import GridWorld
    from envs.noisy_tv import TVSpec

    _check_channels(settings, (*CHANNELS, *FEATURES), FEATURES, spec.id)
    if TVSpec.parse(settings.tv).on and (measured := sorted(settings.read_channels & FEATURES.keys())):
        raise ValueError(f"tv: beside a TV {measured[0]!r} is not measured in grids (expected tv=off)")

    def make_world(num_envs: int, world_seed: int, training: bool, filmed: bool = False) -> World:
        channels = settings.channels if training else ()
        fixed = FixedLevels(spec, settings.levels, world_seed) if settings.levels else None
        bare = GridWorld(spec, num_envs, settings.segments, settings.view_size, channels, fixed)
        world = with_tv(bare, TVSpec.parse(settings.tv), world_seed, settings.tv_hidden)
        return Explored(world) if training and settings.explores and not filmed else world

    return make_world


def _alice_bob_defaults(family: Family) -> BaseModel:
    from selfplay.stages.alice_bob_settings import GridAliceBobConfig, MujocoAliceBobConfig

    return MujocoAliceBobConfig() if family == "mujoco" else GridAliceBobConfig()


def _alice_bob(spec: Environment, settings, seed: int, device: str, group: Group) -> Stage:
    _alone("alice-bob", group)
    from selfplay.stages.alice_bob import AliceBob

    return AliceBob(*field_maker(spec, settings), seed, device)


def field_maker(spec: Environment, settings) -> tuple[Callable[[int, int], CurriculumField], AliceBobConfig]:
    """(num_envs, seed) -> the worlds of a game, and its settings with what they leave to the world."""
    if isinstance(spec, MujocoSpec):
        return _mujoco_fields(spec, settings)

    def make_field(num_envs: int, field_seed: int) -> CurriculumField:
        from envs.grid.field import GridField
        from envs.grid.levels import LevelSpec

        assert isinstance(spec, LevelSpec)
        seen = settings.segments, settings.view_size
        return GridField(spec, num_envs, field_seed, *seen, goal=True, parts=settings.game.goal)

    return make_field, settings


def _mujoco_fields(spec: MujocoSpec, settings) -> tuple[Callable[[int, int], MujocoField], MujocoAliceBobConfig]:
    """Fields of a world with goals, and the settings with what they leave to it; ValueError where it has none.

    The task stays what it is whatever the game asks for; the way to either is shown. A flag says which it is only where
    Bob learns both.
    """
    from envs.mujoco.field import MujocoField
    from envs.mujoco.worlds import GOAL_WORLDS

    if spec.id not in GOAL_WORLDS:
        fit = ", ".join(f"mujoco/{name}" for name in GOAL_WORLDS)
        raise ValueError(f"mujoco/{spec.id} has no goals, self-play needs one of: {fit}")
    kind = GOAL_WORLDS[spec.id]
    game = settings.game.in_world(kind.max_steps, kind.task)
    try:
        world = kind(shown=(*game.goal, *kind.task))
    except ValueError as error:
        raise ValueError(f"game.goal: {error}") from None
    if game.tolerance is not None:
        try:
            world = world.with_tolerance(game.tolerance)
        except ValueError as error:
            raise ValueError(f"game.{error}") from None
    make_field = partial(MujocoField, world, parts=game.goal, flag=game.target_share > 0)
    return make_field, settings.model_copy(update={"game": game})


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
