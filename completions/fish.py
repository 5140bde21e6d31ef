"""Static completion for fish."""

from __future__ import annotations

from medpipe.cli.describe import Command, Option

_HEAD = "# fish completion for {name}; written by completions/generate.py\n"


def script(command: Command, commands: list[Command]) -> str:
    """The file for one command."""
    lines = [_HEAD.format(name=command.name)]
    if not command.subcommands:
        lines += _options(command.name, command, None)
        return "\n".join(lines) + "\n"
    others = [one for one in commands if one.name != command.name] if command.name == "medpipe" else []
    subs = [*others, *command.subcommands]
    lines.append(f"complete -c {command.name} -f")
    first = "not __fish_seen_subcommand_from " + " ".join(one.name for one in subs)
    lines += _options(command.name, command, first)
    for one in subs:
        lines.append(f"complete -c {command.name} -n '{first}' -a {one.name} -d '{_quoted(one.summary)}'")
    for one in subs:
        lines += _below(command.name, one)
    return "\n".join(lines) + "\n"


def _below(name: str, sub: Command) -> list[str]:
    """Options and subcommands once `sub` has been typed."""
    seen = f"__fish_seen_subcommand_from {sub.name}"
    if not sub.subcommands:
        files = [f"complete -c {name} -n '{seen}' -F"] if any(one.takes_file for one in sub.arguments) else []
        return [*files, *_options(name, sub, seen)]
    names = " ".join(one.name for one in sub.subcommands)
    first = f"{seen}; and not __fish_seen_subcommand_from {names}"
    lines = _options(name, sub, first)
    for one in sub.subcommands:
        lines.append(f"complete -c {name} -n '{first}' -a {one.name} -d '{_quoted(one.summary)}'")
        both = f"{seen}; and __fish_seen_subcommand_from {one.name}"
        if any(argument.takes_file for argument in one.arguments):
            lines.append(f"complete -c {name} -n '{both}' -F")
        # --version and --help are the group's too: written once.
        lines += _options(name, one, both)
    return lines


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _options(name: str, command: Command, when: str | None) -> list[str]:
    condition = f" -n '{when}'" if when else ""
    return [f"complete -c {name}{condition}{_option(one)} -d '{_quoted(one.help)}'" for one in command.options]


def _option(option: Option) -> str:
    words = "".join(f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in option.flags)
    if not option.takes_value:
        return words
    if option.choices:
        return f"{words} -x -a '{' '.join(option.choices)}'"
    return f"{words} -r -F" if option.takes_file else f"{words} -x"
