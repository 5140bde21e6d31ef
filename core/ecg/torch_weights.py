"""Reading a checkpoint of plain tensors, and fitting it to a network; nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medpipe.core.errors import ModelError


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every named tensor of a .safetensors file, or of a .pth file that holds nothing but plain data.

    Goes into `model_state_dict` or `state_dict` where training wrapped it so, and takes the prefix
    `module.` off, which DataParallel adds. Raises ModelError.
    """
    if not path.is_file():
        raise ModelError(f"no checkpoint file {path.name}", unavailable=not path.exists())
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    for key in ("model_state_dict", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(key, str) for key in content):
        raise ModelError(f"{path.name} holds no named tensors")
    other = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if other:
        raise ModelError(f"{path.name} holds things that are no tensors: {_some(other)}")
    if all(key.startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} is damaged or no safetensors file: {_line(error)}") from error


def _read_pth(path: Path) -> Any:
    try:
        # Mapped, so that a full checkpoint's text tower stays on disk until it is asked for.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged archive may raise anything at all
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise ModelError(f"{path.name} holds more than plain tensors and is not opened") from error
        raise ModelError(f"{path.name} is damaged or no torch checkpoint: {_line(error)}") from error


def fit(network: nn.Module, weights: dict[str, Tensor], source: str, what: str, unused: tuple[str, ...]) -> None:
    """Put `weights` into `network` in float32; every key must be there, and none more.

    Keys that begin with one of `unused` take no part in the result: they may be absent or of any
    shape. Raises ModelError that names `source` and `what`.
    """
    wanted = {key: value.shape for key, value in network.state_dict().items() if not key.startswith(unused)}
    given = {key: value for key, value in weights.items() if not key.startswith(unused)}
    faults = []
    if missing := [key for key in wanted if key not in given]:
        faults.append(f"{len(missing)} missing ({_some(missing)})")
    if unexpected := [key for key in given if key not in wanted]:
        faults.append(f"{len(unexpected)} unexpected ({_some(unexpected)})")
    for key in wanted.keys() & given.keys():
        if wanted[key] != given[key].shape:
            faults.append(f"{key} is {list(given[key].shape)}, not {list(wanted[key])}")
            break
    if faults:
        raise ModelError(f"{source} does not fit {what}: {'; '.join(faults)}")
    if broken := [key for key, value in given.items() if not bool(torch.isfinite(value).all())]:
        raise ModelError(f"{source} has weights that are NaN or infinite: {_some(broken)}")
    network.load_state_dict(given, strict=False)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
