"""How good the default model is: `python -m medpipe.core.ecg.evaluate`, data from MEDPIPE_DATA.

Queries are the labels' own names as text. Nothing is chosen here: the recordings of both sets come from
patients that neither training nor any choice has seen.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.default_model import DefaultModel
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import FORMS, RARE_RHYTHMS, RHYTHMS, STATEMENTS, SUBCLASSES, SUPERCLASSES, Recordings
from medpipe.core.metrics import roc
from medpipe.core.metrics.bootstrap import draw_weights

SETS: Final = ("fold9", "unseen")
LEAD_SETS: Final[Mapping[str, NDArray[np.bool_]]] = {
    "12 leads": np.ones(12, bool),
    "lead I": np.arange(12) < 1,
}
LEAST_POSITIVES: Final = 10
Array = NDArray[np.float64]
Row = dict[str, Any]


def auroc(truth: NDArray[np.floating], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve; NaN where one of the classes is empty, records of unknown truth (NaN) left out."""
    known = ~np.isnan(truth)
    return roc.auroc(truth[known].astype(np.float64), scores[known].astype(np.float64))


def macro(truth: NDArray[np.floating], scores: NDArray[np.floating]) -> float:
    """Mean AUROC over the columns that have both classes."""
    return float(np.nanmean([auroc(truth[:, k], scores[:, k]) for k in range(truth.shape[1])]))


def interval(
    truth: NDArray[np.floating], scores: NDArray[np.floating], patients: NDArray[np.int64], draws: int, seed: int
) -> tuple[float, float]:
    """95 % percentile interval of `macro` over `draws` bootstrap samples of the patients; all truth is known."""
    ranked = [roc.rank(truth[:, k].astype(np.float64), scores[:, k].astype(np.float64)) for k in range(truth.shape[1])]
    values = [
        np.nanmean([roc.weighted_areas(column, weights)[0] for column in ranked], axis=0)
        for weights in draw_weights(len(truth), draws, seed, [str(patient) for patient in patients])
    ]
    low, high = np.nanpercentile(np.concatenate(values), [2.5, 97.5])
    return float(low), float(high)


def embeddings(model: DefaultModel, recordings: Recordings, present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Embeddings [n, dim] from the leads that are `present` [12]."""
    return model.encode(recordings.x, np.tile(present, (len(recordings.x), 1)))


def zero_shot(model: DefaultModel, vectors: NDArray[np.float32], queries: Sequence[str]) -> Array:
    """Probabilities [n, queries] of the queries for embeddings [n, dim]."""
    scorer = model.scorer(queries)
    return np.stack([scorer.score(vector) for vector in vectors]).astype(np.float64)


def calibration(truth: NDArray[np.floating], chance: Array, bins: int = 10) -> tuple[float, float]:
    """Brier score and expected calibration error (bins of equal width), means over the columns."""
    brier = float(np.square(chance - truth).mean())
    errors = []
    for column in range(truth.shape[1]):
        place = np.minimum((chance[:, column] * bins).astype(int), bins - 1)
        gaps = [
            (place == k).sum() * abs(chance[place == k, column].mean() - truth[place == k, column].mean())
            for k in np.unique(place)
        ]
        errors.append(sum(gaps) / len(truth))
    return brier, float(np.mean(errors))


def synonym_changes(
    model: DefaultModel, vectors: NDArray[np.float32], recordings: Recordings, path: Path
) -> list[tuple[str, str, int, float, float]]:
    """For each line of the synonym table: label, synonym, positives, AUROC by the label's name and by the synonym."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found = []
    for row in rows:
        truth = recordings.targets([row["label"].rstrip("_")])[:, 0]
        scores = zero_shot(model, vectors, [row["name"], row["synonym"]])
        found.append((row["label"], row["synonym"], int(np.nansum(truth)), auroc(truth, scores[:, 0]),
                      auroc(truth, scores[:, 1])))  # fmt: skip
    return found


def pooled(sets: Sequence[Recordings]) -> Recordings:
    """Several sets as one."""
    return Recordings(
        np.concatenate([one.x for one in sets]),
        np.concatenate([one.patients for one in sets]),
        np.concatenate([one.folds for one in sets]),
        tuple(known for one in sets for known in one.labels),
    )


def superclass_table(model: DefaultModel, sets: Mapping[str, Recordings], draws: int, seed: int) -> list[Row]:
    """Macro AUROC of the five superclasses: baselines and the model, both sets, twelve leads and lead I."""
    from medpipe.core.ecg.baselines import fitted, spectra, untrained

    train = ptbxl.load("train")
    table: list[Row] = []
    queries = [name(concept) for concept in SUPERCLASSES]
    for leads, present in LEAD_SETS.items():
        present_ = present
        methods: dict[str, Callable[[Recordings], Array]] = {
            "constant": lambda recordings: np.zeros((len(recordings.x), len(SUPERCLASSES))),
            "ridge, spectra": fitted(spectra, train, present),
            "random encoder, linear probe": fitted(untrained(seed), train, present),
            "default model": lambda recordings, present=present_: zero_shot(  # type: ignore[misc]
                model, embeddings(model, recordings, present), queries
            ),
        }
        for method, classify in methods.items():
            for label, recordings in sets.items():
                truth, scores = recordings.targets(SUPERCLASSES), classify(recordings)
                low, high = interval(truth, scores, recordings.patients, draws, seed)
                each = {c: round(auroc(truth[:, k], scores[:, k]), 4) for k, c in enumerate(SUPERCLASSES)}
                table.append({"method": method, "leads": leads, "set": label, "auroc": round(macro(truth, scores), 4),
                              "low": round(low, 4), "high": round(high, 4), "classes": each})  # fmt: skip
    return table


def class_table(model: DefaultModel, sets: Mapping[str, Recordings], draws: int, seed: int) -> list[Row]:
    """AUROC of every finer class with enough positives, by its name as a query, twelve leads."""
    groups = {"subclass": SUBCLASSES, "form": FORMS, "rhythm": (*RHYTHMS, *RARE_RHYTHMS), "statement": STATEMENTS}
    table: list[Row] = []
    for label, recordings in sets.items():
        vectors = embeddings(model, recordings, LEAD_SETS["12 leads"])
        for group, concepts in groups.items():
            for concept in concepts:
                truth = recordings.targets([concept])
                known = ~np.isnan(truth[:, 0])
                hits = int(np.nansum(truth))
                if min(hits, known.sum() - hits) < LEAST_POSITIVES:
                    continue
                scores = zero_shot(model, vectors[known], [_query(concept)])
                low, high = interval(truth[known], scores, recordings.patients[known], draws, seed)
                table.append({"set": label, "group": group, "class": concept, "positives": hits,
                              "auroc": round(auroc(truth[known, 0], scores[:, 0]), 4), "low": round(low, 4),
                              "high": round(high, 4)})  # fmt: skip
    return table


def _query(concept: str) -> str:
    rare = {"AFLT": "atrial flutter", "PACE": "normal functioning artificial pacemaker",
            "SVTAC": "supraventricular tachycardia", "PSVT": "paroxysmal supraventricular tachycardia"}  # fmt: skip
    return rare[concept] if concept in rare else name(concept)


def report(model: DefaultModel, synonyms: Path | None, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """All tables as one JSON-like object."""
    sets = {label: ptbxl.load(label) for label in SETS}
    found: dict[str, Any] = {"sha256": model.sha256, "draws": draws, "seed": seed}
    found["superclasses"] = superclass_table(model, sets, draws, seed)
    found["classes"] = class_table(model, sets, draws, seed)
    queries = [name(concept) for concept in SUPERCLASSES]
    quality = {}
    for label, recordings in sets.items():
        vectors = embeddings(model, recordings, LEAD_SETS["12 leads"])
        brier, error = calibration(recordings.targets(SUPERCLASSES), zero_shot(model, vectors, queries))
        quality[label] = {"brier": round(brier, 4), "ece": round(error, 4)}
    found["calibration"] = quality
    if synonyms is not None:
        both = pooled(list(sets.values()))
        changes = synonym_changes(model, embeddings(model, both, LEAD_SETS["12 leads"]), both, synonyms)
        gaps = [abs(own - other) for *_, own, other in changes]
        found["synonyms"] = {"count": len(gaps), "median": round(float(np.nanmedian(gaps)), 4),
                             "mean": round(float(np.nanmean(gaps)), 4), "rows": changes}  # fmt: skip
    return found


def printed(found: Mapping[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"bootstrap by patient, {found['draws']} draws, seed {found['seed']}",
        "",
        "macro AUROC, five superclasses",
    ]
    for row in found["superclasses"]:
        each = "  ".join(f"{c} {value:.3f}" for c, value in row["classes"].items())
        lines.append(f"{row['method']:29} {row['leads']:9} {row['set']:7} {row['auroc']:.3f} "
                     f"[{row['low']:.3f}, {row['high']:.3f}]  {each}")  # fmt: skip
    lines += ["", f"default model, 12 leads, classes with at least {LEAST_POSITIVES} positives"]
    for row in found["classes"]:
        lines.append(f"{row['set']:7} {row['group']:9} {row['class']:10} n+ {row['positives']:4d}  {row['auroc']:.3f} "
                     f"[{row['low']:.3f}, {row['high']:.3f}]")  # fmt: skip
    lines += ["", "calibration, five superclasses: " + json.dumps(found["calibration"])]
    if "synonyms" in found:
        gaps = found["synonyms"]
        lines += ["", f"synonyms: {gaps['count']}, median change {gaps['median']}, mean {gaps['mean']}"]
        for label, synonym, hits, own, other in gaps["rows"]:
            lines.append(f"{label:8} {synonym:48} n+ {hits:3d}  {own:.3f} -> {other:.3f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=None, help="folder of the checkpoint; the shipped one")
    parser.add_argument("--synonyms", type=Path, default=None, help="table: label, name, synonym (tab-separated)")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the figures there too")
    options = parser.parse_args(arguments)
    found = report(DefaultModel.load(options.model), options.synonyms, options.draws, options.seed)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(printed(found))


if __name__ == "__main__":
    main()
