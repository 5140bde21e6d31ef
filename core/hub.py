"""Model repositories of the Hugging Face hub: from the local cache, else from the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from medpipe.core.errors import ModelError


def hub_folder(name: str, patterns: Sequence[str], enough: Callable[[Path], bool]) -> Path:
    """The local folder of the repository `name` with its files that match `patterns`.

    The cache is asked first and the network only where what is cached is not `enough`. Raises
    ModelError, unavailable, with the command that fetches it.
    """
    from huggingface_hub import snapshot_download

    for offline in (True, False):
        try:
            folder = Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=offline))
        except (OSError, ValueError):
            # Not cached, no network, no such repository: the message below covers them all.
            continue
        if enough(folder):
            return folder
    raise ModelError(
        f"{name} is not here and could not be fetched from the hub; where there is a network run: hf download {name}",
        unavailable=True,
    )


def model_folder(name: str, patterns: Sequence[str]) -> Path:
    """A folder of that name, else the local one of the hub's repository, with weights in safetensors.

    Raises ModelError, unavailable, for what can be neither.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if name.count("/") != 1 or name[0] in "./~" or name.endswith("/"):
        raise ModelError(f"{name}: no such folder, and no name of a hub's model", unavailable=True)
    return hub_folder(name, patterns, lambda place: any(place.glob("*.safetensors")))
