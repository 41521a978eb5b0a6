"""The run that another one begins with: its policy, what it sees and does, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.mujoco.worlds import GOAL_WORLDS
from selfplay import checkpoint
from selfplay.core.config import PPOConfig
from selfplay.core.normaliser import Normaliser
from selfplay.environments import Family, family_of, find_environment
from selfplay.errors import UserError, unknown
from selfplay.game.moves import Moves
from selfplay.methods import find_method
from selfplay.rewards.streams import LEASH, parse_rewards
from selfplay.rundir import find_run, read_record
from selfplay.worlds import field_maker, world_maker

PLAYERS = ("bob", "alice")
LEARNT_FROM = ("demonstrations", "preferences")
"""What `config.json` says, beside its parents, of what a run learnt from: a file's name, its sha256 and its size."""


@dataclass(frozen=True)
class Parent:
    """A run, and the player of it that is meant ("" where there is but one).

    sees, does: the spaces of that player. ppo: its settings. heads: the names of its value heads, in their order.
    """

    path: Path
    record: dict[str, Any]
    player: str
    family: Family
    settings: Any  # a pydantic model
    ppo: PPOConfig
    heads: tuple[str, ...]
    sees: gymnasium.Space
    does: gymnasium.Space

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.path.resolve().name

    def newest(self) -> checkpoint.Checkpoint:
        """Its newest whole checkpoint; UserError without one."""
        saved = checkpoint.load_latest(self.path / "checkpoints")
        if saved is None:
            raise UserError(f"run '{self.path}' has no checkpoint yet")
        return saved

    def lineage(self, saved: checkpoint.Checkpoint) -> list[dict[str, Any]]:
        """What `config.json` says of a run that begins with `saved`: this run first, then those before it."""
        config = self.record["config"]
        here = {"run": self.name, "method": config["method"], "env": config["env"], "step": saved.step}
        here |= {"player": self.player} if self.player else {}
        here |= {"rewards": list(config["settings"].get("rewards", []))}
        here |= {name: config[name]["sha256"] for name in LEARNT_FROM if name in config}
        return [here | {"sha256": saved.sha256}, *config.get("parents", [])]

    def policy(
        self, saved: checkpoint.Checkpoint, sees: gymnasium.Space, does: gymnasium.Space, heads: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """The state of its policy as one for other spaces and value heads; UserError where it does not fit.

        Tokens that come last and are not there (the goal in a game: an empty goal has no tokens) and actions that come
        last and are not there (Alice's STOP, the button of a TV) are left out. Of a game in MuJoCo's worlds that had a
        target share, the last number, whether a goal was given, becomes part of the biases as 1. Value heads of another
        name are NaN, and that of a leash, which spoke of another policy to keep to.
        """
        prefix = f"{self.player or 'learner'}/policy."
        state = {k.removeprefix(prefix): v for k, v in saved.tensors.items() if k.startswith(prefix)}
        if self.family == "mujoco" and self.player:
            self._check_goals()
        rows = self._rows(sees)
        if isinstance(does, spaces.Discrete) and isinstance(self.does, spaces.Discrete) and does.n <= self.does.n:
            for name in ("policy_head.weight", "policy_head.bias"):
                state[name] = state[name][: int(does.n)].clone()
        elif isinstance(does, spaces.Box) and _begins_with(self.does, does):
            size = does.shape[0]
            for name in ("policy_head.weight", "policy_head.bias", "log_std"):
                state[name] = state[name][:size].clone()
        elif does != self.does:
            raise UserError(f"'{self.path}' acts in {self.does}, here it is {does}")
        for name in ("encoder.table", "critic.0.table"):
            if rows is not None and name in state:
                state[name] = state[name][:rows].clone()
        if self._flagged(sees):
            _bind_last(state)
        for name in ("value_head.weight", "value_head.bias"):
            learnt = state[name]
            state[name] = torch.full((len(heads), *learnt.shape[1:]), torch.nan)
            for k, head in enumerate(heads):
                if head in self.heads and head != LEASH:
                    state[name][k] = learnt[self.heads.index(head)]
        return state

    def _rows(self, sees: gymnasium.Space) -> int | None:
        """How many rows of a table of tokens are meant; None where there is no table."""
        if isinstance(sees, spaces.MultiDiscrete) and isinstance(self.sees, spaces.MultiDiscrete):
            here, there = sees.nvec, self.sees.nvec
            if len(here) > len(there) or (here != there[: len(here)]).any():
                raise UserError(
                    f"'{self.path}' sees {len(there)} tokens of {int(there.sum())} values, here there are {len(here)} "
                    f"of {int(here.sum())}: the worlds differ in size or mission (--set segments=… and view_size say "
                    "what is seen)"
                )
            return int(here.sum())
        if sees != self.sees and not self._flagged(sees):
            raise UserError(f"'{self.path}' sees {self.sees}, here there is {sees}")
        return None

    def _flagged(self, sees: gymnasium.Space) -> bool:
        """Whether the player saw `sees` and one number more, 1 where a goal was given."""
        return self.family == "mujoco" and bool(self.player) and self.sees != sees and _begins_with(self.sees, sees, 1)

    def _check_goals(self) -> None:
        """UserError for a game whose goals were not what its world's task asks for: the way to them was seen there."""
        kind = GOAL_WORLDS[find_environment(self.record["config"]["env"]).id]
        asked = kind().checked_parts(self.settings.game.goal)
        if asked != kind.task:
            raise UserError(
                f"'{self.path}' learnt with game.goal={','.join(asked)}, the task asks for {','.join(kind.task)}"
            )


def _begins_with(whole: gymnasium.Space, part: gymnasium.Space, more: int | None = None) -> bool:
    """Whether flat Box `whole` is flat Box `part` and then `more` numbers, or None: some."""
    if not (
        isinstance(whole, spaces.Box) and isinstance(part, spaces.Box) and len(whole.shape) == len(part.shape) == 1
    ):
        return False
    size = part.shape[0]
    extra = whole.shape[0] - size
    same = np.array_equal(whole.low[:size], part.low) and np.array_equal(whole.high[:size], part.high)
    return same and (extra == more if more is not None else extra > 0)


def _bind_last(state: dict[str, Tensor]) -> None:
    """Let the policy of `state` see 1 as the last of its numbers for ever, and one number less."""
    last = torch.ones(())
    if "normaliser.mean" in state:
        normaliser = Normaliser(len(state["normaliser.mean"]))
        normaliser.load_state_dict({k: state[f"normaliser.{k}"] for k in ("count", "mean", "square")})
        last = normaliser(torch.ones(len(normaliser.mean)))[-1]
        for name in ("normaliser.mean", "normaliser.square"):
            state[name] = state[name][:-1].clone()
    for layer in ("encoder", "critic.0"):
        if f"{layer}.weight" in state:
            weight = state[f"{layer}.weight"]
            state[f"{layer}.bias"] = state[f"{layer}.bias"] + weight[:, -1] * last
            state[f"{layer}.weight"] = weight[:, :-1].clone()


def find_parent(path: Path, player: str | None) -> Parent:
    """The run in folder `path`. player: "alice" or "bob" of a game, by default Bob. UserError for what is not there."""
    record = read_record(find_run(path))
    assert record is not None
    config = record["config"]
    if player is not None and player not in PLAYERS:
        raise UserError(unknown("player", player, PLAYERS))
    try:
        spec = find_environment(config["env"])
        family = family_of(spec)
        settings: Any = type(find_method(config["method"]).defaults(family)).model_validate(config["settings"])
    except ValueError as error:
        raise UserError(f"run '{path}' has settings that this version does not know: {error}") from None
    if config["method"] == "alice-bob":
        player = player or "bob"
        make_field, settings = field_maker(spec, settings)
        field = make_field(1, 0)
        ppo = settings.alice if player == "alice" else settings.bob
        heads = tuple(parse_rewards(settings.rewards)) if player == "alice" else ("task",)
        stop = player == "alice" and settings.game.stop
        sees, does = field.observation_space, Moves(field.action_space, stop).space
        return Parent(path, record, player, family, settings, ppo, heads, sees, does)
    if player is not None:
        raise UserError(f"--player {player}: '{path}' is {config['method']}, which has one player")
    heads = tuple(parse_rewards(settings.rewards))
    leash = getattr(settings, "leash", None)
    if leash is not None and leash.first_beta is not None:
        heads = (*heads, LEASH)
    world = world_maker(spec, settings)(1, 0, False)
    return Parent(
        path, record, "", family, settings, settings.ppo, heads, world.observation_space, world.action_space
    )  # fmt: skip
