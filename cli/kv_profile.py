"""kv-profile: requests of a multimodal model in; where its cache goes, budgets, and what they cost out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.command import command_group, execute
from medpipe.cli.image_options import Voi, read_options
from medpipe.cli.options import RunOptions, split_names

if TYPE_CHECKING:
    from medpipe.cli.kv_profiling import Profiling
    from medpipe.cli.process import Transform
    from medpipe.formats.jsonl import Record
    from medpipe.formats.registry import ReadOptions

    Prepared = tuple[Callable[[Record], Iterable[Record]], str]

NAME = "kv-profile"


class Entropy(StrEnum):
    """Over which keys cross-modal entropies are."""

    paper = "paper"
    causal = "causal"


Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="A decoder: folder, hub name, or smoke: tiny and untrained.")
]
Stride = Annotated[
    int, typer.Option("--stride", metavar="N", min=1, help="Look at every Nth row of attention; 1 for all.")
]
EntropyOf = Annotated[
    Entropy,
    typer.Option("--entropy", help="Cross-modal over all keys of the other kind, as the paper, or those a row sees."),
]
PerHead = Annotated[bool, typer.Option("--per-head", help="For each KV head too.")]
Summary = Annotated[bool, typer.Option("--summary", help="A table on stderr at the end.")]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method", metavar="NAMES", help="meda, meda-released, lookm, h2o, observed, snapkv, pyramid, ...; repeatable."
    ),
]
Ratios = Annotated[
    list[float] | None,
    typer.Option("--ratio", metavar="X", help="The fraction of entries kept, above 0 to 1; repeatable."),
]
Merge = Annotated[
    str | None,
    typer.Option("--merge", metavar="NAME", help="Another merger: none, average, pivot, weighted, value-only."),
]


def measure(
    run: RunOptions,
    model: Model = ...,  # type: ignore[assignment]
    stride: Stride = 1,
    entropy: EntropyOf = Entropy.paper,
    per_head: PerHead = False,
    voi: Voi = "file",
    summary: Summary = False,
) -> int:
    """Measure a prompt's attention layer by layer: entropy, mass between text and image, sinks, coverage, bytes.

    Requests are JSON Lines with prompt, images (paths, or records of med-cat) and answer. Images stand before the text,
    or each where the prompt says <image>. Entropies are in nats. Nothing is dropped, and no n x n matrix is made.
    """
    settings = _settings(model, stride, entropy, voi, per_head=per_head)

    def prepare(read: ReadOptions) -> Prepared:
        profiling = _open(run, settings, read)
        return profiling.measure, profiling.label

    return _run("measure", run, settings, prepare, summary=summary)


def plan(
    run: RunOptions,
    model: Model = ...,  # type: ignore[assignment]
    method: Methods = None,
    ratio: Ratios = None,
    plan_file: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE", help="Write the mean fractions of the layers there, as JSON."),
    ] = None,
    stride: Stride = 1,
    entropy: EntropyOf = Entropy.paper,
    per_head: PerHead = False,
    voi: Voi = "file",
    summary: Summary = False,
) -> int:
    """Budgets of the layers at a ratio: they sum to what is asked for exactly.

    One record a request, ratio and method; nothing is dropped. A plan holds fractions, so that it fits other prompts:
    kv-profile sweep --plan, or core.kv in Python.
    """
    methods, ratios = _chosen(method or ["meda"], ratio or [0.2])
    if plan_file is not None and (len(methods) > 1 or len(ratios) > 1):
        raise typer.BadParameter("--plan is of one method at one ratio")
    settings = _settings(model, stride, entropy, voi, per_head=per_head, methods=methods, ratios=ratios)

    def prepare(read: ReadOptions) -> Prepared:
        from medpipe.cli.kv_profiling import compressions_of

        profiling = _open(run, settings, read)
        compressions = compressions_of(profiling.decoder, methods, ratios)
        return lambda record: profiling.plan(record, compressions), profiling.label

    return _run("plan", run, settings, prepare, summary=summary, plan_file=plan_file)


def sweep(
    run: RunOptions,
    model: Model = ...,  # type: ignore[assignment]
    method: Methods = None,
    ratio: Ratios = None,
    plan_file: Annotated[
        str | None, typer.Option("--plan", metavar="FILE", help="Try the budgets of a plan too.")
    ] = None,
    merge: Merge = None,
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="N", min=1, help="The most of a continuation or an answer.")
    ] = 32,
    every: Annotated[
        int | None,
        typer.Option("--every", metavar="N", min=1, help="Compress again when a layer is N entries above its target."),
    ] = None,
    target: Annotated[
        int | None,
        typer.Option(
            "--target", metavar="N", min=1, help="Entries a layer, on average; if not its budget of the prompt."
        ),
    ] = None,
    stride: Stride = 1,
    entropy: EntropyOf = Entropy.paper,
    voi: Voi = "file",
    summary: Summary = False,
) -> int:
    """Try budgets: what a compressed cache costs against the full one, on one continuation forced on both.

    One record a request, ratio and method; the full cache, uniform budgets, random choice and an int8 cache are always
    among them.
    The continuation is the answer where there is one, which is then also asked for: exact match and ROUGE-L.
    """
    from medpipe.core.kv.methods import CONTROLS

    methods, ratios = _chosen(method or ["meda"], ratio or [0.5, 0.2, 0.1])
    methods = list(dict.fromkeys([*methods, *CONTROLS]))
    if target is not None and every is None:
        raise typer.BadParameter("--target goes with --every: how far above it a layer may grow")
    settings = _settings(
        model, stride, entropy, voi, tokens=tokens, every=every, target=target, methods=methods, ratios=ratios,
        merge=merge, plan=plan_file,
    )  # fmt: skip

    def prepare(read: ReadOptions) -> Prepared:
        from medpipe.cli.kv_profiling import compressions_of

        profiling = _open(run, settings, read)
        compressions = compressions_of(profiling.decoder, methods, ratios, merge, plan_file)
        return lambda record: profiling.sweep(record, compressions), profiling.label

    return _run("sweep", run, settings, prepare, summary=summary)


def bench(
    run: RunOptions,
    model: Model = ...,  # type: ignore[assignment]
    method: Methods = None,
    ratio: Ratios = None,
    tokens: Annotated[int, typer.Option("--tokens", metavar="N", min=1, help="How many are decoded.")] = 32,
    repeats: Annotated[
        int, typer.Option("--repeats", metavar="N", min=1, help="Of everything but decoding; the median is told.")
    ] = 3,
    stride: Stride = 1,
    entropy: EntropyOf = Entropy.paper,
    voi: Voi = "file",
    summary: Summary = False,
) -> int:
    """Time methods and weigh them: prefill, statistics, choice, decoding, peak memory, each in a process of its own.

    One record a request, ratio and method, the full cache first and one in int8 last. Beside every speed-up stands its
    ceiling, weights and cache over weights and kept cache; and the length of output from which on the compression pays.
    """
    methods, ratios = _chosen(method or ["meda", "snapkv"], ratio or [0.2])
    if run.jobs not in (None, 1):
        raise typer.BadParameter("bench runs one process at a time: they would be in each other's way")
    settings = _settings(model, stride, entropy, voi, tokens=tokens, repeats=repeats, methods=methods, ratios=ratios)

    def prepare(read: ReadOptions) -> Prepared:
        from medpipe.cli.kv_bench import open_bench

        made = open_bench(settings, run.device, read, quiet=run.quiet)
        return made.times, made.label

    return _run("bench", run, settings, prepare, summary=summary)


def diff(
    first: Annotated[str, typer.Argument(metavar="PLAN", help="A plan; with --of a method and its ratio: meda-0.2.")],
    second: Annotated[str, typer.Argument(metavar="OTHER", help="Another, of as many layers.")],
    stream: Annotated[
        str | None,
        typer.Option("--of", metavar="STREAM", help="Compare two methods of what plan or sweep wrote, or -."),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the lines go.")] = "-",
    quiet: Annotated[bool, typer.Option("--quiet", help="No table on stderr.")] = False,
) -> int:
    """Compare two plans, or two methods: the fraction of each layer, the second minus the first, and the share moved.

    Of methods that a sweep has tried the quality too, as paired differences with intervals over requests. JSON Lines on
    standard output, one a layer and one for all; a table on stderr.
    """
    if stream is not None:
        from medpipe.cli.kv_diff_methods import diff_methods

        return diff_methods(first, second, stream, output, quiet=quiet)
    from medpipe.cli.kv_diff import diff_plans

    return diff_plans(first, second, output, quiet=quiet)


def _chosen(methods: list[str], ratios: list[float]) -> tuple[list[str], list[float]]:
    """Without repeats; BadParameter for a method that there is not, or a ratio out of range."""
    from medpipe.core.kv.methods import METHODS

    names = split_names(methods)
    for name in names:
        if name not in METHODS:
            raise typer.BadParameter(f"--method {name}: there are {', '.join(METHODS)}")
    for ratio in ratios:
        if not 0 < ratio <= 1:
            raise typer.BadParameter(f"--ratio {ratio:g}: the fraction kept is above 0 and at most 1")
    return list(dict.fromkeys(names)), list(dict.fromkeys(ratios))


def _settings(model: str, stride: int, entropy: Entropy, voi: str, **more: Any) -> dict[str, Any]:
    """What tells this run from another, for those who resume it."""
    return {"model": model, "stride": stride, "causal": entropy == Entropy.causal, "voi": voi, **more}


def _open(run: RunOptions, settings: dict[str, Any], read: ReadOptions) -> Profiling:
    from medpipe.cli.kv_profiling import Profiling

    return Profiling.open(NAME, settings, run.device, read, quiet=run.quiet)


def _run(
    verb: str,
    run: RunOptions,
    settings: dict[str, Any],
    open_with: Callable[[ReadOptions], Prepared],
    *,
    summary: bool,
    plan_file: str | None = None,
) -> int:
    if run.resume and (summary or plan_file is not None):
        raise typer.BadParameter("--resume goes without what is of the whole stream: --summary and plan --plan")
    from medpipe.cli.kv_summary import Watch
    from medpipe.cli.process import one_by_one
    from medpipe.cli.publish import make_folder
    from medpipe.cli.runner import Job, run_job
    from medpipe.cli.target import choose

    read = read_options(run.fs, settings["voi"], None)

    def prepare() -> tuple[Transform, str]:
        made, label = open_with(read)
        return one_by_one(made), label

    if plan_file is not None and verb == "plan":
        make_folder(plan_file)
    watch = Watch(verb)
    target = watch.target(choose(run.output, None)) if summary or plan_file is not None else None
    code = run_job(Job(f"{NAME} {verb}", run, prepare, settings, read=read, target=target))
    if plan_file is not None and code in (0, 1):
        watch.write_plan(plan_file)
    if summary:
        watch.show()
    return code


app = command_group(
    NAME,
    "Where a multimodal model's key-value cache goes, and what a budget for it costs.",
    {"measure": measure, "plan": plan, "sweep": sweep, "bench": bench, "diff": diff},
)


def run() -> None:
    """The executable."""
    execute(app, NAME)
