"""The run of a record-to-record command: inputs through workers to an output, whatever happens on the way."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import typer

from medpipe.cli.exits import GOOD, SOME_FAILED, Fatal, Interrupted
from medpipe.cli.inputs import InputOptions, Item, enumerate_items
from medpipe.cli.options import OnError, RunOptions, parse_shard
from medpipe.cli.output import Output, State
from medpipe.cli.process import Done, Encode, Processor, Transform
from medpipe.cli.report import Report
from medpipe.cli.signals import StopRequest, ignore
from medpipe.cli.target import Target, choose
from medpipe.cli.workers import Pool
from medpipe.core import __version__
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

# Items handed to a worker at once: one at first, for an answer at once, then more, to spare the pipes.
_CHUNKS = (1, 1, 2, 4, 8, 16)
# An input that was waited for so long goes on its way alone.
_PATIENCE_SECONDS = 0.05


@dataclass(slots=True)
class Job:
    """What a command hands to the runner.

    `prepare` gives the transform and a word on the model for `via`, or what finds it for a record, and for None the
    model that the options name, empty for none; it runs once in each worker, models are loaded there. `results` are
    the command's own options that change what comes out.
    """

    command: str
    run: RunOptions
    prepare: Callable[[], tuple[Transform, str | Callable[[Record | None], str]]]
    results: dict[str, Any] = field(default_factory=dict)
    refs: str | None = None
    head: int | None = None
    check: bool = False
    folders: bool = False
    runs: bool = False  # windows of a run go together
    columns: tuple[str, ...] | None = None  # of CSV files whose rows are records
    read: ReadOptions | None = None  # of files, where more than --fs decides
    attributes: dict[str, str] = field(default_factory=dict)  # of an HDF5 output
    target: Target | None = None  # where it is not for `-o` alone to say
    said: set[str] | None = None  # messages on failures that jobs of one command say once

    def digest(self) -> str:
        """Stands for everything that changes results, but for which inputs there are."""
        facts = [self.command, self.run.results(), self.results]
        return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]

    def processor(self, encode: Encode) -> Processor:
        """What a worker runs."""
        transform, model = self.prepare()
        digest = self.digest()

        def via(record: Record) -> str:
            name = model if isinstance(model, str) else model(record)
            said = f" model={name}" if name else ""
            return f"{self.command} {__version__}{said} options={digest}"

        return Processor(
            command=self.command,
            transform=transform,
            via=via,
            encode=encode,
            read=self.read or ReadOptions(self.run.fs),
            keep_source=self.run.source,
            on_error=str(self.run.on_error),
            sharded=self.run.shard is not None,
            debug=self.run.verbose > 1,
            model=model if isinstance(model, str) else model(None),
        )

    def resume_digest(self, model: str) -> str:
        """Stands for this very run, by this model: a state with another digest cannot be gone on from."""
        run = self.run
        facts = [self.digest(), run.inputs, run.files_from, run.shard, run.batch_size, self.refs, self.head, model]
        return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def run_job(job: Job) -> int:
    """Run to the end, or to a signal; the exit code. Raises Fatal and BrokenPipeError."""
    options = input_options(job.run, job.columns, pictures=job.read is not None and job.read.pictures)
    target = job.target or choose(job.run.output, job.refs, check=job.check, folders=job.folders)
    if job.run.resume and target.path is None and not job.check:
        raise typer.BadParameter("--resume needs -o FILE: a pipe keeps no state")
    if job.run.resume and target.complete():
        return _complete(job, target, options)
    options.runs, options.series = job.runs, job.read is not None and job.read.series
    stop = StopRequest()
    stop.install()
    pool = Pool(lambda: job.processor(target.encode), job.run.worker_count)
    try:
        output = target.open(
            job.command, job.digest(), job.resume_digest(pool.model), resume=job.run.resume, attributes=job.attributes
        )
        return _run(job, options, stop, pool, output)
    finally:
        pool.close()
        options.close()


def _complete(job: Job, target: Target, options: InputOptions) -> int:
    """What a run says, and ends with, whose output an earlier one has finished."""
    from medpipe.cli.finished import Made, failures

    skipped = job.run.on_error != OnError.record
    # Another model may stand under the same name by now: opened where the run would, two workers for the most.
    pool = Pool(lambda: job.processor(target.encode), min(job.run.worker_count, 2))
    try:
        made = Made(job.command, job.digest(), pool.model)
        failed = failures(str(target.path), made, options, skipped=skipped, head=job.head)
    finally:
        pool.close()
        options.close()
    told = f", with {failed} failed input{'' if failed == 1 else 's'} in it" if failed else ""
    if not job.run.quiet:
        print(f"{job.command}: {job.run.output} is complete already{told}", file=sys.stderr)
    return SOME_FAILED if failed else GOOD


def _run(job: Job, options: InputOptions, stop: StopRequest, pool: Pool, output: Output) -> int:
    files = options.files_from is None and "-" not in options.inputs and len(options.inputs) > 1
    report = Report(job.command, job.run, len(options.inputs) if files else None, job.said)
    end = _Loop(job, pool, output, report, stop).over(
        _chunks(enumerate_items(options), output.state, stop, (1,) if job.runs else _CHUNKS)
    )
    if end is None and stop.asked:
        end = "stopped"
    if end in ("stopped", "failed"):
        output.suspend()
        report.end(output.state, complete=False)
        return stop.exit_code if end == "stopped" else SOME_FAILED
    # The last pass is this process's alone: the workers' memory is given back before it.
    pool.close()
    output.finish()
    # The output is there: a signal from here on must not make the run look as if it were not.
    ignore()
    report.end(output.state, complete=True, check=job.check)
    return SOME_FAILED if output.state.failed else GOOD


def input_options(run: RunOptions, columns: tuple[str, ...] | None = None, *, pictures: bool = False) -> InputOptions:
    """The inputs as the shared options name them; Fatal 2 when there is none and nothing is piped in."""
    inputs = run.inputs or []
    if not inputs and run.files_from is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise Fatal(2, "no input: give files, or pipe a stream in (--help shows how)")
        inputs = ["-"]
    shard = parse_shard(run.shard) if run.shard is not None else None
    return InputOptions(inputs, run.files_from, run.null, run.id_scheme, shard, columns, pictures)


def _chunks(
    items: Iterator[Item], state: State, stop: StopRequest, growing: tuple[int, ...] = _CHUNKS
) -> Iterator[list[Item]]:
    """Items in chunks, those already done passed over; ends early when a signal comes."""
    chunk: list[Item] = []
    # The state runs on with what comes of the chunks.
    done, within = state.done, state.within
    sizes = iter(growing)
    size = next(sizes)
    try:
        while True:
            with stop.waiting():
                asked = time.monotonic()
                item = next(items, None)
            if item is None:
                break
            if done:
                done -= 1
                continue
            chunk.append(item._replace(skip=within) if within else item)
            within = 0
            if len(chunk) >= size or time.monotonic() - asked > _PATIENCE_SECONDS:
                yield chunk
                chunk, size = [], next(sizes, size)
    except Interrupted:
        return
    if chunk:
        yield chunk


@dataclass(slots=True)
class _Loop:
    job: Job
    pool: Pool
    output: Output
    report: Report
    stop: StopRequest

    def over(self, chunks: Iterator[list[Item]]) -> str | None:
        """Through every chunk: None, or `failed` or `head` when the run ends before its inputs do."""
        for chunk in chunks:
            if end := self._take(self.pool.submit(chunk)):
                return end
        return self._take(self.pool.drain())

    def _take(self, batches: Iterator[list[Done]]) -> str | None:
        for batch in batches:
            kept, end = self._kept(batch)
            self.output.write(kept)
            failed = batch[len(kept)]._replace(more=False) if end == "failed" else None
            self.report.note([*kept, failed] if failed else kept)
            if end:
                return end
            # What is left of the inputs in hand is not waited for.
            if self.stop.asked and kept:
                return "stopped"
        return None

    def _kept(self, batch: list[Done]) -> tuple[list[Done], str | None]:
        """What of a batch goes out: all of it, or what stands before a failure or within --head."""
        head, written = self.job.head, self.output.written
        kept: list[Done] = []
        for done in batch:
            if done.failure and self.job.run.on_error == "fail":
                return kept, "failed"
            if head is not None and written + len(done.lines) >= head:
                kept.append(done.first(head - written))
                return kept, "head"
            kept.append(done)
            written += len(done.lines)
        return kept, None
