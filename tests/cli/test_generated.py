"""Man pages and completions: never stale, whole, and working in the real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import BIN

from medpipe.cli.describe import Command, describe_all
from medpipe.cli.medpipe import COMMANDS

ROOT = Path(__file__).parents[2]
EVERY = [*COMMANDS, "medpipe"]
PLACES = {
    "man": ["man/{}.1"],
    "completions": ["completions/bash/{}", "completions/zsh/_{}", "completions/fish/{}.fish"],
}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_committed_is_what_the_commands_say_now(tmp_path: Path, kind: str) -> None:
    subprocess.run([sys.executable, ROOT / kind / "generate.py", tmp_path], check=True)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {Path(place.format(name)).relative_to(kind) for name in EVERY for place in PLACES[kind]}
    for path in made:
        assert (tmp_path / path).read_bytes() == (ROOT / kind / path).read_bytes(), f"{path}: run `make man`"


def test_no_page_is_left_over_from_a_command_that_is_gone() -> None:
    expected = {place.format(name) for name in EVERY for places in PLACES.values() for place in places}
    found = {str(path.relative_to(ROOT)) for pattern in ("man/*.1", "completions/*/*") for path in ROOT.glob(pattern)}
    assert {path for path in found if "__pycache__" not in path} == expected


@pytest.mark.parametrize("command", describe_all(), ids=lambda command: command.name)
def test_every_option_is_in_the_page_and_in_the_completions(command: Command) -> None:
    def flags(one: Command) -> set[str]:
        return {flag for option in one.options for flag in option.flags}.union(*(flags(sub) for sub in one.subcommands))

    page = (ROOT / f"man/{command.name}.1").read_text().replace("\\-", "-")
    scripts = [(ROOT / place.format(command.name)).read_text() for place in PLACES["completions"]]
    for flag in flags(command):
        assert flag in page and flag in scripts[0] and flag in scripts[1]
        assert f" -{'l' if flag.startswith('--') else 's'} {flag.lstrip('-')} " in scripts[2]


@needs("mandoc")
@pytest.mark.parametrize("command", EVERY)
def test_pages_are_clean(command: str) -> None:
    said = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", ROOT / f"man/{command}.1"], capture_output=True, check=False
    )
    assert said.stdout == b""


LINES = [
    ("med-cat --on-er", "--on-error", ()),
    ("med-cat --on-error ", "skip", ("--jobs",)),
    ("ecg-encode --arch merl-vit-t", "merl-vit-tiny", ("merl-resnet18",)),
    ("med-score ", "labels", ("--truth",)),
    ("med-score labels --tr", "--truth", ()),
    ("medpipe mod", "models", ()),
    ("medpipe models ve", "verify", ()),
    ("medpipe ecg-zeroshot --quer", "--queries", ()),
    ("med-view --layout ", "12x1", ()),
]


@needs("bash")
@pytest.mark.parametrize(("line", "wanted", "unwanted"), LINES)
def test_bash_completes(line: str, wanted: str, unwanted: tuple[str, ...]) -> None:
    words = line.split(" ")
    script = f"""
source {ROOT}/completions/bash/{words[0]}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
$(complete -p {words[0]} | sed 's/.*-F \\([^ ]*\\).*/\\1/') 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    found = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert wanted in found and not set(unwanted) & set(found)


@needs("fish")
@pytest.mark.parametrize(("line", "wanted", "unwanted"), LINES)
def test_fish_completes(line: str, wanted: str, unwanted: tuple[str, ...], tmp_path: Path) -> None:
    sources = "; ".join(f"source {path}" for path in sorted((ROOT / "completions/fish").glob("*.fish")))
    shown = subprocess.run(
        ["fish", "--no-config", "-c", f"{sources}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    found = [one.split("\t")[0] for one in shown.stdout.splitlines()]
    assert wanted in found and not set(unwanted) & set(found)


@needs("zsh")
@pytest.mark.parametrize(("line", "wanted", "unwanted"), LINES)
def test_zsh_completes_at_the_first_tab(line: str, wanted: str, unwanted: tuple[str, ...], tmp_path: Path) -> None:
    shown = typed_in_zsh(line, tmp_path)
    assert wanted in shown and not any(word in shown for word in unwanted)


def typed_in_zsh(line: str, home: Path) -> str:
    """What a terminal shows once `line` and one TAB have been typed, colours taken out."""
    (home / ".zshrc").write_text(
        f"fpath=({ROOT}/completions/zsh $fpath)\nPATH={BIN}:$PATH\nautoload -Uz compinit; compinit -u -d {home}/dump\n"
        "PROMPT='ready> '\nunsetopt prompt_sp\nzstyle ':completion:*' list-prompt ''\nLISTMAX=0\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(HOME=str(home), ZDOTDIR=str(home), TERM="dumb", COLUMNS="200", LINES="100")
        os.chdir(home)
        os.execvp("zsh", ["zsh", "-i"])
    try:
        before = read_until(terminal, b"ready> ", 20)
        assert b"ready> " in before
        os.write(terminal, line.encode())
        read_until(terminal, line.encode()[-3:], 5)
        os.write(terminal, b"\t")
        return line + read_until(terminal, None, 2.0).decode(errors="replace")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def read_until(terminal: int, mark: bytes | None, seconds: float) -> bytes:
    """Output until `mark`, or until it has been quiet for a while."""
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and (mark is None or mark not in seen):
        ready, _, _ = select.select([terminal], [], [], 0.7 if seen else end - time.monotonic())
        if not ready:
            break
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
    return seen
