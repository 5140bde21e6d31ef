"""Worker processes: batches out in order, results back in order, a bounded number on the way."""

from __future__ import annotations

import gc
import marshal
import multiprocessing
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import NoReturn

from medpipe.cli.exits import SOFTWARE, Fatal
from medpipe.cli.inputs import Item
from medpipe.cli.process import Done, Processor
from medpipe.cli.signals import ignore

_DEPTH = 2
Build = Callable[[], Processor]


class Pool:
    """`jobs` processes, or this one when `jobs` is 1; `model` is what they have opened."""

    def __init__(self, build: Build, jobs: int) -> None:
        self._local = build() if jobs == 1 else None
        self.model = self._local.model if self._local is not None else ""
        self._links: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._waiting: deque[int] = deque()
        self._next = 0
        if jobs > 1:
            self._start(build, jobs)

    def _start(self, build: Build, jobs: int) -> None:
        # Fork keeps the options as they are; the heavy libraries are imported after it, in the workers.
        context = multiprocessing.get_context("fork")
        # What is there now stays: a collector that looked at it would copy the shared pages into every worker.
        gc.freeze()
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            inherited = [*self._links, ours]
            process = context.Process(target=_work, args=(theirs, inherited, build), daemon=True)
            process.start()
            theirs.close()
            self._links.append(ours)
            self._processes.append(process)
        for link in self._links:
            self._ready(link)
        gc.freeze()

    def _ready(self, link: Connection) -> None:
        try:
            failure, self.model = marshal.loads(link.recv_bytes())
        except (EOFError, OSError):
            self._died()
        if failure is not None:
            self.close()
            raise Fatal(*failure)

    def submit(self, items: list[Item]) -> Iterator[list[Done]]:
        """Hand out a batch, and give what has been finished meanwhile, in the order of handing out."""
        if self._local is not None:
            yield from self._local(items)
            return
        while len(self._waiting) >= _DEPTH * len(self._links):
            yield from self._receive()
        worker = self._next % len(self._links)
        self._next += 1
        try:
            self._links[worker].send_bytes(marshal.dumps([tuple(item) for item in items]))
        except OSError:
            self._died()
        self._waiting.append(worker)
        while self._waiting and self._links[self._waiting[0]].poll():
            yield from self._receive()

    def drain(self) -> Iterator[list[Done]]:
        """Everything handed out and not yet given back."""
        while self._waiting:
            yield from self._receive()

    def _receive(self) -> Iterator[list[Done]]:
        link = self._links[self._waiting[0]]
        last = False
        while not last:
            try:
                last, answer = marshal.loads(link.recv_bytes())
            except (EOFError, OSError):
                self._died()
            if last is None:
                raise Fatal(*answer)
            yield [Done(*fields) for fields in answer]
        self._waiting.popleft()

    def _died(self) -> NoReturn:
        raise Fatal(SOFTWARE, "a worker process died (out of memory?); run again with fewer --jobs")

    def close(self) -> None:
        """End the workers."""
        for link in self._links:
            link.close()
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()


def _work(link: Connection, inherited: list[Connection], build: Build) -> None:
    ignore()
    for other in inherited:
        other.close()
    sys.stdin = open(os.devnull)
    try:
        _serve(link, build)
    except (EOFError, OSError):
        # The parent has gone: nobody is left to tell.
        os._exit(1)


def _serve(link: Connection, build: Build) -> None:
    batches: queue.Queue[bytes | None] = queue.Queue(_DEPTH)
    # Taken in on a thread, so that neither side can block the other on a full pipe.
    threading.Thread(target=_take_in, args=(link, batches), daemon=True).start()
    try:
        processor = build()
    except Fatal as fatal:
        link.send_bytes(marshal.dumps(((fatal.code, fatal.message), "")))
        return
    gc.freeze()
    link.send_bytes(marshal.dumps((None, processor.model)))
    while (batch := batches.get()) is not None:
        try:
            _answer(link, processor, [Item(*fields) for fields in marshal.loads(batch)])
        except Fatal as fatal:
            link.send_bytes(marshal.dumps((None, (fatal.code, fatal.message))))
            return


def _answer(link: Connection, processor: Processor, items: list[Item]) -> None:
    held: list[Done] = []
    for piece in processor(items):
        if held:
            _send(link, held, last=False)
        held = piece
    _send(link, held, last=True)


def _send(link: Connection, done: list[Done], *, last: bool) -> None:
    link.send_bytes(marshal.dumps((last, [tuple(one) for one in done])))


def _take_in(link: Connection, batches: queue.Queue[bytes | None]) -> None:
    try:
        while True:
            batches.put(link.recv_bytes())
    except (EOFError, OSError):
        batches.put(None)
