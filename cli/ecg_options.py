"""Options that the ECG commands share: which model, which leads, which windows."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medpipe.cli.options import check_finite

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="default, smoke, a checkpoint file or folder, or a registered name."),
]
Arch = Annotated[
    str | None, typer.Option("--arch", metavar="NAME", help="Architecture of the checkpoint: merl-resnet18, ...")
]
PresetName = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="Preprocessing: merl, kmerl. Default: the model's own.")
]
Init = Annotated[
    str | None, typer.Option("--init", metavar="random", help="Untrained weights of --arch, as a baseline.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of --init random.")]
TextModel = Annotated[
    str | None, typer.Option("--text-model", metavar="NAME", help="Folder or hub name of the text encoder of MERL.")
]
Leads = Annotated[list[str] | None, typer.Option("--leads", metavar="NAMES", help="Use only these leads: I,II,V1.")]
Missing = Annotated[
    str,
    typer.Option("--missing", metavar="error|zero", help="What a lead that the model needs and is not there means."),
]
Segment = Annotated[
    float | None,
    typer.Option("--segment", metavar="SECONDS", min=0.001, help="A record for each window of this length."),
]
KeepArrays = Annotated[bool, typer.Option("--keep-arrays", help="Keep the arrays that the command consumed.")]


def check_choices(
    missing: str, init: str | None, arch: str | None, model: str | None, preset: str | None, segment: float | None
) -> None:
    """Usage errors among the model options."""
    from medpipe.core.ecg.presets import PRESETS
    from medpipe.core.ecg.registry import ARCHITECTURES

    check_finite("--segment", segment)
    if arch is not None and arch not in (*ARCHITECTURES, "default", "smoke"):
        raise typer.BadParameter(f"--arch {arch}: there are {', '.join(ARCHITECTURES)}")
    if preset is not None and preset not in (*PRESETS, "default"):
        raise typer.BadParameter(f"--preset {preset}: there are default, {', '.join(PRESETS)}")
    if model == "":
        raise typer.BadParameter("--model is empty")
    if missing not in ("error", "zero"):
        raise typer.BadParameter(f"--missing {missing}: it is error or zero")
    if init is None:
        return
    if init != "random":
        raise typer.BadParameter(f"--init {init}: the only choice is random")
    if arch is None or model is not None:
        raise typer.BadParameter("--init random needs --arch and takes no --model")


def batch_size(given: int | None, device: str) -> int:
    """Windows at once: one on a CPU, where results then need no padding, 32 elsewhere."""
    return given or (1 if device == "cpu" else 32)


def model_options(
    model: str | None, arch: str | None, preset: str | None, init: str | None, seed: int, text_model: str | None
) -> dict[str, Any]:
    """The options that say which model, as `open_encoder` takes them."""
    return {
        "model": model,
        "arch": arch,
        "preset": preset,
        "init": init,
        "seed": seed,
        "text_model": text_model,
    }
