"""The benchmark run: every set and subset of leads scored by the runner, then measured together."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import typer

from medpipe.cli.benchmark_sets import LABELS, SETS, SPLITS, BenchmarkSet, read_set
from medpipe.cli.ecg_options import batch_size
from medpipe.cli.exits import BAD_STREAM, GOOD, NO_STREAM, SOME_FAILED, Fatal
from medpipe.cli.inputs import InputOptions, places
from medpipe.cli.options import RunOptions
from medpipe.cli.predictions import Predictions, read_predictions
from medpipe.cli.process import Outcome
from medpipe.cli.publish import make_folder, write_whole
from medpipe.cli.queries import collect_queries
from medpipe.cli.runner import Job, run_job
from medpipe.core import __version__
from medpipe.core.ecg.benchmark_classes import class_names
from medpipe.core.metrics.estimates import Row
from medpipe.core.metrics.labels import LabelMetrics, compare_labels, score_labels
from medpipe.formats.jsonl import Record
from medpipe.formats.leads import STANDARD_12, canonical_lead

_LIMB = STANDARD_12[:6]
# Of CPSC2018, MERL reads the first 2500 samples, and pads.
_MERL_CPSC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What to evaluate, on what, and how."""

    splits: str
    folders: dict[str, str]
    sets: list[str]
    split: str
    labels: str
    subsets: str
    model: dict[str, Any]
    missing: str
    queries: str | None
    seen: str | None
    against: str | None
    output: str
    jobs: int | None
    device: str
    draws: int
    seed: int
    table: bool
    quiet: bool

    def wanted(self) -> list[str]:
        """The sets to run; BadParameter for unknown ones, or those without a folder."""
        unknown = [name for name in self.sets if name not in SETS]
        if unknown:
            raise typer.BadParameter(f"--sets {', '.join(unknown)}: there are {', '.join(SETS)}")
        chosen = self.sets or [name for name, (source, _) in SETS.items() if source in self.folders]
        missing = sorted({source for name in chosen if (source := SETS[name][0]) not in self.folders})
        if missing or not chosen:
            raise typer.BadParameter(f"no folder of recordings: give {' '.join(f'--{one}' for one in missing or SETS)}")
        return chosen

    def check(self) -> None:
        """Usage errors."""
        for option, value, known in (("--part", self.split, SPLITS), ("--labels", self.labels, LABELS)):
            if value not in known:
                raise typer.BadParameter(f"{option} {value}: there are {', '.join(known)}")


def lead_subsets(text: str) -> dict[str, list[str]]:
    """Subsets by name: `12` and `limb6` stand for their leads, no list for all of them. BadParameter."""
    known = {"12": [], "limb6": list(_LIMB)}
    found: dict[str, list[str]] = {}
    for part in (one.strip() for one in text.split(";")):
        leads = known[part] if part in known else _named_leads(part)
        if not part or not set(leads) <= set(STANDARD_12):
            raise typer.BadParameter(f"--lead-subsets {part or text!r}: no subset of {', '.join(STANDARD_12)}")
        if len(set(leads)) < len(leads):
            raise typer.BadParameter(f"--lead-subsets {part!r}: a lead is in it twice")
        found["I,II,V1-V6" if leads == [*STANDARD_12[:2], *STANDARD_12[6:]] else part] = leads
    return found


def _named_leads(part: str) -> list[str]:
    """Names between commas, `V1-V6` for all between."""
    leads: list[str] = []
    for name in part.split(","):
        span = re.fullmatch(r"\s*V([1-6])-V([1-6])\s*", name, re.IGNORECASE)
        between = [f"V{place}" for place in range(int(span[1]), int(span[2]) + 1)] if span else []
        leads += between or [canonical_lead(name)]
    return leads


def run_benchmark(command: str, run: Benchmark) -> int:
    """Score and measure; the exit code."""
    run.check()
    subsets, folder = lead_subsets(run.subsets), Path(run.output)
    seen = _seen(run)
    if run.split == "train" and "ptbxl" in run.folders and _is_default(run) and not run.quiet:
        print(
            f"{command}: the default model has learnt from PTB-XL's folds 1 to 8, which are this part", file=sys.stderr
        )
    failed = False
    said: set[str] = set()
    rows: list[dict[str, Any]] = []
    tables: list[str] = []
    sets = _read(run, subsets)
    make_folder(str(folder / "metrics.jsonl"))
    for name, (one, queries) in sets.items():
        for subset, leads in subsets.items():
            path = folder / f"{name}.{subset}.jsonl"
            failed |= _predict(command, run, one, queries, leads, path, said) != GOOD
            # Beside the predictions that it belongs to: a run that is refused leaves the earlier one's.
            one.write_truth(folder / f"{name}.truth.csv")
            made = _measure(run, one, path, seen)
            tables.append(f"{name}, {subset} leads\n{made.table()}")
            facts = {"set": name, "leads": subset, "split": run.split, "labels": run.labels}
            rows += [{**row, "id": f"{name}/{subset}/{row['id']}", **facts} for row in made.records()]
    _write(command, run, folder, rows, tables)
    return SOME_FAILED if failed else GOOD


def _read(run: Benchmark, subsets: dict[str, list[str]]) -> dict[str, tuple[BenchmarkSet, dict[str, str]]]:
    """Every set with its queries, and a look for the other run's predictions, before hours of scoring. Fatal."""
    found = {}
    for name in run.wanted():
        folder = Path(run.folders[SETS[name][0]])
        found[name] = read_set(name, Path(run.splits), folder, run.split, run.labels), _queries(run, name)
        for subset in subsets if run.against is not None else ():
            other = Path(str(run.against)) / f"{name}.{subset}.jsonl"
            if not other.is_file():
                raise Fatal(NO_STREAM, f"--against: {other}: no such file")
    return found


def _queries(run: Benchmark, name: str) -> dict[str, str]:
    """Class to prompt; Fatal 65 when the user's file leaves one out."""
    words = class_names(name)
    if run.queries is None:
        return dict(words)
    given = collect_queries(None, run.queries)
    absent = [one for one in words if one not in given]
    if absent:
        raise Fatal(BAD_STREAM, f"--queries {run.queries}: no prompt for {', '.join(absent[:8])} of {name}")
    return {one: given[one] for one in words}


def _seen(run: Benchmark) -> set[str] | None:
    """Classes and their words that training knew: those of the file, of the default model, or nobody knows."""
    if run.seen is not None:
        try:
            return {line.strip().lower() for line in Path(run.seen).read_text("utf-8").splitlines() if line.strip()}
        except (OSError, UnicodeDecodeError) as error:
            raise Fatal(NO_STREAM, f"--seen {run.seen}: {error}") from None
    if _is_default(run):
        from medpipe.core.ecg.phrases import taught

        return {phrase.lower() for phrase, concepts in taught() if concepts}
    return None


def _is_default(run: Benchmark) -> bool:
    return run.model["arch"] is None and run.model["model"] in (None, "default")


def _is_seen(name: str, group: str, seen: set[str]) -> bool:
    return name.lower() in seen or class_names(group)[name].lower() in seen


def _predict(
    command: str, run: Benchmark, one: BenchmarkSet, queries: dict[str, str], leads: list[str], path: Path,
    said: set[str],
) -> int:  # fmt: skip
    """The scores of a set by the leads, into `path`, going on where an earlier run stopped; the exit code.

    What `said` holds of failures is not said again.
    """
    listing = path.with_suffix(".list")
    write_whole(os.fsencode("".join(f"{place}\n" for place in one.paths)), str(listing))
    shared = RunOptions(
        files_from=str(listing), output=str(path), jobs=run.jobs, device=run.device, resume=True, id_scheme="stem",
        quiet=run.quiet,
    )  # fmt: skip
    settings: dict[str, Any] = {
        "model": run.model,
        "queries": queries,
        "top": None,
        "attn": False,
        "tokens": False,
        "leads": leads,
        "missing": run.missing,
        "segment": None,
        "keep_arrays": False,
    }
    # Another copy of the data set has recordings of the same names.
    recordings = places(InputOptions([run.folders[SETS[one.name][0]]]))
    cut = run.model["preset"] == "merl" and one.name == "cpsc"

    def prepare() -> Any:
        from medpipe.cli.ecg_scoring import Scoring
        from medpipe.cli.ecg_select import cut as cut_record
        from medpipe.core.ecg.encoder import label

        scoring = Scoring(command, queries, settings, run.device, batch_size(None, run.device))

        def transform(records: Sequence[Record]) -> Iterable[Outcome]:
            return scoring.transform([cut_record(one, None, _MERL_CPSC_SECONDS) for one in records] if cut else records)

        return transform, label(scoring.own().encoder)

    try:
        return run_job(Job(command, shared, prepare, settings | {"cut": cut, "recordings": recordings}, said=said))
    except Fatal as fatal:
        raise Fatal(fatal.code, fatal.message.replace("start over without --resume", "name another folder")) from None


def _measure(run: Benchmark, one: BenchmarkSet, path: Path, seen: set[str] | None) -> LabelMetrics:
    """Metrics of a set's predictions, or their difference from another run's; seen and unseen classes apart."""
    streams = [read_predictions(str(path))]
    if run.against is not None:
        streams.append(read_predictions(str(Path(run.against) / path.name)))
    scored = set.intersection(*(set(stream.ids) for stream in streams))
    rows = [row for row, ident in enumerate(one.ids) if ident in scored]
    common = [one.ids[row] for row in rows]
    labels = one.labels[rows].astype(np.float32)
    scores = [_ordered(stream, common, one.classes) for stream in streams]
    patients = [one.patients[row] for row in rows]

    def measured(columns: list[int]) -> LabelMetrics:
        names = [one.classes[column] for column in columns]
        options: dict[str, Any] = {"clusters": patients, "draws": run.draws, "seed": run.seed}
        chosen = [side[:, columns] for side in scores]
        if len(chosen) == 1:
            return score_labels(labels[:, columns], chosen[0], names, **options)
        return compare_labels(labels[:, columns], chosen[0], chosen[1], names, **options)

    made = measured(list(range(len(one.classes))))
    for said, known in (("seen", True), ("unseen", False)) if seen is not None else ():
        columns = [place for place, name in enumerate(one.classes) if _is_seen(name, one.name, seen or set()) == known]
        if columns:
            made.rows += [_renamed(row, said) for row in measured(columns).rows if row.id.startswith("macro:")]
    return made


def _renamed(row: Row, said: str) -> Row:
    return Row(row.id.replace("macro:", f"macro:{said}-"), row.facts, row.estimates, row.thresholds)


def _ordered(stream: Predictions, ids: list[str], classes: list[str]) -> Any:
    absent = [name for name in classes if name not in stream.names]
    if absent:
        raise Fatal(BAD_STREAM, f"predictions without a score for {', '.join(absent[:5])}: of another run?")
    place = {ident: row for row, ident in enumerate(stream.ids)}
    return stream.scores[[place[ident] for ident in ids]][:, [stream.names.index(name) for name in classes]]


def _write(command: str, run: Benchmark, folder: Path, rows: list[dict[str, Any]], tables: list[str]) -> None:
    via = f"{command} {__version__} draws={run.draws} seed={run.seed} by=patient"
    lines = b"".join(orjson.dumps({**row, "via": [via]}, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    write_whole(lines, str(folder / "metrics.jsonl"))
    shown = "\n\n".join(tables) + "\n"
    write_whole(shown.encode() if run.table else lines, "-")
    if not run.table and not run.quiet:
        print(shown, file=sys.stderr, end="")
