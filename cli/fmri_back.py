"""The way back: the responses of a run file as volumes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from medpipe.cli.exits import GOOD, WRITE_FAILED, Fatal, side_failure
from medpipe.cli.options import RunOptions
from medpipe.cli.publish import publish
from medpipe.formats.arrays import materialise
from medpipe.formats.errors import FormatError
from medpipe.formats.hdf5 import count_records, read_record
from medpipe.formats.jsonl import Record
from medpipe.formats.nifti_write import write_series
from medpipe.formats.run_file import response_rows

_SUFFIXES = (".nii", ".nii.gz")


def to_nifti(run: RunOptions, output: str) -> int:
    """Write the run file that is the one input as NIfTI; the exit code. BadParameter, Fatal 65, 66 and 74."""
    inputs = run.inputs or []
    if len(inputs) != 1 or inputs == ["-"]:
        raise typer.BadParameter("--to-nifti takes one run file")
    if not output.endswith(_SUFFIXES):
        raise typer.BadParameter(f"--to-nifti {output}: the name must end in .nii or .nii.gz")
    target = Path(output)
    fresh = target.with_name(f"{target.name}.part")
    try:
        record = _record(inputs[0])
        shape, affine, tr = _grid(record)
        whole = (*shape, int(record["responses"].shape[0]))
        write_series(fresh, whole, affine, tr, _volumes(inputs[0], shape, record), packed=output.endswith(".gz"))
        publish(fresh, target)
    except FormatError as error:
        raise side_failure(inputs[0], error) from None
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{output}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    _say(record, run)
    return GOOD


def _record(path: str) -> Record:
    if count_records(path) != 1:
        raise FormatError("not-a-run", "the file holds several records, not one run")
    record = read_record(path, 0)
    if "error" in record:
        raise FormatError("not-a-run", f"the run failed: {record['error']['message']}")
    return record


def _grid(record: Record) -> tuple[tuple[int, int, int], NDArray[np.float64], float]:
    missing = [key for key in ("responses", "voxels", "grid", "affine", "tr") if record.get(key) is None]
    if missing:
        raise FormatError("not-a-run", f"there is no {', '.join(missing)}: only runs of volumes go back into NIfTI")
    x, y, z = record["grid"]
    return (x, y, z), np.asarray(record["affine"], np.float64), float(record["tr"])


def _volumes(path: str, shape: tuple[int, int, int], record: Record) -> Iterator[NDArray[np.float32]]:
    voxels = tuple(materialise(record["voxels"]).T)
    parcel = materialise(record["parcel"]) if "parcel" in record else None
    volume = np.zeros(shape, np.float32)
    for row in response_rows(path):
        volume[voxels] = row if parcel is None else row[parcel]
        yield volume


def _say(record: Record, run: RunOptions) -> None:
    scrubbed = record.get("volumes", {}).get("scrubbed", 0)
    if scrubbed and not run.quiet:
        print(f"fmri-extract: {scrubbed} scrubbed volumes are not in it: the others follow each other", file=sys.stderr)
