"""WFDB records: `open_wfdb` takes the path of any of a record's files."""

from __future__ import annotations

import os

from medpipe.formats.ecg import Ecg
from medpipe.formats.wfdb_files import record_stem
from medpipe.formats.wfdb_header import read_header
from medpipe.formats.wfdb_segments import segmented_ecg
from medpipe.formats.wfdb_single import single_ecg


def open_wfdb(path: str) -> Ecg:
    """A WFDB record, described; its samples are read by `Ecg.read`, window by window if need be.

    Args:
        path: the header (X.hea), the signal file (X.dat or X.mat), or X.

    Values are those of wfdb.rdsamp with its defaults: several samples per frame are averaged, skews are
    undone, counts that a format reserves for absent samples are NaN. Voltages are in mV.

    Raises:
        FormatError: a file is absent, a pointer, truncated, or does not agree with the header, or the header
            is none.
    """
    header_path = path if path.lower().endswith(".hea") else f"{record_stem(path)}.hea"
    # A signal file may have any suffix (`X.xyz`).
    if header_path != path and not os.path.exists(header_path):
        bare = os.path.splitext(path)[0] + ".hea"
        header_path = bare if os.path.exists(bare) else header_path
    header = read_header(header_path)
    if header.segments is None:
        return single_ecg(header, header_path, hold=True)
    return segmented_ecg(header, header_path)
