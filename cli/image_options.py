"""How files of images are read, as the options say."""

from __future__ import annotations

import typer

from medpipe.formats.registry import ReadOptions


def read_options(fs: float | None, voi: str, slice_of: str | None) -> ReadOptions:
    """Checked; BadParameter for a window or a slice that there is not."""
    from medpipe.formats.grey_levels import given_window
    from medpipe.formats.nifti_slice import Slice

    try:
        given_window(voi)
    except ValueError as error:
        raise typer.BadParameter(f"--voi {error}") from None
    try:
        if slice_of is not None:
            Slice.parse(slice_of)
    except ValueError as error:
        raise typer.BadParameter(f"--slice {error}") from None
    return ReadOptions(fs, voi, slice_of, pictures=True)
