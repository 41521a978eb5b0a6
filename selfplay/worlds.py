"""What a stage plays in: the worlds of an environment, as a method's settings want them.

Importing this loads no engine; making worlds does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from selfplay.environments import FAMILIES, MujocoSpec, family_of
from selfplay.errors import nearest

if TYPE_CHECKING:
    from envs.grid.levels import LevelSpec
    from envs.mujoco.field import MujocoField
    from envs.outside.spec import OutsideSpec
    from selfplay.core.collect import World
    from selfplay.environments import Environment
    from selfplay.game.field import CurriculumField
    from selfplay.stages.alice_bob_settings import AliceBobConfig, MujocoAliceBobConfig
    from selfplay.stages.ppo_settings import PPOStageConfig


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
