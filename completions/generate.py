"""Write the completions of every command for bash, zsh and fish: static, so that no TAB starts a command.

Usage: python completions/generate.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import bash
import fish
import zsh

from medpipe.cli.describe import Command, describe_all

HERE = Path(__file__).parent
SHELLS: dict[str, tuple[str, Callable[[Command, list[Command]], str]]] = {
    "bash": ("{}", bash.script),
    "zsh": ("_{}", zsh.script),
    "fish": ("{}.fish", fish.script),
}


def generate(folder: Path) -> None:
    """Write every script into the folders bash, zsh and fish of `folder`."""
    commands = describe_all()
    for shell, (name, script) in SHELLS.items():
        (folder / shell).mkdir(parents=True, exist_ok=True)
        for command in commands:
            (folder / shell / name.format(command.name)).write_text(script(command, commands))


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
