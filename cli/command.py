"""From a function with typed options to an executable: help, version, exit codes, closed pipes."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from medpipe.cli.exits import CLOSED_PIPE, WORK_LEFT, WRITE_FAILED, Fatal
from medpipe.cli.options import SharedOptions

# What a numerical library would start on its own: one thread a job keeps results and neighbours undisturbed.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

Body = Callable[..., int]


def plain_command(name: str, body: Body) -> typer.Typer:
    """A command of the options that `body` names; its docstring is the help, its result the exit code.

    A parameter of a kind of `SharedOptions` stands for all of these, before and behind the body's own.
    """
    return _app(name, body, *_shaped(body))


def command_group(name: str, summary: str, bodies: dict[str, Body], alone: Body | None = None) -> typer.Typer:
    """A command of subcommands, `NAME SUBCOMMAND [OPTIONS]`; `alone` is what NAME by itself does, else help.

    Bodies are as those of `plain_command`.
    """
    group = typer.Typer(
        name=name, help=summary, no_args_is_help=alone is None, invoke_without_command=alone is not None, **_PLAIN
    )

    def begin(context: typer.Context, **values: Any) -> None:
        """A callback keeps the subcommand's name necessary, however many there are."""
        if alone is not None and context.invoked_subcommand is None:
            raise typer.Exit(_guarded(name, alone))

    asking = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    _sign(begin, [asking, _version(name)])
    group.callback(help=summary)(begin)
    for sub, body in bodies.items():
        _register(group, f"{name} {sub}", sub, body, *_shaped(body))
    return group


def record_command(name: str, body: Body) -> typer.Typer:
    """A record-to-record command: `body(run, **own options)`, `run` holding the shared options."""
    return _app(name, body, *_shaped(body))


def _shaped(body: Body) -> tuple[list[inspect.Parameter], Callable[[dict[str, Any]], int]]:
    """A body's parameters, shared ones among them where it takes such, and how it is called with their values."""
    own = _own_parameters(body)
    taken = next((one for one in own if _is_shared(one.annotation)), None)
    if taken is None:
        return own, lambda values: body(**values)
    kind, shared = taken.annotation, taken.annotation.parameters()

    def call(values: dict[str, Any]) -> int:
        given = kind(**{one.name: values.pop(one.name) for one in shared})
        given.check()
        return body(**{taken.name: given}, **values)

    return [shared[0], *(one for one in own if one is not taken), *shared[1:]], call


def _is_shared(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, SharedOptions)


def _own_parameters(body: Body) -> list[inspect.Parameter]:
    found = inspect.signature(body, eval_str=True).parameters.values()
    return [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in found]


def _app(
    name: str, body: Body, parameters: list[inspect.Parameter], call: Callable[[dict[str, Any]], int]
) -> typer.Typer:
    app = typer.Typer(name=name, **_PLAIN)

    def without_version(values: dict[str, Any]) -> int:
        values.pop("version")
        return call(values)

    _register(app, name, None, body, [*parameters, _version(name)], without_version)
    return app


def _version(name: str) -> inspect.Parameter:
    def show(wanted: bool) -> None:
        if wanted:
            from medpipe.core import __version__

            typer.echo(f"{name} (medpipe) {__version__}")
            raise typer.Exit

    option = typer.Option("--version", callback=show, is_eager=True, help="Show the version and exit.")
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter("version", kind, default=False, annotation=Annotated[bool, option])


def _register(
    app: typer.Typer,
    name: str,
    sub: str | None,
    body: Body,
    parameters: list[inspect.Parameter],
    call: Callable[[dict[str, Any]], int],
) -> None:
    def command(**values: Any) -> None:
        code = _guarded(name, lambda: call(values))
        if code:
            raise typer.Exit(code)

    _sign(command, parameters)
    command.__doc__ = body.__doc__
    app.command(sub, context_settings=_PLAIN["context_settings"])(command)


def _sign(function: Any, parameters: list[inspect.Parameter]) -> None:
    """typer reads a function's signature: give it one put together from the body's and the shared options."""
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {one.name: one.annotation for one in parameters}


def execute(app: Any, name: str, arguments: list[str] | None = None) -> NoReturn:
    """Run an application and end the process with its exit code.

    141 when the reader of standard output has gone, 74 when it takes no more.
    """
    _occupy_streams()
    # Before a run has its own handler there is nothing to finish: a batch system may run the command again.
    signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(WORK_LEFT))
    try:
        code = _exit_code(app, name, arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        code = CLOSED_PIPE
    except OSError as error:
        # What goes wrong with files is caught where it happens.
        _silence()
        print(f"{name}: standard output: {error.strerror}", file=sys.stderr)
        code = WRITE_FAILED
    sys.exit(code)


def _exit_code(app: Any, name: str, arguments: list[str] | None) -> Any:
    try:
        app(args=arguments, prog_name=name)
    except SystemExit as end:
        return end.code
    return 0


def _occupy_streams() -> None:
    """A standard stream that was closed is /dev/null, so that no file of the run takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _silence() -> None:
    """The interpreter would try to flush again at exit and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _guarded(name: str, call: Callable[[], int]) -> int:
    for variable in _THREADS:
        os.environ[variable] = "1"
    try:
        code = call()
    except BrokenPipeError:
        _silence()
        return CLOSED_PIPE
    except Fatal as fatal:
        print(f"{name}: {fatal.message}", file=sys.stderr)
        return fatal.code
    return code
