"""NAVIX's own PPO, with the discount mended.

As released its advantages discount step t of an episode by γ^t instead of γ, so that nothing late is ever learnt.
Here they are those of Schulman et al. 2016 (arXiv 1506.02438): A_t = δ_t + γλ(1 - done_t) A_{t+1}, where
δ_t = r_t + γ(1 - done_t) V_{t+1} - V_t. Everything else is the package's.
"""

from __future__ import annotations

import time
from typing import Any

from selfplay.bench.worker import serve, versions

SOLVED, PROMISING = 0.95, 0.9
EVALUATED = 512
SETTINGS: dict[str, Any] = {
    "num_envs": 256, "num_steps": 64, "num_minibatches": 8, "num_epochs": 2, "lr": 1e-3, "anneal_lr": False,
}  # fmt: skip
UPDATES = 4  # in one compiled call
_kept: dict[str, Any] = {}


def advantages(reward: Any, done: Any, values: Any, gamma: float, lam: float) -> Any:
    """Generalised advantages [T, N] of reward and done [T, N] and values [T + 1, N]."""
    import jax
    import jax.numpy as jnp

    alive = 1.0 - done
    delta = reward + gamma * alive * values[1:] - values[:-1]

    def back(later: Any, now: Any) -> Any:
        here = now[0] + gamma * lam * now[1] * later
        return here, here

    _, found = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, alive), reverse=True)
    return found


def prepare(level: str, max_steps: int, processors: int, packages: list[str]) -> dict[str, Any]:
    """Build the agent and compile its update and its evaluation: seconds of that."""
    versions_found = versions(packages)
    import jax
    import jax.numpy as jnp
    import navix
    from navix.agents import ppo
    from navix.agents.models import ActorCritic

    class Mended(ppo.PPO):
        def evaluate_experience(self, train_state: Any, experience: Any, last_val: Any) -> Any:
            values = jax.vmap(train_state.value_fn, in_axes=(None, 0))(train_state.params, experience.obs)
            following = jnp.concatenate([values, last_val[None]])
            found = advantages(experience.reward, experience.done, following, self.env.gamma, self.hparams.gae_lambda)
            return values, found, found + values

    if f"Navix-{level}" not in navix.registry():
        raise ValueError(f"it has no Navix-{level}")
    plain = navix.make(f"Navix-{level}", observation_fn=navix.observations.symbolic_first_person, max_steps=max_steps)
    env = plain.replace(
        observation_fn=lambda state: jnp.ravel(navix.observations.symbolic_first_person(state)),
        observation_space=plain.observation_space.replace(shape=(7 * 7 * 3,)),
    )
    hparams = ppo.PPOHparams(budget=0, **SETTINGS)
    agent = Mended(hparams=hparams, network=ActorCritic(len(env.action_set)), env=env)

    def several(state: Any) -> Any:
        return jax.lax.scan(agent.update, state, length=UPDATES)

    def succeeded(state: Any, key: Any) -> Any:
        def one(carry: Any, _: Any) -> Any:
            now, over, won, key = carry
            key, draw = jax.random.split(key)
            after = jax.vmap(env.step)(now, state.policy(state.params, now.observation).sample(seed=draw))
            ends = after.is_done() & ~over
            return (after, over | ends, won | (ends & (after.reward > 0)), key), None

        first = jax.vmap(env.reset)(jax.random.split(key, EVALUATED))
        first = jax.vmap(env.step)(first, jnp.full(EVALUATED, len(env.action_set) - 1))  # "done": for the types
        none = jnp.zeros(EVALUATED, bool)
        (_, _, won, _), _ = jax.lax.scan(one, (first, none, none, key), length=max_steps - 1)
        return won.mean()

    began = time.perf_counter()
    start = jax.jit(lambda key: agent.train(key)[0])
    state = start(jax.random.PRNGKey(0))
    _kept["several"] = jax.jit(several).lower(state).compile()
    seconds = time.perf_counter() - began
    _kept["start"], _kept["succeeded"] = start, jax.jit(succeeded)
    _kept["succeeded"](state, jax.random.PRNGKey(0)).block_until_ready()
    return {
        "seconds": seconds,
        "versions": versions_found,
        "mode": {
            "num_envs": SETTINGS["num_envs"],
            "minibatch": SETTINGS["num_envs"] * SETTINGS["num_steps"] // SETTINGS["num_minibatches"],
        },
        "epochs": SETTINGS["num_epochs"],
    }


def train(level: str, seed: int, limit_seconds: float) -> dict[str, Any]:
    """Train to success on 512 fresh levels, or for `limit_seconds`; seconds without compiling and evaluation."""
    import jax
    import numpy as np

    state = jax.block_until_ready(_kept["start"](jax.random.PRNGKey(seed)))
    seconds, success = 0.0, None
    while seconds < limit_seconds:
        began = time.perf_counter()
        state, logs = jax.block_until_ready(_kept["several"](state))
        seconds += time.perf_counter() - began
        returns = np.asarray(logs["returns"])[np.asarray(logs["done_mask"]).astype(bool)]
        if len(returns) > 50 and (returns > 0).mean() > PROMISING:
            success = float(_kept["succeeded"](state, jax.random.PRNGKey(10_000 + seed)))
            if success >= SOLVED:
                break
    return {"seed": seed, "steps": int(state.frames), "seconds": seconds, "success": success}


if __name__ == "__main__":
    serve({"prepare": prepare, "train": train})
