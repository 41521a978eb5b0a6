"""NAVIX: MiniGrid in jax. A jitted scan over a batch by vmap; a fresh random level at every reset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfplay.bench.worker import serve_stepping

SIZES = (256, 2048)
SCAN = 32  # steps of every environment in one call


class _Scan:
    def __init__(self, mode: dict[str, Any], *, level: str, max_steps: int, processors: int) -> None:
        import jax
        import navix
        import numpy as np

        # its own DoorKey starts in a fixed cell; the one that starts anywhere, as MiniGrid's does, is called Random
        name = f"Navix-{level.replace('DoorKey-', 'DoorKey-Random-')}"
        if name not in navix.registry():
            raise ValueError(f"it has no {name}")
        env = navix.make(name, observation_fn=navix.observations.symbolic_first_person, max_steps=max_steps)
        count = mode["num_envs"]
        self.steps = SCAN * count

        def play(state: Any, actions: Any) -> Any:
            def one(now: Any, action: Any) -> Any:
                after = jax.vmap(env.step)(now, action)
                return after, after.reward

            return jax.lax.scan(one, state, actions)

        self._state = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.PRNGKey(0), count))
        self._state, _ = play_one = jax.jit(play)(self._state, np.zeros((1, count), np.int32))
        del play_one  # a stepped state has the types that every later one has
        actions = np.random.default_rng(0).integers(len(env.action_set), size=(SCAN, count), dtype=np.int32)
        self._actions = jax.device_put(actions)
        self._play, self._wait = jax.jit(play), jax.block_until_ready

    def step(self) -> None:
        self._state, paid = self._play(self._state, self._actions)
        self._wait((self._state, paid))

    def close(self) -> None:
        pass


def _modes(**_: Any) -> Iterator[dict[str, Any]]:
    return ({"num_envs": size} for size in SIZES)


if __name__ == "__main__":
    serve_stepping(_Scan, _modes)
