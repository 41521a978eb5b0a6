"""One run over several processes: what `torchrun` started, joined by torch.distributed (gloo; between GPUs NCCL)."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from curiosity.group import ALONE, Alone
from selfplay.errors import UserError, one_line

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import Store

TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for another one, which may be evaluating or drawing. One that was killed is noticed at once."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_T = TypeVar("_T")


class LostRankError(UserError):
    """Another process of the run does not answer. Exit code 1, for `torchrun` to start all of them once more."""

    exit_code = 1


def world_size() -> int:
    """How many processes the launcher says there are; 1 without one."""
    if not all(os.environ.get(name) for name in _VARIABLES):
        return 1
    return int(os.environ["WORLD_SIZE"])


def ranks_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or 1) if world_size() > 1 else 1


@contextmanager
def joined(device: str) -> Iterator[Alone | Ranks]:
    """Inside, this process is one of those that the launcher started; without one it is alone.

    device: "cuda" is one GPU for each process of a machine, in their order.

    Raises:
        UserError: there are fewer GPUs than processes. LostRankError: not all of them came.
    """
    size = world_size()
    if size == 1:
        yield ALONE
        return
    import torch
    from torch import distributed

    local = int(os.environ.get("LOCAL_RANK") or 0)
    if device == "cuda":
        if torch.cuda.device_count() <= local:
            raise UserError(
                f"--device cuda: {torch.cuda.device_count()} GPUs on this machine, expected one for each of "
                f"{ranks_here()} processes"
            )
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    rank = int(os.environ["RANK"])

    def meet() -> None:
        store, _, _ = next(distributed.rendezvous("env://", timeout=TIMEOUT))
        fresh = distributed.PrefixStore(_attempt(store, rank, size), store)
        distributed.init_process_group(backend, store=fresh, rank=rank, world_size=size, timeout=TIMEOUT)

    _answered(meet)
    try:
        yield Ranks(rank, size)
    finally:
        distributed.destroy_process_group()


def _attempt(store: Store, rank: int, size: int) -> str:
    """A name that the ranks which are alive now agree on, and that no earlier attempt had.

    torchrun may give a restarted run the store of the one that failed, with the addresses of ranks that are dead. Rank
    0 makes a name up and confirms to each of the others a number that only a living one can have made up.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        store.set("attempt", own)
        numbers = [store.get(f"{own}/{other}").decode() for other in range(1, size)]
        store.set(f"{own}/met", " ".join(numbers))
        return own
    deadline = time.monotonic() + TIMEOUT.total_seconds()
    while time.monotonic() < deadline:
        name = store.get("attempt").decode()  # perhaps the last attempt's, as long as rank 0 is on its way
        store.set(f"{name}/{rank}", own)
        if store.check([f"{name}/met"]) and own in store.get(f"{name}/met").decode().split():
            return name
        time.sleep(0.05)
    raise RuntimeError("rank 0 did not come")


class Ranks:
    """The processes of a run: `curiosity.group.Group`, and bytes to and from the first of them.

    Raises:
        LostRankError: from every method, when another one is gone.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def gather(self, tensor: Tensor) -> Tensor:
        """What each rank gave, in their order: [R, …], on the CPU."""
        import torch
        from torch import distributed

        own = tensor.detach().cpu().contiguous()
        every = [torch.empty_like(own) for _ in range(self.size)]
        _answered(lambda: distributed.all_gather(every, own))
        return torch.stack(every)

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over ranks into float32 tensors, in one message."""
        import torch
        from torch import distributed

        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        _answered(lambda: distributed.all_reduce(flat))
        flat /= self.size
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def to_first(self, data: bytes) -> list[bytes]:
        """At rank 0 what each rank gave, in their order; elsewhere nothing."""
        import torch
        from torch import distributed

        sizes = self.gather(torch.tensor(len(data))).tolist()
        every = [_room(max(sizes)) for _ in range(self.size)] if self.rank == 0 else None
        _answered(lambda: distributed.gather(_room(max(sizes), data), every))
        return [bytes(one[:size].numpy()) for one, size in zip(every or [], sizes, strict=False)]

    def from_first(self, data: Sequence[bytes]) -> bytes:
        """What rank 0 has for this one. data: at rank 0 one for each rank; elsewhere it is not looked at."""
        import torch
        from torch import distributed

        first = self.rank == 0
        sizes = self.gather(torch.tensor([len(one) for one in data] if first else [0] * self.size))[0].tolist()
        own = _room(max(sizes))
        parts = [_room(max(sizes), one) for one in data] if first else None
        _answered(lambda: distributed.scatter(own, parts))
        return bytes(own[: sizes[self.rank]].numpy())


def _room(size: int, data: bytes = b"") -> Tensor:
    """uint8 [size] that begins with `data`."""
    import torch

    out = torch.zeros(size, dtype=torch.uint8)
    if data:
        out[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return out


def _answered(exchange: Callable[[], _T]) -> _T:
    try:
        return exchange()
    except RuntimeError as error:  # torch's own errors of this kind are RuntimeErrors, too
        why = re.sub(r"^\[[^]]*\] *", "", one_line(str(error))).split(". ")[0]  # without gloo's line number and advice
        raise LostRankError(f"rank {os.environ['RANK']}: another process of the run does not answer ({why})") from None
