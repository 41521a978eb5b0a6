"""One player's turn in N worlds at once: act until the turn ends, in each world at its own time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from gymnasium import spaces

from selfplay.core.acting import Actor
from selfplay.core.learner import Learner
from selfplay.core.transitions import Transitions
from selfplay.game.field import PlayingField
from selfplay.game.moves import Moves


@dataclass
class Turn:
    """What was played. T is the longest turn; world n played `decisions[n]` rows (its STOP included).

    steps: int [N] environment steps taken.     stopped: bool [N] ended by STOP.
    solved: bool [N] the goal was reached (with `steps == 0`: it was satisfied before the first action).
    died: bool [N] the world ended the turn without success (lava).
    task_return: float64 [N] the task's own reward, summed.   finished: bool [N] the task itself was completed.
    truncated: bool [N] the task's own time limit ended the turn.
    lost: bool [N] the world broke down and ended the turn, through no decision of the player's.
    """

    obs: np.ndarray  # [T + 1, N, P]; row t + 1 is the true successor of row t: a turn never resets a world
    action: np.ndarray  # int64 [T, N] or float32 [T, N, …], what the player said
    given: np.ndarray  # int64 [T, N] or float32 [T, N, A], what the world was given; anything where that is nothing
    log_prob: np.ndarray  # float32 [T, N]
    value: np.ndarray  # float32 [T, N, K]
    task_reward: np.ndarray  # float32 [T, N]
    state: np.ndarray  # float32 [T, N, H], what the player remembered as it met obs[t]
    decisions: np.ndarray
    steps: np.ndarray
    stopped: np.ndarray
    solved: np.ndarray
    died: np.ndarray
    finished: np.ndarray
    truncated: np.ndarray
    lost: np.ndarray
    task_return: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """bool [T, N]: the rows that were played."""
        return np.arange(len(self.action))[:, None] < self.decisions

    def only(self, worlds: np.ndarray) -> Turn:
        """The turn as if it had been played in `worlds` (bool [N]) alone."""
        decisions = np.where(worlds, self.decisions, 0)
        t = int(decisions.max(initial=0))
        rows = ("action", "given", "log_prob", "value", "task_reward", "state")
        counts = ("steps", "stopped", "solved", "died", "finished", "truncated", "lost", "task_return")
        return replace(
            self, obs=self.obs[: t + 1], decisions=decisions,
            **{name: getattr(self, name)[:t] for name in rows},
            **{name: np.where(worlds, getattr(self, name), 0).astype(getattr(self, name).dtype) for name in counts},
        )  # fmt: skip

    def transitions(self, reward: np.ndarray, truncated: np.ndarray | None = None) -> Transitions:
        """The turn as a batch with `reward` [T, N] as its task reward.

        A turn of the game ends for good where its payoff is paid, so its last row is terminated. Of turns that were cut
        short, by a time limit that the player cannot see or because there is nothing to be paid for (`truncated`, bool
        [N]), it is truncated: what would have come is estimated by the value of what is seen last.
        """
        mask = self.mask
        last = np.arange(len(self.action))[:, None] == self.decisions - 1
        cut = last & truncated if truncated is not None else np.zeros_like(last)
        as_tensor = torch.from_numpy
        return Transitions(
            obs=as_tensor(self.obs[:-1]),
            action=as_tensor(self.action),
            log_prob=as_tensor(self.log_prob),
            next_obs=as_tensor(self.obs[1:]),
            terminated=as_tensor(last & ~cut),
            truncated=as_tensor(cut),
            task_reward=as_tensor(np.where(mask, reward, 0).astype(np.float32)),
            mask=as_tensor(mask),
            value=as_tensor(self.value),
            state=as_tensor(self.state),
        )


class TurnPlayer:
    """Plays turns of one learner, keeping its buffers from turn to turn. A player remembers nothing at its start.

    stop: whether it may say STOP. A returned `Turn` is valid until the next `play`. Buffers: (limit + 1) · N · P bytes
    for grid tokens, four times as many for vectors.
    """

    def __init__(self, learner: Learner, field: PlayingField, limit: int, stop: bool = False):
        self.learner, self.field, self.limit = learner, field, limit
        self.moves = Moves(field.action_space, stop)
        n, space = field.num_envs, field.observation_space
        shape = tuple(space.shape or ())
        self._obs = np.zeros((limit + 1, n, *shape), space.dtype)
        self._action, self._given = (
            np.zeros((limit, n, *(of.shape or ())), np.int64 if isinstance(of, spaces.Discrete) else np.float32)
            for of in (self.moves.space, self.moves.actions)
        )
        self._log_prob = np.zeros((limit, n), np.float32)
        self._value = np.zeros((limit, n, len(learner.streams)), np.float32)
        self._reward = np.zeros((limit, n), np.float32)
        self._state = np.zeros((limit + 1, n, learner.memory), np.float32)

    def play(
        self,
        active: np.ndarray,
        desired: np.ndarray | None,
        limits: np.ndarray,
        *,
        check_goal: bool,
        end_on_task: bool = False,
        deterministic: bool = False,
        rival: tuple[Actor, np.ndarray] | None = None,
    ) -> Turn:
        """Play worlds `active` (bool [N]) for at most `limits` [N] environment steps each.

        desired: [N, G] what the player sees as its goal (Alice: her start), None for the target task.
        check_goal: end the turn, solved, once `desired` is reached; looked at before the first action too.
        end_on_task: end the turn when the world's own task is completed, or its time is over. Otherwise the world
            plays on: in self-play the task means nothing. A death or a lost world always ends the turn.
        rival: somebody of the same spaces who decides in the learner's stead, and in which worlds (bool [N]).
        """
        field, n = self.field, self.field.num_envs
        steps, decisions = np.zeros(n, np.int64), np.zeros(n, np.int64)
        stopped, solved, died, finished, truncated, lost = (np.zeros(n, bool) for _ in range(6))
        task_return = np.zeros(n)
        ids = np.flatnonzero(active & (limits > 0))
        if check_goal and desired is not None:
            everyone = np.flatnonzero(active)
            solved[everyone] = field.reached(desired, everyone)
            ids = ids[~solved[ids]]
        if len(ids):
            field.observe(desired, self._obs[0], ids)
        self._state[0] = 0
        t = 0
        while len(ids):
            if rival is None:
                self._decide(self.learner, t, ids, deterministic)
            else:
                theirs = rival[1][ids]
                self._decide(self.learner, t, ids[~theirs], deterministic)
                self._decide(rival[0], t, ids[theirs], deterministic)
            chosen = self._action[t, ids]
            self._reward[t, ids] = 0
            decisions[ids] += 1
            stops = self.moves.stops(chosen)
            stopped[ids[stops]] = True
            # Nothing moved: the successor of STOP is what was seen.
            self._obs[t + 1, ids[stops]] = self._obs[t, ids[stops]]
            ids, chosen = ids[~stops], chosen[~stops]
            if len(ids):
                self._given[t, ids] = self.moves.given(chosen)
                reward, terminated, cut, dead, broken = field.step(self._given[t], ids)
                field.observe(desired, self._obs[t + 1], ids)
                steps[ids] += 1
                gained, ended = reward[ids], terminated[ids]
                self._reward[t, ids] = gained
                task_return[ids] += gained
                success = ended & ~dead[ids]
                if end_on_task:
                    success &= gained > 0  # some levels also end at the wrong place; within its time the task pays
                died[ids] |= dead[ids]
                finished[ids] |= success
                lost[ids] |= broken[ids]
                over = dead[ids] | broken[ids] | (steps[ids] >= limits[ids])
                if end_on_task:
                    truncated[ids] |= (cut[ids] | broken[ids]) & ~ended
                    over |= ended | cut[ids]
                if check_goal and desired is not None:
                    hit = field.reached(desired, ids) & ~died[ids] & ~lost[ids]
                    solved[ids] |= hit
                    over |= hit
                ids = ids[~over]
            t += 1
        return Turn(
            obs=self._obs[: t + 1],
            action=self._action[:t],
            given=self._given[:t],
            log_prob=self._log_prob[:t],
            value=self._value[:t],
            task_reward=self._reward[:t],
            state=self._state[:t],
            decisions=decisions,
            steps=steps,
            stopped=stopped,
            solved=solved,
            died=died,
            finished=finished,
            truncated=truncated,
            lost=lost,
            task_return=task_return,
        )

    def _decide(self, actor: Actor, t: int, ids: np.ndarray, deterministic: bool) -> None:
        """Write what `actor` does in worlds `ids` (int [M], sorted) at row t."""
        if not len(ids):
            return
        obs = self._obs[t] if len(ids) == self.field.num_envs else self._obs[t, ids]
        act = actor.act(obs, torch.from_numpy(self._state[t, ids]), deterministic=deterministic)
        if actor.memory:
            self._state[t + 1, ids] = act.state.cpu().numpy()
        self._log_prob[t, ids] = act.log_prob.cpu().numpy()
        self._value[t, ids] = act.value.cpu().numpy()
        self._action[t, ids] = act.action.cpu().numpy()
