"""Static completion for zsh: `#compdef` on the first line, and a body that completes at the first TAB."""

from __future__ import annotations

from medpipe.cli.describe import Command, Option

_HEAD = """\
#compdef {name}
# zsh completion for {name}; written by completions/generate.py

"""
# Autoloaded, the file is the function: it must complete at once. Sourced, it registers itself.
_END = """\
if [[ $funcstack[1] == _{name} ]]; then
    _{name} "$@"
else
    compdef _{name} {name}
fi
"""


def script(command: Command, commands: list[Command]) -> str:
    """The file for one command."""
    others = [one for one in commands if one.name != command.name] if command.name == "medpipe" else []
    body = _function(f"_{command.name}", command, others)
    return _HEAD.format(name=command.name) + body + "\n" + _END.format(name=command.name)


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def _described(text: str) -> str:
    return _quoted(text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:"))


def _action(option: Option) -> str:
    if option.choices:
        return f"({' '.join(word.replace(':', chr(92) + ':') for word in option.choices)})"
    return "_files" if option.takes_file else " "


def _option(option: Option) -> str:
    value = f":{_quoted(option.metavar or '')}:{_action(option)}" if option.takes_value else ""
    text = f"[{_described(option.help)}]{value}"
    if option.repeatable:
        return " ".join(f"'*{flag}{text}'" for flag in option.flags)
    if len(option.flags) == 1:
        return f"'{option.flags[0]}{text}'"
    return f"'({' '.join(option.flags)})'{{{','.join(option.flags)}}}'{text}'"


def _argument(one: Option) -> str:
    action = "_files" if one.takes_file else " "
    return f"'{'*' if one.repeatable else ''}:{_quoted(one.flags[0])}:{action}'"


def _leaf_arguments(command: Command, indent: str) -> str:
    words = [*map(_option, command.options), *map(_argument, command.arguments)]
    return f"{indent}_arguments -s -S \\\n" + " \\\n".join(f"{indent}    {word}" for word in words)


def _function(name: str, command: Command, others: list[Command]) -> str:
    """A function for the command and one for each subcommand below it."""
    if not command.subcommands:
        return f"{name}() {{\n{_leaf_arguments(command, '    ')}\n}}\n"
    parts = [_function(f"{name}-{one.name}", one, []) for one in command.subcommands]
    lines = [f"{name}() {{", "    local state line", "    local -a commands", "    commands=("]
    lines += [f"        '{one.name}:{_described(one.summary)}'" for one in [*others, *command.subcommands]]
    lines += ["    )", "    _arguments -C \\"]
    lines += [f"        {_option(one)} \\" for one in command.options]
    lines += ["        '1:command:->command' \\", "        '*::argument:->argument'"]
    lines += ["    case $state in", "        command) _describe command commands ;;", "        argument)"]
    lines += ["            case $line[1] in"]
    lines += [f"                {one.name}) {name}-{one.name} ;;" for one in command.subcommands]
    # The other commands' own files are autoloaded from the same folder.
    lines += [f"                {one.name}) _{one.name} ;;" for one in others]
    lines += ["            esac", "            ;;", "    esac", "}", ""]
    return "\n".join([*parts, *lines])
