"""Where torch computes, by name."""

from __future__ import annotations

import torch

from medpipe.core.errors import ModelError


def torch_device(name: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:N`, or `auto` for CUDA where there is one. Raises ModelError for one that there is not."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "auto") or (number and not (kind == "cuda" and number.isdecimal())):
        raise ModelError(f"no device {name}; there are cpu, cuda, cuda:N and auto")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and int(number or 0) >= there:
        raise ModelError(f"no device {name} is to be had here; give --device cpu, or auto", unavailable=True)
    return torch.device("cpu" if kind == "cpu" or not there else f"cuda:{int(number or 0)}")
