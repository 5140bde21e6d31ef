"""Worker processes: batches out in order, results back in order, a bounded number on the way."""

from __future__ import annotations

import marshal
import multiprocessing
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from medpipe.cli.exits import SOFTWARE, Fatal
from medpipe.cli.inputs import Item
from medpipe.cli.process import Done, Processor
from medpipe.cli.signals import ignore

_DEPTH = 2
Build = Callable[[], Processor]


class Pool:
    """`jobs` processes, or this one when `jobs` is 1."""

    def __init__(self, build: Build, jobs: int) -> None:
        self._local = build() if jobs == 1 else None
        self._links: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._waiting: deque[int] = deque()
        self._ready: deque[list[Done]] = deque()
        self._next = 0
        if jobs > 1:
            self._start(build, jobs)

    def _start(self, build: Build, jobs: int) -> None:
        # Fork keeps the options as they are; the heavy libraries are imported after it, in the workers.
        context = multiprocessing.get_context("fork")
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            inherited = [*self._links, ours]
            process = context.Process(target=_work, args=(theirs, inherited, build), daemon=True)
            process.start()
            theirs.close()
            self._links.append(ours)
            self._processes.append(process)

    def submit(self, items: list[Item]) -> None:
        """Hand out a batch; blocks only when every worker is busy."""
        if self._local is not None:
            self._ready.append(self._local(items))
            return
        if len(self._waiting) == _DEPTH * len(self._links):
            self._ready.append(self._receive())
        worker = self._next % len(self._links)
        self._next += 1
        try:
            self._links[worker].send_bytes(marshal.dumps([tuple(item) for item in items]))
        except OSError:
            self._died()
        self._waiting.append(worker)

    def results(self, *, drain: bool) -> Iterator[list[Done]]:
        """Finished batches in the order they were handed out; with `drain`, all of them."""
        while self._ready:
            yield self._ready.popleft()
        while self._waiting and (drain or self._links[self._waiting[0]].poll()):
            yield self._receive()

    def _receive(self) -> list[Done]:
        worker = self._waiting.popleft()
        try:
            answer = marshal.loads(self._links[worker].recv_bytes())
        except (EOFError, OSError):
            self._died()
        if isinstance(answer, tuple):
            raise Fatal(*answer)
        return [Done(*fields) for fields in answer]

    def _died(self) -> None:
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
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - standard input belongs to the parent
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
        batches.get()
        link.send_bytes(marshal.dumps((fatal.code, fatal.message)))
        return
    while (batch := batches.get()) is not None:
        done = processor([Item(*fields) for fields in marshal.loads(batch)])
        link.send_bytes(marshal.dumps([tuple(one) for one in done]))


def _take_in(link: Connection, batches: queue.Queue[bytes | None]) -> None:
    try:
        while True:
            batches.put(link.recv_bytes())
    except (EOFError, OSError):
        batches.put(None)
