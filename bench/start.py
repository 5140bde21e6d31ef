"""What it costs to begin: --help against a bare typer app, one file encoded against `import torch`.

Usage: python bench/start.py
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import typer
from process import BIN, best_of
from pydicom.data import get_testdata_file

from medpipe.cli.medpipe import COMMANDS as LISTED

ROUNDS = 9
COMMANDS = (*LISTED, "medpipe")


def option_count(command: str) -> int:
    module = importlib.import_module(f"medpipe.cli.{command.replace('-', '_')}")
    return len([one for one in typer.main.get_command(module.app).params if one.name != "help"])


def bare_app(folder: Path, options: int) -> Path:
    """A typer app with as many options and nothing else, rich off."""
    lines = [
        "import typer",
        "app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)",
    ]
    given = ", ".join(
        f'option_{n}: str = typer.Option("x", help="An option among others, the {n}th.")' for n in range(options)
    )
    lines += ["@app.command()", f"def main({given}) -> None:", '    """Do nothing."""', "app()"]
    path = folder / f"bare_{options}.py"
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    print("| command | --help, ms | bare typer app, ms | ratio |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for command in COMMANDS:
            bare = bare_app(Path(name), option_count(command))
            ours, theirs = best_of(ROUNDS, [BIN / command, "--help"], [sys.executable, bare, "--help"])
            print(f"| {command} | {1000 * ours:.0f} | {1000 * theirs:.0f} | {ours / theirs:.2f} |")
    file = get_testdata_file("waveform_ecg.dcm")
    wfdb = first_record()
    torch = [sys.executable, "-c", "import torch"]
    print("\n| one file, start to result | ms | import torch, ms | ratio |")
    print("| --- | --- | --- | --- |")
    for label, path in (("WFDB", wfdb), ("DICOM", file)):
        if path is not None:
            ours, theirs = best_of(ROUNDS, [BIN / "ecg-encode", path], torch)
            print(f"| {label} | {1000 * ours:.0f} | {1000 * theirs:.0f} | {ours / theirs:.2f} |")


def first_record() -> str | None:
    import os

    if "MEDPIPE_DATA" not in os.environ:
        return None
    return str(next((Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw/records500").rglob("*.hea")))


if __name__ == "__main__":
    main()
