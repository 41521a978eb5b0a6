"""Training: Adam over shuffled minibatches, with a flat state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim.adam import adam

from curiosity.config import LearnedConfig
from curiosity.group import ALONE, Group

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) over a module's parameters that want a gradient."""

    def __init__(self, module: nn.Module, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.mean = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.square = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.steps = 0

    def gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        """Of `loss`, a number, for each of `parameters`."""
        return torch.autograd.grad(loss, list(self.parameters.values()))

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step down `gradients`, in one pass over the memory."""
        parameters: list[Tensor] = list(self.parameters.values())
        rows = [gradient.contiguous() for gradient in gradients]  # the fused kernel takes memory as it lies
        done = [torch.tensor(float(self.steps), device=parameter.device) for parameter in parameters]
        adam(
            parameters, rows, list(self.mean.values()), list(self.square.values()), [], done,
            fused=True, amsgrad=False, maximize=False, weight_decay=0.0,
            lr=self.learning_rate, beta1=BETA_1, beta2=BETA_2, eps=EPSILON,
        )  # fmt: skip
        self.steps += 1


class Trainer:
    """Fits `module` to batch after batch by the settings in `config`; its shuffles are drawn from `seed`.

    name: whose it is, for errors. group: gradients are means over its ranks, and a minibatch is what all of them take
    together; batches must be equally large, and the draws are the same everywhere.
    """

    def __init__(self, module: nn.Module, config: LearnedConfig, seed: int, name: str, group: Group = ALONE) -> None:
        self.name = name
        self.group = group
        self.config = config
        self.adam = Adam(module, config.learning_rate)
        self.generator = torch.Generator()  # on the CPU, so that a run can move between devices
        self.generator.manual_seed(seed)

    def run(self, count: int, loss: Callable[[Tensor], Mapping[str, Tensor]], device: torch.device) -> dict[str, float]:
        """Minimise over `count` steps; `loss` takes int64 [B] of their numbers and gives "loss" beside other numbers.

        Returns the means over the gradient steps. Raises `FloatingPointError` where the loss or the norm of its
        gradient is not finite; the parameters then are those of the last good step.
        """
        history: list[Mapping[str, Tensor]] = []
        chosen = max(1, round(count * self.config.proportion)) if count else 0
        for _ in range(self.config.epochs if count else 0):
            order = torch.randperm(count, generator=self.generator)[:chosen].to(device)
            parts = min(chosen, round(chosen * self.group.size / self.config.minibatch_size))
            for index in order.tensor_split(max(1, parts)):
                metrics = loss(index)
                self.descend(metrics["loss"])
                history.append({key: value.detach() for key, value in metrics.items()})
        return {key: float(torch.stack([one[key] for one in history]).mean()) for key in history[0]} if history else {}

    def descend(self, loss: Tensor) -> None:
        """One gradient step down `loss`, a number; raises as `run` does."""
        gradients = self.adam.gradients(loss)
        self.group.mean_(gradients)
        self._check(loss, gradients)
        self.adam.step(gradients)

    def _check(self, loss: Tensor, gradients: Sequence[Tensor]) -> None:
        value, norm = torch.stack([loss.detach(), get_total_norm(gradients)]).tolist()
        if not math.isfinite(value) or not math.isfinite(norm):
            raise FloatingPointError(
                f"{self.name}: loss {value} and gradient norm {norm} in step {self.adam.steps + 1} of its training, "
                "expected finite numbers"
            )

    def draw(self, high: int, *shape: int) -> Tensor:
        """Whole numbers below `high`, int64 [shape], from the trainer's stream."""
        return torch.randint(high, shape, generator=self.generator)

    def state_dict(self) -> dict[str, Tensor]:
        """Flat: both moments of every parameter, the number of steps, the random stream."""
        state = {"steps": torch.tensor(self.adam.steps), "generator": self.generator.get_state()}
        state |= {f"mean.{name}": tensor for name, tensor in self.adam.mean.items()}
        return state | {f"square.{name}": tensor for name, tensor in self.adam.square.items()}

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` unless the number of steps and the random stream can be."""
        if int(state["steps"]) < 0:
            raise ValueError(f"steps must be at least 0, got {int(state['steps'])}")
        try:
            torch.Generator().set_state(state["generator"].cpu())
        except RuntimeError as error:
            raise ValueError(f"generator holds no random stream: {error}") from None

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; names and shapes have been checked."""
        self.adam.steps = int(state["steps"])
        self.generator.set_state(state["generator"].cpu())
        for name in self.adam.parameters:
            self.adam.mean[name].copy_(state[f"mean.{name}"])
            self.adam.square[name].copy_(state[f"square.{name}"])
