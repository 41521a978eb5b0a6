"""Adam (Kingma and Ba 2015, arXiv 1412.6980) over all parameters of a network as one vector."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import torch
from torch import Tensor, nn

from selfplay.core.jit import kernel

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5
_PARTS = 24  # pieces of the sums and of the work, whatever the number of threads


class Adam:
    """torch.optim.Adam's arithmetic, with the gradient clipped to a length first.

    The module's parameters and gradients become views of the vectors `parameter` and `gradient` [n], a BagEncoder's
    table first, then the other weights, then the biases; move the module to its device before.

    live: uint8 [R], the table rows that ever had a gradient. For the others Adam is the identity, so they are skipped.
    Whoever writes a gradient marks its rows; `mark_all` is always right.
    """

    def __init__(self, module: nn.Module) -> None:
        named = sorted(module.named_parameters(), key=lambda item: (item[0] != "encoder.table", "bias" in item[0]))
        device = named[0][1].device
        total = sum(parameter.numel() for _, parameter in named)
        self.parameter, self.gradient = torch.empty(total, device=device), torch.zeros(total, device=device)
        self.exp_avg, self.exp_avg_sq = torch.zeros(total, device=device), torch.zeros(total, device=device)
        self.steps = 0
        self.slices: dict[str, tuple[slice, torch.Size]] = {}
        start = 0
        for name, parameter in named:
            part = slice(start, start + parameter.numel())
            self.slices[name] = (part, parameter.shape)
            self.parameter[part] = parameter.detach().flatten()
            parameter.data = self.view(self.parameter, name)
            parameter.grad = self.view(self.gradient, name)
            start = part.stop
        rows, self.row_width = named[0][1].shape if named[0][0] == "encoder.table" else (0, 1)
        self.live = np.zeros(rows, np.uint8)

    def view(self, vector: Tensor, name: str) -> Tensor:
        """The part of `vector` [n] that belongs to parameter `name`, in its shape."""
        part, shape = self.slices[name]
        return vector[part].view(shape)

    def mark_all(self) -> None:
        """Any row of the table may have a gradient."""
        self.live[:] = 1

    def gradient_norm(self) -> float:
        """Length of the gradient over all parameters."""
        if self.gradient.device.type != "cpu":
            return self.gradient.norm().item()
        parts = np.zeros(_PARTS)
        _squares(self.gradient.numpy(), self.live, self.row_width, parts)
        return math.sqrt(parts.sum())

    def step(self, learning_rate: float, max_norm: float, norm: float, kernel: bool = True) -> None:
        """One step against the gradient, whose length is `norm`, scaled down to `max_norm` if it is longer.

        kernel: False takes plain torch, as devices other than the CPU always do.
        """
        self.steps += 1
        scale = min(1.0, max_norm / (norm + 1e-6))
        rate = learning_rate / (1 - BETA_1**self.steps)
        root = 1 / math.sqrt(1 - BETA_2**self.steps)
        if kernel and self.gradient.device.type == "cpu":
            vectors = (self.parameter, self.gradient, self.exp_avg, self.exp_avg_sq)
            numbers = (np.float32(number) for number in (scale, rate, root))
            _step(*(vector.numpy() for vector in vectors), self.live, self.row_width, *numbers)
        else:
            gradient = self.gradient * scale
            self.exp_avg.lerp_(gradient, 1 - BETA_1)
            self.exp_avg_sq.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
            self.parameter.addcdiv_(self.exp_avg, (self.exp_avg_sq.sqrt() * root).add_(EPSILON), value=-rate)

    def state_dict(self) -> dict[str, Tensor]:
        """Flat mapping: both moments of every parameter, and the number of steps."""
        state = {"steps": torch.tensor(self.steps)}
        for name in self.slices:
            state[f"exp_avg.{name}"] = self.view(self.exp_avg, name).clone()
            state[f"exp_avg_sq.{name}"] = self.view(self.exp_avg_sq, name).clone()
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave; names and shapes must have been checked."""
        self.steps = int(state["steps"])
        for name in self.slices:
            self.view(self.exp_avg, name).copy_(state[f"exp_avg.{name}"])
            self.view(self.exp_avg_sq, name).copy_(state[f"exp_avg_sq.{name}"])
        if len(self.live):
            table = (self.view(moment, "encoder.table") for moment in (self.exp_avg, self.exp_avg_sq))
            self.live[:] = sum((moment != 0).any(1) for moment in table).bool().cpu().numpy()  # type: ignore[union-attr]
        self.gradient.zero_()


# The inner loops get slices: where an index might be negative nothing is vectorised.


@nb.njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _square(gradient):
    total = 0.0
    for i in range(gradient.shape[0]):
        total += np.float64(gradient[i]) * np.float64(gradient[i])
    return total


@kernel(parallel=True)
def _squares(gradient, live, width, out):
    """out [_PARTS] = Σ gradient² over each part."""
    rows = live.shape[0]
    dense = gradient.shape[0] - rows * width
    for part in nb.prange(_PARTS):
        total = 0.0
        for r in range(rows * part // _PARTS, rows * (part + 1) // _PARTS):
            if live[r]:
                total += _square(gradient[r * width : r * width + width])
        first = rows * width + dense * part // _PARTS
        out[part] = total + _square(gradient[first : rows * width + dense * (part + 1) // _PARTS])


@nb.njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _move(parameter, gradient, exp_avg, exp_avg_sq, scale, rate, root):
    keep_1, keep_2 = np.float32(BETA_1), np.float32(BETA_2)
    take_1, take_2 = np.float32(1 - BETA_1), np.float32(1 - BETA_2)
    for i in range(parameter.shape[0]):
        g = gradient[i] * scale
        m = keep_1 * exp_avg[i] + take_1 * g
        v = keep_2 * exp_avg_sq[i] + take_2 * g * g
        exp_avg[i] = m
        exp_avg_sq[i] = v
        parameter[i] -= rate * m / (np.sqrt(v) * root + np.float32(EPSILON))


@nb.njit(nogil=True, error_model="numpy")
def _move_slice(parameter, gradient, exp_avg, exp_avg_sq, low, high, scale, rate, root):
    _move(parameter[low:high], gradient[low:high], exp_avg[low:high], exp_avg_sq[low:high], scale, rate, root)


@kernel(parallel=True)
def _step(parameter, gradient, exp_avg, exp_avg_sq, live, width, scale, rate, root):
    rows = live.shape[0]
    dense = gradient.shape[0] - rows * width
    for part in nb.prange(_PARTS):
        for r in range(rows * part // _PARTS, rows * (part + 1) // _PARTS):
            if live[r]:
                low = r * width
                _move_slice(parameter, gradient, exp_avg, exp_avg_sq, low, low + width, scale, rate, root)
        low = rows * width + dense * part // _PARTS
        high = rows * width + dense * (part + 1) // _PARTS
        _move_slice(parameter, gradient, exp_avg, exp_avg_sq, low, high, scale, rate, root)
