"""TextGrids, tables and small scans as they are written."""

import re
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.formats.scan_write import write_scan
from medpipe.formats.table_write import tsv
from medpipe.formats.textgrid_write import SILENCE, text_grid

INTERVAL = re.compile(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"')


def tiers_of(text: str) -> dict[str, list[tuple[float, float, str]]]:
    """What Praat's manual says a long TextGrid holds."""
    parts = re.split(r'class = "IntervalTier"\s+name = "((?:[^"]|"")*)"', text)
    made = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        found = INTERVAL.findall(body)
        assert len(found) == int(re.search(r"intervals: size = (\d+)", body)[1])
        made[name] = [(float(start), float(end), said.replace('""', '"')) for start, end, said in found]
    return made


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 9), st.text(st.characters(exclude_categories=["C", "Z"]))),
        max_size=12,
    )
)
def test_a_textgrid_comes_back_without_a_gap(steps: list[tuple[int, int, str]]) -> None:
    intervals, reached = [], 0
    for pause, length, said in steps:
        intervals.append(((reached + pause) / 10, (reached + pause + length) / 10, said))
        reached += pause + length
    seconds = (reached + 3) / 10
    read = tiers_of(text_grid(seconds, {"words": intervals}))["words"]
    assert read[0][0] == 0 and read[-1][1] == seconds
    assert all(one[1] == other[0] for one, other in pairwise(read))
    assert [one for one in read if one in intervals] == intervals
    assert all(one[2] == SILENCE for one in read if one not in intervals)


def test_tables_say_where_there_is_no_value() -> None:
    assert tsv({"a": [1.5, np.nan], "word": ["x", "y"]}) == "a\tword\n1.5\tx\nn/a\ty\n"


@pytest.mark.parametrize(("tr", "slope"), [(2.0, 0.0625), (None, None)])
def test_a_scan_is_what_nibabel_reads(tmp_path: Path, tr: float | None, slope: float | None) -> None:
    shape = (5, 4, 3, 6) if tr else (5, 4, 3)
    values = np.random.default_rng(0).integers(-900, 9000, shape).astype(np.int16 if tr else np.uint8)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -8, 3, 7
    for name in ("a.nii.gz", "b.nii.gz"):
        write_scan(tmp_path / name, values, affine, tr, slope)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert (image.get_fdata() == values * (slope or 1)).all() and image.get_data_dtype() == values.dtype
    assert (image.affine == affine).all() and image.header["sform_code"] == image.header["qform_code"] == 1
    if tr:
        assert image.header.get_zooms() == (4, 4, 4, tr) and image.header.get_xyzt_units() == ("mm", "sec")
