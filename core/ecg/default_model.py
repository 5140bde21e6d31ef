"""The default ECG model: what ships with the package, read with numpy and onnxruntime alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg import preprocess_default
from medpipe.core.errors import InputError, ModelError

if TYPE_CHECKING:
    from medpipe.core.ecg.query_head import QueryHead
    from medpipe.core.ecg.text_tower import TextTower

FOLDER: Final = Path(__file__).parent / "default"
DESCRIPTION: Final = "checkpoint.json"
NETWORK: Final = "ecg.onnx"
TEXT: Final = "text.safetensors"
TOKENIZER: Final = "tokenizer.json"
QUERIES: Final = "queries.safetensors"
MODEL_FILES: Final = (NETWORK, TEXT, TOKENIZER, QUERIES)

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


def open_text_tower() -> TextTower:
    """The text tower of the shipped checkpoint, alone. Raises ModelError."""
    from safetensors.numpy import load_file

    from medpipe.core.ecg.text_tower import TextTower

    files = _described(FOLDER)["files"]
    for name in (TEXT, TOKENIZER):
        _checked(FOLDER, files, name)
    return TextTower(load_file(FOLDER / TEXT), FOLDER / TOKENIZER)


class DefaultModel:
    """Encoder of up to ten seconds of any of the twelve leads, and scorer of any English text."""

    trained: bool = True
    needs_all_leads: bool = False
    pooling: str = "mean"
    score_kind: str = "probability"
    preset: str = preprocess_default.NAME
    leads: tuple[str, ...] = preprocess_default.LEADS
    fs: float = preprocess_default.FS
    seconds: float = preprocess_default.SAMPLES / preprocess_default.FS

    def __init__(self, folder: Path, description: dict[str, Any], providers: Sequence[str]) -> None:
        """See `load`."""
        self._folder, self._files = folder, description["files"]
        self._session = _session(_checked(folder, self._files, NETWORK), providers)
        self.name: str = description["name"]
        self.space: str = description["space"]
        self.dim: int = description["dim"]
        self.sha256: str = description["sha256"]
        said = json.dumps(description.get("preprocessing"), sort_keys=True)
        self.preset_digest: str = hashlib.sha256(said.encode()).hexdigest()[:12]

    @classmethod
    def load(cls, folder: Path | None = None, providers: Sequence[str] = ("CPUExecutionProvider",)) -> DefaultModel:
        """The checkpoint in `folder`, the shipped one when None. Raises ModelError.

        The digest of the network is checked here, those of the text files when a scorer is first asked
        for; that every file is there and has its length, here. `providers` are onnxruntime's.
        """
        folder = FOLDER if folder is None else folder
        return cls(folder, _described(folder), providers)

    def check_files(self) -> None:
        """Read every file of the checkpoint to its end; ModelError for one that is damaged."""
        for name in MODEL_FILES:
            _checked(self._folder, self._files, name)

    def prepare(self, signal: Array, fs: float, leads: Sequence[str], missing: str = "error") -> tuple[Array, Mask]:
        """One window [k, n] -> x [12, 1000] and which rows are real [12]; see `preprocess_default.prepare`."""
        return preprocess_default.prepare(signal, fs, leads, missing)

    def encode(self, x: Array, present: Mask) -> Array:
        """x [B, 12, 1000] and present [B, 12] -> embeddings [B, dim]; rows that are not present are not read."""
        return np.concatenate([np.empty((0, self.dim), np.float32), *(one[0] for one in self._run(x, present))])

    def tokens(self, x: Array, present: Mask) -> list[Array]:
        """For each of the B windows its feature map, [pieces of 320 ms, channels], the padding left out."""
        found = []
        for (_, tokens), window, mask in zip(self._run(x, present), x, present, strict=True):
            moving = np.flatnonzero(window[np.asarray(mask, bool)].any(axis=0))
            samples = moving[-1] + 1 if len(moving) else 0
            found.append(tokens[0, : -(-samples * tokens.shape[1] // window.shape[-1])])
        return found

    def token_places(self, present: Mask) -> list[tuple[str | None, int]]:
        """The lead (None: all leads are mixed) and the piece of time of each token of a full window."""
        pieces = self._session.get_outputs()[1].shape[1]
        return [(None, piece) for piece in range(pieces)]

    def scorer(self, queries: Sequence[str]) -> DefaultScorer:
        """What turns embeddings into one probability for each query. Raises InputError (`empty-query`), ModelError."""
        weights, biases = self._query_head.read(queries)
        return DefaultScorer(f"{self.name} {self.sha256[:12]}", weights, biases)

    @cached_property
    def _query_head(self) -> QueryHead:
        from medpipe.core.ecg.query_head import QueryHead

        for name in (TEXT, TOKENIZER, QUERIES):
            _checked(self._folder, self._files, name)
        return QueryHead.load(self._folder / TEXT, self._folder / TOKENIZER, self._folder / QUERIES)

    def _run(self, x: Array, present: Mask) -> list[tuple[Array, Array]]:
        # One window at a time: then its neighbours cannot touch the last bit of its result.
        rows = zip(np.asarray(x, np.float32)[:, None], np.asarray(present, np.float32)[:, None], strict=True)
        return [tuple(self._session.run(None, {"x": one, "present": mask})) for one, mask in rows]


class DefaultScorer:
    """Probabilities of the queries, each a logistic function of the embedding."""

    kind: str = "probability"

    def __init__(self, name: str, weights: Array, biases: Array) -> None:
        """`weights` [queries, dim] and `biases` [queries]."""
        self.name, self._weights, self._biases = name, weights, biases

    def score(self, embedding: Array, pooling: str | None = None) -> Array:
        """One embedding [dim], of a window or the mean over windows -> probabilities [queries].

        Raises InputError when the embedding has another length, or was pooled in another way than `mean`.
        """
        vector = np.asarray(embedding, np.float32)
        if vector.shape != self._weights.shape[1:]:
            raise InputError("embedding", f"an embedding of shape {list(vector.shape)}; {self.name} takes "
                             f"{list(self._weights.shape[1:])}")  # fmt: skip
        if pooling not in (None, "mean"):
            raise InputError("pooling", f"an embedding pooled by {pooling}; {self.name} takes mean")
        # Summed query by query, so that the others' number cannot change the last bit of a score.
        logits = (self._weights * vector).sum(axis=1, dtype=np.float64) + self._biases
        chances: Array = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return chances


def digest(files: dict[str, dict[str, Any]]) -> str:
    """One sha256 over the names and digests of the model files of a description."""
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in MODEL_FILES)
    return hashlib.sha256(lines.encode()).hexdigest()


def _described(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = description["files"]
        sizes = {name: files[name]["bytes"] for name in MODEL_FILES}
        _ = [description[key] for key in ("name", "space", "dim", "sha256")]
    except FileNotFoundError:
        raise ModelError(f"no default checkpoint in {folder}: {DESCRIPTION} is missing", unavailable=True) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not the description of a default checkpoint") from error
    for name, size in sizes.items():
        if not (folder / name).is_file():
            raise ModelError(f"the default checkpoint in {folder} lacks {name}", unavailable=True)
        if (folder / name).stat().st_size != size:
            raise ModelError(f"{folder / name} is damaged: its length is not the one in {DESCRIPTION}")
    if digest(files) != description["sha256"]:
        raise ModelError(f"{path} is damaged: its digests do not add up")
    return description


def _checked(folder: Path, files: dict[str, dict[str, Any]], name: str) -> bytes:
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != files[name]["sha256"]:
        raise ModelError(f"{folder / name} is damaged: its sha256 is not the one in {DESCRIPTION}")
    return content


def _session(content: bytes, providers: Sequence[str]) -> Any:
    # Some builds count their users: nothing of a patient's hospital may go out, not even that.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=list(providers))
