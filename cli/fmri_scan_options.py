"""The options of commands that read runs of functional images: what goes with a run, and where runs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

Mask = Annotated[str | None, typer.Option("--mask", metavar="FILE", help="Voxels that are wanted.")]
Labels = Annotated[str | None, typer.Option("--labels", metavar="FILE", help="An atlas: means of its parcels.")]
ConfoundsFile = Annotated[
    str | None, typer.Option("--confounds", metavar="FILE", help="fMRIPrep's table, for what is taken out or scrubbed.")
]
Tr = Annotated[float | None, typer.Option("--tr", metavar="SECONDS", min=0.001, help="In place of the header's.")]
Bids = Annotated[
    str | None, typer.Option("--bids", metavar="FOLDER", help="Runs, masks, confounds of fMRIPrep's derivatives.")
]
Subject = Annotated[str | None, typer.Option("--subject", metavar="LABEL", help="Of --bids.")]
Task = Annotated[str | None, typer.Option("--task", metavar="LABEL", help="Of --bids. Default: all.")]
Session = Annotated[str | None, typer.Option("--session", metavar="LABEL", help="Of --bids. Default: all.")]
RunLabel = Annotated[str | None, typer.Option("--run", metavar="LABEL", help="Of --bids. Default: all.")]
Space = Annotated[
    str | None, typer.Option("--space", metavar="LABEL", help="Of --bids, where there are several; native too.")
]


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """These options as the user gave them."""

    mask: str | None = None
    labels: str | None = None
    confounds: str | None = None
    tr: float | None = None
    bids: str | None = None
    subject: str | None = None
    task: str | None = None
    session: str | None = None
    run: str | None = None
    space: str | None = None

    def check(self) -> None:
        """BadParameter for what does not go together."""
        if self.confounds is not None and self.bids is not None:
            raise typer.BadParameter("--bids finds the confounds of each run itself: leave --confounds out")
        if self.bids is None and (self.subject or self.task or self.session or self.run or self.space):
            raise typer.BadParameter("--subject, --task, --session, --run and --space go with --bids")
        if self.bids is not None and self.subject is None:
            raise typer.BadParameter("--bids needs --subject")
