"""The model card of the default checkpoint, from its description and the figures of `evaluate --json`.

`python -m medpipe.core.ecg.model_card --metrics FILE [--model DIR]` writes MODEL_CARD.md and puts the
figures into `checkpoint.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from medpipe.core.ecg.default_model import DESCRIPTION, FOLDER
from medpipe.core.errors import ModelError

CARD: Final = "MODEL_CARD.md"
_SET: Final = {"fold9": "fold 9", "unseen": "other unseen patients"}

_TEXT: Final = """# {name}

The ECG model that ships with medpipe. It reads up to ten seconds of any one to twelve of the standard leads,
at any rate, and gives an embedding of {dim} numbers; any English text is a query, scored as a probability.
sha256 of the model files together: `{sha256}`.

It is a research tool. **It is not a medical device** and must not be used for diagnosis or treatment.

## How it works

- Preprocessing (`core/ecg/preprocess_default.py`): 100 Hz, 0.5 to 40 Hz without phase shift, every lead with mean 0
  and standard deviation 1 in the window. Voltages are therefore lost. Shorter windows are padded, the padding masked.
- Encoder (`ecg.onnx`, {network_kb} kB, weights as float16; `core/ecg/lead_net.py`): residual convolutions over the
  leads that are present, and an autocorrelation branch for the rhythm. Absent leads do not reach the result.
- Text tower (`text.safetensors`, `tokenizer.json`): the sentence embedder all-MiniLM-L6-v2, its weights packed to four
  bits and its vocabulary cut, untrained otherwise.
- Query head (`queries.safetensors`): a text's vector becomes shares of {concepts} known concepts; its classifier is the
  sum of theirs, weighted so. A score is linear in the embedding before the logistic function, and depends on no other
  query. Texts about nothing here score low.

## Data and licences

- The checkpoint is under Apache-2.0, as medpipe is.
- Trained on {train} recordings of PTB-XL (folds 1 to 8; band-passed, z-scored, 100 Hz), with its statements as labels:
  P. Wagner, N. Strodthoff, R.-D. Bousseljot, D. Kreiseler, F. I. Lunze, W. Samek, T. Schaeffter, "PTB-XL, a large
  publicly available electrocardiography dataset", Scientific Data 7:154 (2020), CC BY 4.0. The recordings were
  filtered, scaled and augmented; the authors endorse none of this.
- Text weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, changed as said above.
- Phrases that teach the conditions were written for medpipe (`core/ecg/phrases.py`).

## Figures

Queries are the labels' own names as text. Fold 9: 183 recordings of 183 patients. Other unseen patients: 400 raw
recordings of 377 patients that the training data do not hold, through the model's own preprocessing. A diagnosis
counts whatever its likelihood, as in the label tables of MERL. Every network choice was made within the training
folds. Brackets: 95 % intervals from {draws} bootstrap samples of the patients, seed {seed}.

Macro AUROC of NORM, MI, STTC, CD and HYP:

{superclasses}

The default model by class, 12 leads:

{by_class}

Finer classes with at least 10 positives, 12 leads:

{classes}

Calibration of the five superclasses (12 leads): {calibration}. The scale and offset of each concept come from
cross-fitted scores of the training recordings, none from these sets.

Synonyms ({synonyms} spellings of 32 conditions that no training text holds, both sets pooled): the AUROC changes by
{median} in the median and by {mean} in the mean against the label's own name.

## Limits

- About 1,400 recordings are few: rare conditions are weak, and those with a handful of training recordings (right
  ventricular hypertrophy, long QT, WPW, bigeminy, incomplete left bundle branch block) are hardly learnt.
- Atrial flutter, pacing, second and third degree AV block and posterior infarction had no or next to no recordings to
  learn from; such queries borrow the classifier of the nearest concept (`BORROWED` in `core/ecg/phrases.py`).
- Voltages are lost: low voltage and voltage criteria cannot be told, and hypertrophy is judged by shape alone.
- Negation and combination ("no atrial fibrillation", "A but not B") are not understood; English only.
- One source of recordings, from 1989 to 1996, adults mostly. Probabilities are calibrated for its frequencies:
  elsewhere the levels will be off.
- Short windows and single leads give less; the table says how much for lead I.

## To reproduce

```
pip install medpipe[train]
MEDPIPE_DATA=... python -m medpipe.core.ecg.train_default --out DIR --seed {train_seed}
MEDPIPE_DATA=... python -m medpipe.core.ecg.evaluate --model DIR --synonyms tests/data/synonyms.tsv \\
    --json DIR/metrics.json
python -m medpipe.core.ecg.model_card --model DIR --metrics DIR/metrics.json
```
"""


def card(description: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The text of the card. Raises ModelError when the figures belong to other weights."""
    if found["sha256"] != description["sha256"]:
        raise ModelError("these figures belong to another checkpoint: run evaluate again")
    training, synonyms = description["training"], found["synonyms"]
    quality = "; ".join(
        f"{_SET[name]} Brier {one['brier']:.3f}, ECE {one['ece']:.3f}" for name, one in found["calibration"].items()
    )
    return _TEXT.format(
        name=description["name"], dim=description["dim"], sha256=description["sha256"],
        network_kb=description["files"]["ecg.onnx"]["bytes"] // 1000, concepts=training["plan"]["concepts"],
        train=training["recordings"], draws=found["draws"], seed=found["seed"], train_seed=training["plan"]["seed"],
        superclasses=_superclasses(found["superclasses"]), by_class=_by_class(found["superclasses"]),
        classes=_classes(found["classes"]), calibration=quality, synonyms=synonyms["count"],
        median=synonyms["median"], mean=synonyms["mean"],
    )  # fmt: skip


def _superclasses(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| method | leads | " + " | ".join(_SET.values()) + " |", "| --- | --- | --- | --- |"]
    for leads in dict.fromkeys(row["leads"] for row in rows):
        for method in dict.fromkeys(row["method"] for row in rows):
            cells = [_cell(row) for row in rows if row["leads"] == leads and row["method"] == method]
            lines.append(f"| {method} | {leads} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_class(rows: Sequence[Mapping[str, Any]]) -> str:
    own = [row for row in rows if row["method"] == "default model" and row["leads"] == "12 leads"]
    lines = ["| set | " + " | ".join(own[0]["classes"]) + " |", "| --- |" + " --- |" * len(own[0]["classes"])]
    lines += [
        f"| {_SET[row['set']]} | " + " | ".join(f"{v:.3f}" for v in row["classes"].values()) + " |" for row in own
    ]
    return "\n".join(lines)


def _classes(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| set | group | class | positives | AUROC |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {_SET[r['set']]} | {r['group']} | {r['class']} | {r['positives']} | {_cell(r)} |" for r in rows]
    return "\n".join(lines)


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['auroc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the card and the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder of the checkpoint; the shipped one")
    parser.add_argument("--metrics", type=Path, required=True, help="what evaluate --json wrote")
    options = parser.parse_args(arguments)
    path = options.model / DESCRIPTION
    description = json.loads(path.read_text(encoding="utf-8"))
    found = json.loads(options.metrics.read_text(encoding="utf-8"))
    (options.model / CARD).write_text(card(description, found), encoding="utf-8")
    description["metrics"] = {key: found[key] for key in ("superclasses", "calibration", "draws", "seed")}
    description["metrics"]["synonyms"] = {key: found["synonyms"][key] for key in ("count", "median", "mean")}
    path.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
