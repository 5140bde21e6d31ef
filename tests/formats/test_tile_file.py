"""A matrix written by rows comes out by columns, and the other way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medpipe.formats.tile_file import TileFile


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    times=st.integers(1, 30), voxels=st.integers(1, 30), width=st.integers(1, 35), height=st.integers(1, 35),
    kind=st.sampled_from(["<i2", ">i2", "<f4", "u1"]),
)  # fmt: skip
def test_rows_in_tiles_out_and_back(
    tmp_path: Path, times: int, voxels: int, width: int, height: int, kind: str
) -> None:
    whole = np.random.default_rng(0).integers(0, 120, (times, voxels)).astype(kind)
    staged = TileFile(whole.shape, whole.dtype, width, tmp_path)
    back = TileFile(whole.shape, whole.dtype, width, tmp_path)
    for start in range(0, times, height):
        staged.write_rows(start, whole[start : start + height])
    for first, tile in staged.tiles():
        np.testing.assert_array_equal(tile, whole[:, first : first + width])
        back.write_tile(first, tile)
    for start, block in back.rows(height):
        np.testing.assert_array_equal(block, whole[start : start + height])
    staged.close()
    back.close()
    assert not list(tmp_path.iterdir())
