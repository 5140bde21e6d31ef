"""Checkpoints by name: those that are known, those that the user has registered, and their digests."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from medpipe.core.errors import ModelError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED: Final = ("default", "smoke")
_PIECE: Final = 2**20
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Known:
    """A published checkpoint. Without `sha256` nobody has told its digest, and it cannot be fetched."""

    name: str
    arch: str
    licence: str
    sha256: str | None
    url: str | None
    where: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A checkpoint file of the user's own, with the digest that it had when it was registered."""

    name: str
    path: str
    sha256: str
    arch: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """The digest of a file as it is now; `expected` is None where there is none to compare with."""

    path: str
    sha256: str
    expected: str | None

    @property
    def matches(self) -> bool | None:
        """Whether the digests are equal; None where there is nothing to compare."""
        return None if self.expected is None else self.sha256 == self.expected


_MERL: Final = (
    "the Google Drive folder linked from https://github.com/cheliu-computation/MERL-ICML2024;"
    " its authors publish no digest, so fetch it by hand and run: medpipe models add NAME FILE"
)
CATALOGUE: Final[tuple[Known, ...]] = (
    Known(
        "default",
        "default",
        "Apache-2.0; trained on data under CC BY 4.0",
        None,
        None,
        "inside this package; nothing to fetch",
    ),
    Known("res18_best_encoder.pth", "merl-resnet18", "MIT (code)", None, None, _MERL),
    Known("res18_best_ckpt.pth", "merl-resnet18", "MIT (code)", None, None, _MERL),
    Known("vit_tiny_best_encoder.pth", "merl-vit-tiny", "MIT (code)", None, None, _MERL),
    Known("vit_tiny_best_ckpt.pth", "merl-vit-tiny", "MIT (code)", None, None, _MERL),
    Known(
        "MedCPT-Query-Encoder",
        "medcpt-query",
        "see its page",
        None,
        None,
        "https://huggingface.co/ncbi/MedCPT-Query-Encoder; run: hf download ncbi/MedCPT-Query-Encoder",
    ),
)

OpenUrl = Callable[[str], IO[bytes]]


def home() -> Path:
    """The user's folder of medpipe: $MEDPIPE_HOME, else medpipe in $XDG_DATA_HOME or ~/.local/share."""
    own = os.environ.get("MEDPIPE_HOME")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "medpipe"


def registered() -> dict[str, Registered]:
    """The user's checkpoints by name, in order of registration. Raises ModelError for a damaged list."""
    try:
        text = _list_file().read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the list of registered checkpoints, {_list_file()}, cannot be read") from error
    try:
        entries = [Registered(**entry) for entry in json.loads(text)["models"]]
        if not all(isinstance(value, str) for one in entries for value in (one.name, one.path, one.sha256)):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"the list of registered checkpoints, {_list_file()}, is damaged") from error
    return {entry.name: entry for entry in entries}


def add(name: str, path: Path | str, arch: str | None = None) -> Registered:
    """Register a checkpoint file, or a folder with one in it, under a name that --model then takes.

    A name that is registered already changes hands. Raises ModelError.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ModelError(f"{name!r} cannot be a checkpoint's name: letters, digits, dot, dash, underscore; not default")
    file = checkpoint_file(Path(path)).resolve()
    _check_container(file)
    entry = Registered(name, str(file), sha256_of(file), arch)
    known = _known(name)
    if known is not None and known.sha256 not in (None, entry.sha256):
        raise ModelError(f"{file.name} is not the published {name}: its sha256 is {entry.sha256}, not {known.sha256}")
    _write({**registered(), name: entry})
    return entry


def remove(name: str) -> Registered:
    """Take a name off the list; the file stays. Raises ModelError."""
    entries = registered()
    if name not in entries:
        raise ModelError(f"no checkpoint is registered as {name}")
    entry = entries.pop(name)
    _write(entries)
    return entry


def find(name: str) -> Registered | Known | None:
    """The registered checkpoint of this name, else the known one, else None."""
    return registered().get(name) or _known(name)


def find_by_digest(sha256: str) -> Registered | None:
    """The registered checkpoint with this digest."""
    return next((entry for entry in registered().values() if entry.sha256 == sha256), None)


def verify(name: str) -> Verified:
    """Read a registered checkpoint, or the file at a path, to its end. Raises ModelError.

    The digest expected is the published one where it is known, else that of registration.
    """
    entry, known = registered().get(name), _known(name)
    if entry is None and known is not None:
        raise ModelError(f"{name} is not here; it is to be had from {known.where}", unavailable=True)
    path = checkpoint_file(Path(entry.path if entry else name))
    published = known.sha256 if known else None
    return Verified(str(path), sha256_of(path), published or (entry.sha256 if entry else None))


def fetch(name: str, open_url: OpenUrl | None = None, catalogue: tuple[Known, ...] = CATALOGUE) -> Registered:
    """Fetch a checkpoint whose address and digest are known, and register it.

    Only over https, and under its name only once the digest is right. Raises ModelError, unavailable
    without a network.

    Args:
        name: a name of the catalogue.
        open_url: opens an address for reading bytes; urllib when None.
        catalogue: where to look the name up.
    """
    known = next((entry for entry in catalogue if entry.name == name), None)
    if known is None:
        raise ModelError(f"no known checkpoint is called {name}; medpipe models lists them")
    if known.url is None or known.sha256 is None:
        raise ModelError(
            f"{name} has no address with a known digest; it is to be had from {known.where}", unavailable=True
        )
    if not known.url.startswith("https://"):
        raise ModelError(f"{name} is only to be had without https, and is not fetched")
    target = home() / "checkpoints" / name
    part = target.with_name(f"{name}.part")
    try:
        digest = _download(known.url, part, open_url or _open)
        if digest != known.sha256:
            raise ModelError(f"what came for {name} has the sha256 {digest}, not {known.sha256}; it is thrown away")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return add(name, target, known.arch)


def sha256_of(path: Path) -> str:
    """The hex digest of the file's bytes, read piece by piece. Raises ModelError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the checkpoint {path} cannot be read: {error.strerror}", unavailable=True) from error


def checkpoint_file(path: Path) -> Path:
    """The file itself, or the only checkpoint in a folder, .safetensors before .pth. Raises ModelError."""
    if not path.is_dir():
        if path.is_file():
            return path
        raise ModelError(f"no checkpoint at {path}", unavailable=True)
    for pattern in ("*.safetensors", "*.pth"):
        found = sorted(path.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            raise ModelError(f"the folder {path} holds {len(found)} checkpoints; name one: {found[0].name}, ...")
    raise ModelError(f"the folder {path} holds no checkpoint (.safetensors or .pth)")


def _check_container(file: Path) -> None:
    """Raises ModelError for a file that cannot be weights: neither safetensors nor what torch has ever saved."""
    try:
        with file.open("rb") as stream:
            head = stream.read(9)
    except OSError as error:
        raise ModelError(f"the checkpoint {file} cannot be read: {error.strerror}", unavailable=True) from error
    zipped, pickled = head.startswith(b"PK\3\4"), head.startswith(b"\x80\2")
    if not zipped and not pickled and head[8:9] != b"{":
        raise ModelError(f"{file.name} is no checkpoint: neither safetensors nor saved by torch")


def _known(name: str) -> Known | None:
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def _list_file() -> Path:
    return home() / "models.json"


def _write(entries: dict[str, Registered]) -> None:
    text = json.dumps({"models": [asdict(entry) for entry in entries.values()]}, indent=1) + "\n"
    try:
        home().mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=home(), prefix="models.", suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(_list_file())
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ModelError(f"the list of registered checkpoints, {_list_file()}, cannot be written") from error


def _open(url: str) -> IO[bytes]:
    from urllib.request import Request, urlopen

    opened: Any = urlopen(Request(url, headers={"User-Agent": "medpipe"}), timeout=_SECONDS)
    stream: IO[bytes] = opened
    return stream


def _download(url: str, part: Path, open_url: OpenUrl) -> str:
    from http.client import HTTPException

    digest = hashlib.sha256()
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open_url(url) as stream, part.open("wb") as file:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                file.write(piece)
    except (OSError, HTTPException) as error:
        raise ModelError(f"{url} could not be fetched: {type(error).__name__}", unavailable=True) from error
    return digest.hexdigest()
