"""The processes of one training: who this one is, and what they say to each other. One process needs no group.

With a batch of B records in each of W processes the joined batch is their concatenation by rank. Sizes may
differ between processes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

# Rank 0 validates and writes alone; the others must not give up meanwhile.
_PATIENCE: Final = timedelta(hours=2)


def join(device: torch.device) -> bool:
    """Join the group that torchrun describes in the environment; False where there is none, or it is joined already.

    NCCL on CUDA, where `device` is that of `local_device`, gloo elsewhere. The caller goes by `leave`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return False
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    return True


def leave() -> None:
    """Leave the group when all are done: one that goes earlier takes away what the others still hang on to.

    After an error in one process call torch.distributed.destroy_process_group instead, which waits for nobody.
    """
    dist.barrier()
    dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The device of this process: of several on CUDA each takes the one that torchrun's LOCAL_RANK names."""
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device(f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}")


def together() -> bool:
    """Whether there is a group of more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """The number of this process in the group, from 0."""
    return dist.get_rank() if together() else 0


def world() -> int:
    """The number of processes."""
    return dist.get_world_size() if together() else 1


def sizes(own: int, device: torch.device) -> list[int]:
    """How many records each process has in its batch."""
    if not together():
        return [own]
    counts = _all(torch.tensor([own], device=device))
    return [int(count) for count in counts]


def joined(x: Tensor, *, rescale: bool = False) -> Tensor:
    """[b, d] of each process -> [B, d] of all, by rank; the gradient flows into this process's rows alone.

    A loss of the joined batch, computed by every process and averaged by DistributedDataParallel, then has
    1 / W of the gradient of one process on that batch. `rescale` multiplies the own rows' gradient by W, which
    takes that factor away.
    """
    if not together():
        return x
    counts = sizes(len(x), x.device)
    padded = x.new_zeros(max(counts), *x.shape[1:])
    padded[: len(x)] = x.detach()
    parts = [part[:count] for part, count in zip(_all(padded), counts, strict=True)]
    # The difference is zero, and so is what it adds to the value; its gradient is not.
    parts[rank()] = x.detach() + world() * (x - x.detach()) if rescale else x
    return torch.cat(parts)


def total(value: Tensor) -> Tensor:
    """The sum over processes, without a gradient."""
    value = value.detach().clone()
    if together():
        dist.all_reduce(value)
    return value


def means(values: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean over processes of numbers by name, the same names in each."""
    stacked = torch.stack([value.detach().float() for value in values.values()])
    numbers = (total(stacked) / world()).tolist()
    return dict(zip(values, numbers, strict=True))


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether it is true in any process."""
    return bool(total(torch.tensor(float(flag), device=device)) > 0) if together() else flag


def gathered(own: Tensor, device: torch.device) -> list[Tensor]:
    """A CPU tensor of the same shape from every process, by rank, on the CPU again."""
    if not together():
        return [own]
    return [part.cpu() for part in _all(own.to(device))]


def wait() -> None:
    """Until every process has come here."""
    if together():
        dist.barrier()


def _all(own: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(own) for _ in range(world())]
    dist.all_gather(parts, own.contiguous())
    return parts
