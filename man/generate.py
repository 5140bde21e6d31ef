"""Write man/COMMAND.1 for every command, from the command itself and examples.toml.

Usage: python man/generate.py [FOLDER]
"""

from __future__ import annotations

import sys
import textwrap
import tomllib
from pathlib import Path

from medpipe.cli.describe import Command, Option, describe_all
from medpipe.cli.medpipe import COMMANDS
from medpipe.core import __version__

# Of the release, not of the run: the same commands give the same pages.
DATE = "2026-11-24"
HERE = Path(__file__).parent
RECORD_COMMANDS = (
    "med-cat",
    "ecg-encode",
    "ecg-zeroshot",
    "ecg-entities",
    "ecg-benchmark",
    "fmri-extract",
    "fmri-align",
    "fmri-decode",
    "kv-profile",
)
_EXITS = {
    0: "Every record is good.",
    1: "Some inputs failed; they are error records in the output, and counted on standard error.",
    2: "Usage error.",
    65: "A whole stream or side input is unreadable.",
    66: "A stream or side input is not there.",
    69: "A model is not to be had.",
    74: "Writing failed.",
    75: "Stopped by SIGUSR1 with work left; run again with --resume.",
    130: "Stopped by SIGINT.",
    141: "The reader of standard output has gone.",
    143: "Stopped by SIGTERM.",
}
_PLAIN_EXITS = (0, 1, 2, 65, 66, 69, 74, 141)


def escape(text: str) -> str:
    """Text for roff: no character that it would take for its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{text}" if text.startswith(".") else text


def prose(text: str) -> list[str]:
    """Escaped text in short lines, none of which roff would take for a request."""
    lines = textwrap.wrap(escape(text), 78, break_on_hyphens=False, break_long_words=False)
    return [f"\\&{line}" if line.startswith(".") else line for line in lines]


def option_lines(option: Option) -> list[str]:
    """One option as a tagged paragraph."""
    flags = ", ".join(f"\\fB{escape(flag)}\\fR" for flag in option.flags)
    value = f" \\fI{escape(option.metavar)}\\fR" if option.metavar else ""
    text = option.help
    if option.flags[-1] == "--arch" and option.choices:
        text += f" One of {', '.join(option.choices)}."
    if option.default is not None:
        text += f" Default: {option.default}."
    return [".TP", flags + value, *prose(text)]


def prose_name(name: str, summary: str) -> list[str]:
    """The line that `apropos` finds the page by: it must not be broken."""
    return [f"{escape(name)} \\- {escape(summary[0].lower() + summary[1:])}"]


def synopsis(command: Command, name: str) -> list[str]:
    """The command line in short."""
    words = [f"\\fB{escape(name)}\\fR"]
    if command.subcommands:
        words.append("\\fICOMMAND\\fR")
    words.append("[\\fIOPTION\\fR]...")
    for one in command.arguments:
        word = f"\\fI{escape(one.flags[0])}\\fR" + ("..." if one.repeatable else "")
        words.append(word if one.required else f"[{word}]")
    return [" ".join(words)]


def body(command: Command, name: str) -> list[str]:
    """Description, arguments and options of a command or subcommand."""
    lines = []
    for paragraph in command.paragraphs:
        lines += [*prose(paragraph), ".PP"]
    lines.pop()
    for one in command.arguments:
        lines += [".TP", f"\\fI{escape(one.flags[0])}\\fR", *prose(one.help)]
    return lines


def page(command: Command, examples: list[list[str]], fields: list[list[str]] | None = None) -> str:
    """The whole page of a command."""
    name = command.name
    lines = [f'.TH {escape(name).upper()} 1 "{DATE}" "medpipe {__version__}" "medpipe manual"', ".SH NAME"]
    lines += [*prose_name(name, command.summary), ".SH SYNOPSIS"]
    lines += synopsis(command, name)
    lines += [".SH DESCRIPTION", *body(command, name), ".SH OPTIONS"]
    for option in command.options:
        lines += option_lines(option)
    for one in _flat(command.subcommands, name):
        lines += [f".SH {escape(one.name).upper()}", *synopsis(one, one.name), ".PP", *body(one, one.name)]
        for option in one.options:
            lines += option_lines(option)
    if fields:
        lines += [".SH RECORDS"]
        for field, meaning in fields:
            lines += [".TP", f"\\fB{escape(field)}\\fR", *prose(meaning)]
    lines += [".SH EXIT STATUS"]
    for code, meaning in _EXITS.items():
        if name in (*RECORD_COMMANDS, "ecg-train", "ecg-probe") or code in _PLAIN_EXITS:
            lines += [".TP", str(code), *prose(meaning)]
    lines += [*_files(name), *_environment(name), ".SH EXAMPLES"]
    for text, line in examples:
        lines += [*prose(text), ".PP", ".nf", f"    {escape(line)}", ".fi", ".PP"]
    lines.pop()
    others = [other for other in (*COMMANDS, "medpipe") if other != name]
    lines += [".SH SEE ALSO", *(f".BR {escape(other)} (1){',' if other != others[-1] else ''}" for other in others)]
    return "\n".join(lines) + "\n"


def _flat(commands: tuple[Command, ...], parent: str) -> list[Command]:
    """Subcommands with their whole names, depth first."""
    found = []
    for one in commands:
        whole = Command(f"{parent} {one.name}", one.summary, one.paragraphs, one.options, one.arguments)
        found += [whole, *_flat(one.subcommands, whole.name)]
    return found


def _files(name: str) -> list[str]:
    if name not in RECORD_COMMANDS:
        return []
    return [
        ".SH FILES",
        ".TP",
        "\\fINAME.part\\fR, \\fINAME.state\\fR",
        *prose("An output under way, and what of it is safely on disk; --resume goes on from them."),
    ]


def _environment(name: str) -> list[str]:
    found = []
    if name in RECORD_COMMANDS:
        found += [
            ("SLURM_CPUS_PER_TASK", "The default of --jobs."),
            ("SLURM_ARRAY_TASK_ID", "With _MIN, _COUNT and _STEP: --shard slurm."),
        ]
    if name in ("ecg-encode", "ecg-zeroshot", "ecg-benchmark", "medpipe"):
        found.append(("MEDPIPE_HOME", "Folder of the registered models; default ~/.local/share/medpipe."))
    if name == "ecg-entities":
        found.append(("MEDPIPE_API_KEY, OPENAI_API_KEY", "The key that the server of --base-url asks for."))
    lines = [".SH ENVIRONMENT"] if found else []
    for variable, meaning in found:
        lines += [".TP", f"\\fB{escape(variable)}\\fR", escape(meaning)]
    return lines


def generate(folder: Path) -> None:
    """Write every page into `folder`."""
    examples = tomllib.loads((HERE / "examples.toml").read_text())
    for command in describe_all():
        (folder / f"{command.name}.1").write_text(page(command, **examples[command.name]))


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
