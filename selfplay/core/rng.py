"""The state of numpy's default generator as an array, for checkpoints."""

from __future__ import annotations

import numpy as np


def rng_state(rng: np.random.Generator) -> np.ndarray:
    """A PCG64 generator as uint64 [6]: state and increment (high, low word each), the half-used draw and whether."""
    state = rng.bit_generator.state
    inner = state["state"]
    words = [word for name in ("state", "inc") for word in divmod(inner[name], 2**64)]
    return np.array([*words, state["uinteger"], state["has_uint32"]], np.uint64)


def set_rng_state(rng: np.random.Generator, words: np.ndarray) -> None:
    """Let a PCG64 generator go on from what `rng_state` gave."""
    high, low, inc_high, inc_low, uinteger, has_uint32 = (int(word) for word in words)
    state = dict(rng.bit_generator.state)
    state["state"] = {"state": high << 64 | low, "inc": inc_high << 64 | inc_low}
    state["has_uint32"], state["uinteger"] = has_uint32, uinteger
    rng.bit_generator.state = state


def rank_seed(seed: int, rank: int) -> int:
    """What a rank draws by that is its own; rank 0, and with it a process alone, draws by `seed` itself."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint32)[0])
