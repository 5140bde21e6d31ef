"""Between records and the entities of their reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from medpipe.cli.exits import BAD_STREAM, GOOD, NO_STREAM, UNAVAILABLE, USAGE, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.load import load
from medpipe.cli.options import RunOptions
from medpipe.cli.process import Transform, one_by_one
from medpipe.cli.publish import write_whole
from medpipe.cli.runner import Job, run_job
from medpipe.cli.target import HDF5_SUFFIXES
from medpipe.core.errors import InputError, ModelError
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

# HDF5 keeps attributes below 64 KiB.
_LONGEST_ATTRIBUTE = 60_000
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ExtractRun:
    """Which text to read, and who reads it."""

    report: list[str]
    model: str | None
    base_url: str | None
    confirm: bool
    cache: str | None


def run_extract(command: str, run: RunOptions, wanted: ExtractRun) -> int:
    """ecg-entities extract; the exit code."""
    results = {key: value for key, value in asdict(wanted).items() if key != "cache"}
    name = f"{command} extract"
    return run_job(Job(name, run, lambda: _extraction(wanted, run.device), results, columns=tuple(wanted.report)))


def _extraction(wanted: ExtractRun, device: str) -> tuple[Transform, str]:
    from medpipe.core.ecg.reports.extractor import open_extractor

    cache = None if wanted.cache is None else Path(wanted.cache)
    try:
        extractor = open_extractor(wanted.base_url, wanted.model, device, cache, wanted.confirm)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None

    def read(record: Record) -> Iterable[Record]:
        text = report_text(record, wanted.report)
        try:
            found = extractor.extract(text)
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        made: Record = {"entities": [entity.record(text) for entity in found.entities]}
        if found.language:
            made["language"] = found.language
        if found.dropped:
            made["entities_dropped"] = found.dropped
        kept = {key: value for key, value in record.items() if not _is_report(key, wanted.report)}
        return [{**kept, "report": text, **made}]

    return one_by_one(read), extractor.name.replace(" ", ",")


def report_text(record: Record, names: list[str]) -> str:
    """The text under the names, joined by full stops where there are several; FormatError when there is none."""
    parts = [record[key] for name in names for key in record if _is_report(key, [name])]
    if not parts:
        raise FormatError("no-report", f"the record has no {', '.join(names)}; --report names the key of the text")
    if not all(isinstance(part, str) or part is None for part in parts):
        raise FormatError("bad-value", f"{', '.join(names)}: a report is a text")
    texts = [part.strip() if len(parts) > 1 else part for part in parts if part and part.strip()]
    return ". ".join(text.rstrip(".") for text in texts) + "." if len(texts) > 1 else "".join(texts)


def _is_report(key: str, names: list[str]) -> bool:
    return any(key == name or (name.endswith("*") and key.startswith(name[:-1])) for name in names)


def write_vocabulary(streams: list[str], least: int, most: int | None, cosine: float, output: str, quiet: bool) -> int:
    """ecg-entities vocabulary; the exit code."""
    import numpy as np

    from medpipe.core.ecg.default_model import open_text_tower
    from medpipe.core.ecg.reports.vocabulary import FORMAT, Counts, cut, digest, merge

    counts = Counts()
    errors = _each(streams, lambda record: counts.add(entities_of(record)))
    terms = counts.terms()
    tower = open_text_tower()
    if cosine < 1:
        merged = counts.once(merge(terms, lambda names: np.stack([*map(tower.encode, names)]), cosine))
    else:
        merged = terms
    kept = cut(merged, least, most)
    if not kept:
        raise Fatal(BAD_STREAM, f"no entity is claimed by {least} of {counts.reports} reports; --min-count")
    names = [term.name for term in kept]
    facts = {
        "format": FORMAT, "digest": digest(names), "reports": counts.reports, "errors": errors,
        "options": {"min_count": least, "top": most, "merge": cosine}, "names": len(terms), "merged": len(merged),
        "entities": [term.record() for term in kept],
    }  # fmt: skip
    write_whole(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), output)
    if not quiet:
        said = f"{counts.reports} reports, {len(terms)} names, {len(merged)} after merging, {len(kept)} kept"
        print(f"ecg-entities: {said}" + (f"; {errors} error records left out" if errors else ""), file=sys.stderr)
        for term in kept[:_SHOWN]:
            print(f"  {term.present:>8}  {term.name}", file=sys.stderr)
    return GOOD


def _each(streams: list[str], use: Callable[[Record], None]) -> int:
    """Every record of the streams to `use`; how many error records there were. Fatal 65 and 66."""
    for path in streams:
        if path != "-" and not Path(path).is_file():
            raise Fatal(NO_STREAM, f"{path}: no such file")
    options, errors = InputOptions(streams), 0
    try:
        for item in enumerate_items(options):
            record = load(item, ReadOptions(), keep_source=False)[0]
            errors += "error" in record
            if "error" not in record:
                use(record)
    except (FormatError, InputError) as error:
        raise Fatal(BAD_STREAM, f"{item.path}: {error}") from None
    finally:
        options.close()
    return errors


def entities_of(record: Record) -> list[dict[str, Any]]:
    """The entities of a record; FormatError when it has none of the right form."""
    found = record.get("entities")
    if not isinstance(found, list):
        raise FormatError("no-entities", f"{record['id']} has no entities; ecg-entities extract finds them")
    for one in found:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise FormatError("bad-value", f"{record['id']}: an entity has no name")
        if one.get("status") not in ("present", "absent", "uncertain"):
            raise FormatError("bad-value", f"{record['id']}: an entity is present, absent or uncertain")
    return found


def run_targets(command: str, run: RunOptions, vocabulary: str, uncertain: int) -> int:
    """ecg-entities targets; the exit code."""
    from medpipe.core.ecg.reports.vocabulary import digest, multi_hot

    terms = read_vocabulary(vocabulary)
    names = [str(term["name"]) for term in terms]
    places = {name: place for place, term in enumerate(terms) for name in (term["name"], *term.get("merged", ()))}
    said = digest(names)

    def made(record: Record) -> Iterator[Record]:
        kept = {key: value for key, value in record.items() if key not in ("entities", "report")}
        yield {**kept, "vocabulary": said, "targets": multi_hot(entities_of(record), places, len(names), uncertain)}

    listed = "\n".join(names)
    size = len(listed.encode())
    if Path(run.output).suffix in HDF5_SUFFIXES and size > _LONGEST_ATTRIBUTE:
        raise Fatal(
            USAGE,
            f"the names of --vocabulary take {size} bytes, of which {run.output} can hold {_LONGEST_ATTRIBUTE}: "
            "make it smaller by ecg-entities vocabulary --top or --min-count",
        )
    attributes = {"target_names": listed}
    results = {"vocabulary": said, "uncertain": uncertain}
    return run_job(Job(f"{command} targets", run, lambda: (one_by_one(made), ""), results, attributes=attributes))


def read_vocabulary(path: str) -> list[dict[str, Any]]:
    """The terms of a vocabulary file; Fatal 65 and 66."""
    try:
        facts = orjson.loads(Path(path).read_bytes())
        terms = facts["entities"]
        if not terms or not all(isinstance(term["name"], str) for term in terms):
            raise TypeError
    except OSError as error:
        raise Fatal(NO_STREAM, f"--vocabulary {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise Fatal(BAD_STREAM, f"--vocabulary {path}: no vocabulary of ecg-entities, or an empty one") from None
    return list(terms)
