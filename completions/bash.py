"""Static completion for bash; needs nothing of the package bash-completion."""

from __future__ import annotations

from medpipe.cli.describe import Command, Option

_HEAD = """\
# bash completion for {name}; written by completions/generate.py
"""
_START = """\
{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} word
    COMPREPLY=()
    # --option=value comes as three words.
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
"""


def script(command: Command, commands: list[Command]) -> str:
    """The file for one command."""
    function = _name(command.name)
    lines = [_HEAD.format(name=command.name)]
    if not command.subcommands:
        lines.append(_leaf(function, command))
    else:
        others = [one for one in commands if one.name != command.name] if command.name == "medpipe" else []
        lines.append(_group(function, command, [*others, *command.subcommands], 1))
    lines.append(f"complete -o default -F {function} {command.name}\n")
    return "\n".join(lines)


def _name(name: str) -> str:
    return "_medpipe_complete_" + name.replace("-", "_").replace(" ", "_")


def _flags(options: tuple[Option, ...]) -> str:
    return " ".join(flag for option in options for flag in option.flags)


def _offer(words: str) -> str:
    return f'mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$current")'


def _leaf(function: str, command: Command) -> str:
    """Values after an option, options after a dash, else what readline completes by itself: files."""
    lines = [_START.format(function=function) + '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do']
    lines += ['        [[ $word == "--" ]] && return', "    done", "    case $previous in"]
    for option in command.options:
        if not option.takes_value:
            continue
        pattern = " | ".join(option.flags)
        if option.choices:
            lines.append(f"        {pattern})\n            {_offer(' '.join(option.choices))}")
            lines.append("            return\n            ;;" if not option.takes_file else "            ;;")
        elif option.takes_file:
            lines.append(f"        {pattern}) return ;;")
        else:
            lines.append(
                f"        {pattern})\n            compopt +o default 2>/dev/null\n            return\n            ;;"
            )
    lines += ["    esac", "    if [[ $current == -* ]]; then", f"        {_offer(_flags(command.options))}"]
    if not command.arguments:
        lines += ["    else", "        compopt +o default 2>/dev/null"]
    return "\n".join([*lines, "    fi", "}", ""])


def _group(function: str, command: Command, subs: list[Command], depth: int) -> str:
    """The subcommand that stands in place `depth`, or the names of all."""
    parts = []
    for one in subs:
        inner = f"{function}_{one.name.replace('-', '_')}"
        parts.append(_group(inner, one, list(one.subcommands), depth + 1) if one.subcommands else _leaf(inner, one))
    lines = [f"{function}() {{", "    local current=${COMP_WORDS[COMP_CWORD]}", "    COMPREPLY=()"]
    lines += [f"    if ((COMP_CWORD > {depth})); then", f"        case ${{COMP_WORDS[{depth}]}} in"]
    lines += [f"            {one.name}) {function}_{one.name.replace('-', '_')} ;;" for one in subs]
    lines += ["        esac", "        return", "    fi", "    compopt +o default 2>/dev/null"]
    words = " ".join([*(one.name for one in subs), _flags(command.options)])
    return "\n".join([*parts, *lines, f"    {_offer(words)}", "}", ""])
