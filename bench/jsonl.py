"""Inline arrays in JSON Lines against lists of numbers, with stdlib json and with orjson, on real ECGs in mV.

Usage: python bench/jsonl.py
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import orjson
from numpy.typing import NDArray

from medpipe.formats.jsonl import decode, encode
from medpipe.formats.wfdb_record import open_wfdb

ROUNDS = 5
RECORDS = 40


def signals() -> list[NDArray[np.float32]]:
    """Real 12-lead recordings, 10 s at 500 Hz."""
    headers = sorted((Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw/records500").rglob("*.hea"))[:RECORDS]
    recordings = [open_wfdb(str(path)) for path in headers]
    return [one.read(0, one.samples) for one in recordings]


WAYS: dict[str, tuple[Callable[[dict], bytes], Callable[[bytes], NDArray[np.float32]]]] = {
    "medpipe, base64 of <f4": (encode, lambda line: decode(line)["signal"]),
    "orjson, lists of float32": (
        lambda record: orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY),
        lambda line: np.asarray(orjson.loads(line)["signal"], np.float32),
    ),
    "stdlib json, lists": (
        lambda record: json.dumps({**record, "signal": record["signal"].tolist()}).encode(),
        lambda line: np.asarray(json.loads(line)["signal"], np.float32),
    ),
}


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    records = [{"id": str(number), "fs": 500, "signal": signal} for number, signal in enumerate(signals())]
    lines = {name: [write(record) for record in records] for name, (write, _) in WAYS.items()}
    for name, (_, read) in WAYS.items():
        for record, line in zip(records, lines[name], strict=True):
            np.testing.assert_array_equal(read(line), record["signal"], err_msg=name)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (write, read) in WAYS.items():
            wrote = seconds(lambda write=write: [write(record) for record in records])
            loaded = seconds(lambda read=read, name=name: [read(line) for line in lines[name]])
            times[name].append((wrote, loaded))
    best = {
        name: [min(column) / len(records) * 1000 for column in zip(*rows, strict=True)] for name, rows in times.items()
    }
    ours = sum(best["medpipe, base64 of <f4"])
    print("| carrier | encode, ms | decode, ms | both, times ours | bytes a record |")
    print("| --- | --- | --- | --- | --- |")
    for name, (wrote, loaded) in best.items():
        size = sum(map(len, lines[name])) // len(records)
        print(f"| {name} | {wrote:.3f} | {loaded:.3f} | {(wrote + loaded) / ours:.1f} | {size} |")


if __name__ == "__main__":
    main()
