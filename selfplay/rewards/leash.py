"""The leash: a policy that is fine-tuned pays β for every nat by which it leaves the one it began as.

The objective is E Σ_t γ^t [r_t - β KL(π(·|s_t) ‖ π_ref(·|s_t))], π_ref frozen. As in Ziegler et al. 2019 (arXiv
1909.08593, section 2.2) the KL is in the reward, as what a single action says of it: at each step
-β (log π(a_t|s_t) - log π_ref(a_t|s_t)) under the policy that acted. It is there, and no term of the loss, because

- it optimises the objective itself. Its mean over a_t is the KL, so that the return of rewards and penalties is an
  unbiased sample of the objective; and as E_π[∇ log π] = 0, that the penalty itself depends on π adds nothing to the
  policy gradient, which is that of a plain reward. A KL in the loss of the visited states alone would leave out that an
  action also leads to states where keeping to π_ref is dear.
- it is quiet where it matters. At the optimum r + γV(s') - β log(π/π_ref) = V(s) for every action: all advantages are
  0, whatever is drawn, where a term of the loss would cancel the surrogate's gradient on average only.

The value head of its stream speaks of nats, and β is the stream's weight, so that no value is out of date when β moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from curiosity.group import ALONE, Group, united
from curiosity.source import Batch
from selfplay.core.policy import ActorCritic
from selfplay.core.transitions import Transitions
from selfplay.rewards.streams import LEASH

MOST_CHANGE = 0.2
"""How much of the relative error of the KL counts at most."""

_UNUSED = ("value_head.", "critic.")  # of a reference only what acts is kept


def adapted(beta: float, kl: float, episodes: int, target: float, horizon: float) -> float:
    """β (1 + clip(kl / target - 1, ±.2) · episodes / horizon), after `episodes` episodes of `kl` nats on average.

    Ziegler et al. 2019, section 2.2; kl and target are summed over an episode. Unlike there, episodes / horizon counts
    as 1 at most, so that a batch of very many short episodes cannot turn the sign of β.
    """
    error = min(max(kl / target - 1, -MOST_CHANGE), MOST_CHANGE)
    return beta * (1 + error * min(episodes / horizon, 1.0))


class Beta:
    """The price of a nat: fixed, or moved towards a KL per episode.

    beta: reward per nat, ≥ 0 (with a target: > 0). target: nats per episode; None: β stays. horizon: episodes.
    """

    def __init__(self, beta: float, target: float | None = None, horizon: float = 10_000) -> None:
        if not math.isfinite(beta) or beta < 0 or (target is not None and beta == 0):
            raise ValueError(f"leash: beta must be a finite number ≥ 0, and above 0 where it is to move, got {beta}")
        if target is not None and not (math.isfinite(target) and target > 0):
            raise ValueError(f"leash: target must be a finite number of nats above 0, got {target}")
        if not horizon >= 1:
            raise ValueError(f"leash: horizon must be at least 1 episode, got {horizon}")
        self.value, self.target, self.horizon = float(beta), target, horizon

    def update(self, kl: float, episodes: int) -> None:
        """Take in `episodes` episodes (none: nothing happens) of `kl` nats on average."""
        if self.target is not None and episodes:
            self.value = adapted(self.value, kl, episodes, self.target, self.horizon)


class Leash:
    """A reward source that pays log π_ref(a|s) - log π(a|s), in nats; its stream's weight is `beta.value`.

    reference: the policy not to be left, with its own normaliser and memory. It is not copied, must not be trained, and
    is saved with the source. Where it has a memory it remembers each episode for itself. group: β moves by the episodes
    of all its ranks.

    Metrics: kl_per_step (mean of log π - log π_ref, nats), beta, and where episodes ended kl_per_episode (the mean of
    its sum over each of them) and episodes. They are samples: few episodes may show less than 0.
    """

    name = LEASH
    episodic = True
    remembers = True
    as_drawn = True  # the probability of an action is that of the one drawn, not of the bounded one that was played

    def __init__(self, reference: ActorCritic, beta: Beta, group: Group = ALONE) -> None:
        self.group = group
        self.reference, self.beta = reference.requires_grad_(False), beta
        self._state = torch.zeros(0)  # [N, H] what the reference remembers
        self._spent = torch.zeros(0)  # [N] nats in the episode under way
        self._paid: tuple[Transitions, Tensor, Tensor] | None = None

    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        assert isinstance(batch, Transitions)  # no other batch says how likely its actions were
        log_prob, state = self._follow(batch)
        paid = torch.where(batch.mask, log_prob - batch.log_prob, 0.0)
        self._paid = batch, paid, state  # `fit` is shown the same batch
        return paid

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Move β by the episodes that ended in the batch."""
        assert isinstance(batch, Transitions)
        if self._paid is None or self._paid[0] is not batch:
            self.reward(batch)
        assert self._paid is not None
        _, paid, self._state = self._paid
        self._paid = None
        spent = self._spent if len(self._spent) else torch.zeros(paid.shape[1], dtype=torch.float64)
        # on the CPU and in float64, in one order: the controller's state must not depend on threads
        nats, ended, ends = -paid.cpu().double(), [], (batch.done & batch.mask).cpu()
        for t in range(len(nats)):
            spent = spent + nats[t]
            ended.append(spent[ends[t]])
            spent = torch.where(ends[t], 0.0, spent)
        self._spent = spent
        totals = torch.cat(ended).numpy()
        own = torch.tensor(totals.mean() if len(totals) else 0.0, dtype=torch.float64)
        count, mean, _ = united(self.group, len(totals), own, torch.zeros_like(own))
        metrics = {"kl_per_step": float(nats.numpy().sum()) / max(batch.played_steps, 1), "beta": self.beta.value}
        if count:
            metrics |= {"kl_per_episode": float(mean), "episodes": float(count)}
            self.beta.update(metrics["kl_per_episode"], int(count))
        return metrics

    def watch(self, batch: Batch) -> None:
        """Follow what is played while nothing is learnt from it: β stays, and no nats are counted."""
        assert isinstance(batch, Transitions)
        if self.reference.memory:
            _, self._state = self._follow(batch)

    @torch.no_grad()
    def _follow(self, batch: Transitions) -> tuple[Tensor, Tensor]:
        """log π_ref of the actions, [T, N], and what the reference remembers after them, [N, H]."""
        policy, played = self.reference, batch.mask
        log_prob = torch.zeros(played.shape, device=played.device)
        if not policy.memory:
            parameters, _ = policy(batch.obs[played])
            log_prob[played] = policy.distribution.log_prob(parameters, batch.action[played])
            return log_prob, self._state
        state = self._state if len(self._state) else torch.zeros(played.shape[1], policy.memory)
        state = state.to(played.device, copy=True)
        for t in range(len(played)):
            here = played[t]
            parameters, _, state[here] = policy.step(batch.obs[t, here], state[here])
            log_prob[t, here] = policy.distribution.log_prob(parameters, batch.action[t, here])
            state[here & batch.done[t]] = 0
        return log_prob, state

    def state_dict(self) -> Mapping[str, Tensor]:
        """β, the reference, and the episodes under way."""
        state = {"beta": torch.tensor(self.beta.value, dtype=torch.float64), "spent": self._spent.clone()}
        if self.reference.memory:
            state["state"] = self._state.clone()
        return state | {f"reference.{key}": tensor.clone() for key, tensor in acting(self.reference).items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        wanted = self.state_dict()
        if state.keys() != wanted.keys():
            raise ValueError(f"leash: its state has {sorted(state)}, expected {sorted(wanted)}")
        reference = {key.removeprefix("reference."): state[key] for key in state if key.startswith("reference.")}
        set_acting(self.reference, reference)
        self.beta.value = float(state["beta"])
        self._spent = state["spent"].clone()
        self._state = (
            state["state"].to(next(self.reference.parameters()).device, copy=True) if "state" in state else self._state
        )
        self._paid = None


def acting(policy: ActorCritic) -> dict[str, Tensor]:
    """The part of a policy's state that its actions depend on."""
    return {key: tensor for key, tensor in policy.state_dict().items() if not key.startswith(_UNUSED)}


def set_acting(policy: ActorCritic, state: Mapping[str, Tensor]) -> None:
    """Take up what `acting` gave; `ValueError` names the first tensor that is missing, unknown or misshapen.

    The parameters stay where they are in memory.
    """
    here = policy.state_dict()
    for key, tensor in acting(policy).items():
        if key not in state or state[key].shape != tensor.shape:
            found = list(state[key].shape) if key in state else "nothing"
            raise ValueError(f"reference policy: {key!r} must be {list(tensor.shape)}, got {found}")
    for key in state:
        if key not in here:
            raise ValueError(f"reference policy: {key!r} belongs to nothing here")
    policy.load_state_dict(here | dict(state))
