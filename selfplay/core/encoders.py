"""First layers: from an observation to a vector, chosen by the observation space."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfplay.core import kernels
from selfplay.core.tiles import CHUNKS


class BagEncoder(nn.Module):
    """Tokens to the sum of their table rows: h = bias + Σ_p table[offset_p + token_p], token 0 left out.

    It is a linear layer over one-hot tokens that never writes them out. sizes: the number of values of each of the P
    tokens (a MultiDiscrete's nvec), each ≤ 256. width: H.

    On the CPU numba kernels visit only tokens that are not 0, and gradients only the rows they touch; elsewhere plain
    torch gives the same numbers. Row offset_p (token 0) is never read.
    """

    sizes: Tensor
    offsets: Tensor

    def __init__(self, sizes: np.ndarray, width: int) -> None:
        super().__init__()
        sizes = np.asarray(sizes)
        if sizes.ndim != 1 or len(sizes) == 0 or sizes.min() < 1 or sizes.max() > 256:
            raise ValueError(f"encoder: token sizes must be [P] and 1 to 256 each (uint8 tokens), got {sizes.tolist()}")
        offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self.register_buffer("sizes", torch.from_numpy(sizes.astype(np.int32)), persistent=False)
        self.register_buffer("offsets", torch.from_numpy(offsets.astype(np.int32)), persistent=False)
        self.table = nn.Parameter(torch.empty(int(sizes.sum()), width))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.table, std=len(sizes) ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """uint8 [B, P] to float32 [B, H]; `ValueError` if a token is out of range."""
        if tokens.dtype != torch.uint8 or tokens.dim() != 2 or tokens.shape[1] != len(self.sizes):
            raise ValueError(
                f"encoder: tokens must be uint8 [B, {len(self.sizes)}], got {tokens.dtype} {list(tokens.shape)}"
            )
        if tokens.device.type == "cpu":
            return _Bag.apply(tokens.contiguous(), self.offsets, self.sizes, self.table, self.bias)
        return self.plain(tokens)

    def plain(self, tokens: Tensor) -> Tensor:
        """`forward` in plain torch, for any device."""
        codes = tokens.int()
        if bool((codes >= self.sizes).any()):
            raise ValueError(out_of_range(int((codes >= self.sizes).sum())))
        rows = codes + self.offsets
        used = (tokens != 0).to(self.table.dtype)
        return F.embedding_bag(rows, self.table, mode="sum", per_sample_weights=used) + self.bias


class GradientRows:
    """Scratch for a table's gradient in pieces. Pages that no row touches are never mapped."""

    def __init__(self, rows: int, width: int) -> None:
        self.partial = np.zeros((CHUNKS, rows, width), np.float32)
        self.touched = np.zeros((CHUNKS, rows), np.uint8)


_scratch: dict[tuple[int, ...], GradientRows] = {}


class _Bag(torch.autograd.Function):
    """The kernels as one differentiable function."""

    @staticmethod
    def forward(ctx, tokens, offsets, sizes, table, bias):  # type: ignore[override]
        ctx.save_for_backward(tokens, offsets, sizes)
        ctx.shape = tuple(table.shape)
        out = torch.empty(len(tokens), table.shape[1])
        invalid = kernels.bag_forward(
            *(tensor.detach().numpy() for tensor in (tokens, offsets, sizes, table, bias)), out.numpy()
        )
        if invalid:
            raise ValueError(out_of_range(invalid))
        return out

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[override]
        tokens, offsets, sizes = (tensor.numpy() for tensor in ctx.saved_tensors)
        if ctx.shape not in _scratch:
            _scratch[ctx.shape] = GradientRows(*ctx.shape)
        rows = _scratch[ctx.shape]
        of_table = torch.zeros(ctx.shape)
        live = np.zeros(ctx.shape[0], np.uint8)
        kernels.bag_backward(tokens, offsets, sizes, gradient.contiguous().numpy(), rows.partial, rows.touched)
        kernels.reduce_rows(rows.partial, rows.touched, live, of_table.numpy())
        return None, None, None, of_table, gradient.sum(0)


def out_of_range(count: int) -> str:
    """The one line for tokens that are no row of their table."""
    return f"encoder: {count} observation tokens are out of range of the observation space's nvec"


class VectorEncoder(nn.Linear):
    """A float vector [B, D] through a linear layer."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__(size, width)
        nn.init.orthogonal_(self.weight, 2**0.5)
        nn.init.zeros_(self.bias)


def encoder_for(observation_space: gymnasium.Space, width: int) -> BagEncoder | VectorEncoder:
    """The encoder for one environment's observation space; `ValueError` if there is none."""
    if isinstance(observation_space, gymnasium.spaces.MultiDiscrete) and observation_space.nvec.ndim == 1:
        return BagEncoder(observation_space.nvec, width)
    if isinstance(observation_space, gymnasium.spaces.Box) and len(observation_space.shape) == 1:
        return VectorEncoder(observation_space.shape[0], width)
    raise ValueError(
        f"policy: no encoder for observation space {observation_space}, expected a flat MultiDiscrete or a flat Box"
    )
