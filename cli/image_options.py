"""How files of images are read, as the options say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medpipe.formats.registry import ReadOptions

Voi = Annotated[
    str, typer.Option("--voi", metavar="WINDOW", help="Grey values: file, none, lung, bone, ..., CENTER,WIDTH.")
]
SliceOf = Annotated[
    str | None, typer.Option("--slice", metavar="PLANE:N", help="Of a volume: axial:mid, coronal:40, ...")
]


def read_options(fs: float | None, voi: str, slice_of: str | None) -> ReadOptions:
    """Checked; BadParameter for a window or a slice that there is not."""
    from medpipe.formats.grey_levels import given_window
    from medpipe.formats.nifti_slice import Slice
    from medpipe.formats.registry import ReadOptions

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
