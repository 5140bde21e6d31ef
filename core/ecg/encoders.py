"""ECG encoders by the name that --model takes, and by the name that a record carries. No torch until needed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medpipe.core.checkpoints import (
    Known,
    Registered,
    checkpoint_file,
    find,
    find_by_digest,
    sha256_of,
)
from medpipe.core.errors import ModelError
from medpipe.core.hub import hub_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from medpipe.core.ecg.encoder import Encoder
    from medpipe.core.ecg.network import EcgNetwork

_SUFFIXES: Final = (".pth", ".pt", ".safetensors")
_DEFAULT: Final = "default"
_RANDOM: Final = "random"
_SMOKE: Final = "smoke"


def open_encoder(
    model: str,
    *,
    arch: str | None = None,
    preset: str | None = None,
    init: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    batch_size: int = 1,
    text_model: str | None = None,
) -> Encoder:
    """The encoder that `model` names: default, smoke, a file, a folder, a registered or a hub name.

    Args:
        model: what --model says. Not looked at with `init`.
        arch: an architecture of the registry; None where the checkpoint is to tell.
        preset: must be the architecture's own; None for that.
        init: `random` for weights drawn from `seed`, which needs `arch`.
        seed: also draws the weights of `smoke`.
        device: `cpu`, `cuda` or `auto`; the default model always runs on the CPU.
        batch_size: windows that run together.
        text_model: folder or hub name of the text encoder, where the checkpoint holds none.

    Raises ModelError, `unavailable` where the checkpoint is not here and could not be fetched.
    """
    if init is None and model == _DEFAULT:
        from medpipe.core.ecg.default_model import DefaultModel

        default: Encoder = DefaultModel.load()
        _check_choice(arch, preset, str(getattr(default, "arch", _DEFAULT)), default.preset)
        return default
    from medpipe.core.ecg.trained_encoder import TrainedEncoder, is_trained

    if init is None and is_trained(model):
        made = TrainedEncoder(model, arch=arch, device=device, batch_size=batch_size, text_model=text_model)
        _check_choice(arch, preset, made.arch, made.preset)
        return made
    network, name, sha256, trained = _network(model, arch, init, seed)
    _check_choice(arch, preset, network.arch, network.preset)
    from medpipe.core.ecg.torch_encoder import TorchEncoder

    return TorchEncoder(
        network,
        name=name,
        sha256=sha256,
        trained=trained,
        device=device,
        batch_size=batch_size,
        text_model=text_model,
    )


def open_named(encoder: dict[str, Any]) -> Encoder:
    """The encoder that made an embedding, from what its record says: name, sha256, preset, space, dim.

    A registered checkpoint with the same digest stands in for a name that leads nowhere. Raises
    ModelError, naming both sides where the checkpoint found is another or gives another space.
    """
    name, sha256 = encoder.get("name"), encoder.get("sha256")
    if not isinstance(name, str) or not isinstance(sha256, str):
        raise ModelError("the record does not say by name and sha256 which encoder made its embedding")
    same = find_by_digest(sha256)
    # A record is data: the name in it leads to no file but a checkpoint's.
    if same is None and Path(name).is_file() and not name.endswith(_SUFFIXES):
        raise ModelError(f"the embedding names {name} as its model, which is no checkpoint")
    options = {"arch": same.arch} if same else _drawn(name)
    # The shipped model carries its release as its name, and a preset that no other has.
    model = _DEFAULT if encoder.get("preset") == _DEFAULT else same.path if same else name
    opened = open_encoder(model, preset=encoder.get("preset"), **options)
    for key in ("sha256", "space", "dim"):
        if getattr(opened, key) != encoder.get(key):
            raise ModelError(
                f"the embedding was made by {name} with {key} {encoder.get(key)}, the {opened.name} here has"
                f" {getattr(opened, key)}"
            )
    return opened


def _check_choice(arch: str | None, preset: str | None, real_arch: str, real_preset: str) -> None:
    if arch is not None and arch != real_arch:
        raise ModelError(
            f"the model given is {real_arch}, --arch says {arch}: name a checkpoint of {arch} by --model, or"
            " take untrained weights by --init random"
        )
    if preset is not None and preset != real_preset:
        raise ModelError(f"the preset {preset} does not go with {real_arch}, which takes {real_preset}")


def _drawn(name: str) -> dict[str, Any]:
    """The options behind the name of an encoder whose weights were drawn."""
    kind, _, rest = name.partition(":")
    arch, _, seed = rest.rpartition(":")
    if kind == _RANDOM and seed.isdecimal():
        return {"arch": arch, "init": _RANDOM, "seed": int(seed)}
    return {}


def _network(model: str, arch: str | None, init: str | None, seed: int) -> tuple[EcgNetwork, str, str, bool]:
    """The network, its name, digest, and whether it is trained."""
    if init not in (None, _RANDOM):
        raise ModelError(f"no initial weights are called {init}; there is {_RANDOM}")
    if init == _RANDOM:
        if arch is None:
            raise ModelError("random weights need an architecture: give --arch")
        from medpipe.core.ecg.registry import network_class

        drawn = network_class(arch)
        return _seeded(lambda: drawn.untrained(arch), seed), *_drawn_facts(f"{_RANDOM}:{arch}:{seed}")
    if model == _SMOKE or _smoke_seed(model) is not None:
        from medpipe.core.ecg.smoke import SmokeNetwork

        chosen = _smoke_seed(model)
        chosen = seed if chosen is None else chosen
        return _seeded(SmokeNetwork, chosen), *_drawn_facts(f"{_SMOKE}:{chosen}" if chosen else _SMOKE)
    path, known_arch = _located(model)
    sha256, entry = sha256_of(path), find(model)
    if isinstance(entry, Registered) and Path(entry.path) == path and entry.sha256 != sha256:
        raise ModelError(f"{path} has changed since it was registered as {model}; see: medpipe models verify {model}")
    return _loaded(path, arch or known_arch), model, sha256, True


def _smoke_seed(model: str) -> int | None:
    kind, _, seed = model.partition(":")
    return int(seed) if kind == _SMOKE and seed.isdecimal() else None


def _drawn_facts(name: str) -> tuple[str, str, bool]:
    return name, hashlib.sha256(f"medpipe {name}".encode()).hexdigest(), False


def _seeded(build: Callable[[], EcgNetwork], seed: int) -> EcgNetwork:
    import torch

    # The caller's own random numbers are not to depend on a model being opened.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _loaded(path: Path, arch: str | None) -> EcgNetwork:
    from medpipe.core.ecg.registry import network_class, recognise
    from medpipe.core.ecg.torch_weights import read_weights

    weights = read_weights(path)
    arch = arch or recognise(weights, path.name)
    return network_class(arch).from_weights(arch, weights, path.name)


def _located(model: str) -> tuple[Path, str | None]:
    """Where a checkpoint's file is, and its architecture where the list of checkpoints tells."""
    if Path(model).exists():
        return checkpoint_file(Path(model)), None
    entry = find(model)
    if isinstance(entry, Registered):
        if not Path(entry.path).is_file():
            raise ModelError(f"{model} is registered, but its file is gone: {entry.path}", unavailable=True)
        return Path(entry.path), entry.arch
    if isinstance(entry, Known):
        raise ModelError(f"{model} is not here; it is to be had from {entry.where}", unavailable=True)
    if model.endswith(_SUFFIXES) or model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise ModelError(
            f"there is no model {model}: no such file or folder and no registered name; run: medpipe models",
            unavailable=True,
        )
    return checkpoint_file(hub_folder(model, ("*.safetensors", "*.pth"), _has_checkpoint)), None


def _has_checkpoint(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) or any(folder.glob("*.pth"))
