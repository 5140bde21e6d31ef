"""Entities by a language model: a server that speaks the OpenAI protocol, and what becomes of its answers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medpipe.core.ecg.reports.answer_cache import AnswerCache
from medpipe.core.ecg.reports.llm import LlmExtractor, canonical
from medpipe.core.errors import InputError, ModelError
from medpipe.core.language_model import LocalModel, ServedModel

REPORT = "Sinus rhythm. Possible old inferior\n infarct."
LISTED = [
    {"name": "Sinus Rhythm", "status": "present", "quote": "sinus rhythm"},
    {"name": "inferior myocardial infarction", "status": "uncertain", "quote": "old inferior infarct"},
    {"name": "atrial fibrillation", "status": "present", "quote": "AF"},
    {"name": "old scar", "status": "present", "quote": "infarct"},
    "nonsense",
]


class Server:
    """Answers chat completions by a function of the prompt, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str], str | int]) -> None:
        self.asked: list[dict] = []
        self.headers: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.headers.append(self.headers.get("Authorization"))
                made = answer(body["messages"][-1]["content"])
                status, text = (made, "") if isinstance(made, int) else (200, made)
                reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def sensible(prompt: str) -> str:
    if "Statements:" in prompt:
        return 'Sure: {"confirmed": [true, true, false]}'
    return "```json\n" + json.dumps({"entities": LISTED}) + "\n```"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str], str | int]], Server]]:
    running: list[Server] = []

    def start(answer: Callable[[str], str | int]) -> Server:
        running.append(Server(answer))
        return running[-1]

    yield start
    for one in running:
        one.close()


def test_entities_quote_the_report_and_are_confirmed(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_API_KEY", "secret")
    server = serve(sensible)
    found = LlmExtractor(ServedModel(server.url, "m")).extract(REPORT)
    assert [(one.name, one.status) for one in found.entities] == [
        ("sinus rhythm", "present"), ("inferior myocardial infarction", "uncertain"),
    ]  # fmt: skip
    assert REPORT[found.entities[1].start : found.entities[1].end] == "old inferior\n infarct"
    assert found.dropped == {"unquoted": 2, "unconfirmed": 1}
    assert server.asked[0]["temperature"] == 0 and server.headers == ["Bearer secret"] * 2


def test_without_the_second_pass_there_is_one_question(serve) -> None:
    server = serve(sensible)
    found = LlmExtractor(ServedModel(server.url, "m"), confirm=False).extract(REPORT)
    assert len(server.asked) == 1 and len(found.entities) == 3


def test_no_report_is_asked_about_twice(serve, tmp_path: Path) -> None:
    server = serve(sensible)
    for _ in range(2):
        extractor = LlmExtractor(ServedModel(server.url, "m"), AnswerCache(tmp_path / "c.sqlite"))
        first = extractor.extract(REPORT)
    assert len(server.asked) == 2
    LlmExtractor(ServedModel(server.url, "other"), AnswerCache(tmp_path / "c.sqlite")).extract(REPORT)
    assert len(server.asked) == 4 and first.entities


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("no JSON", "bad-answer"), ('{"entities": 3}', "bad-answer"), ("[1]", "bad-answer"), (400, "no-answer")],
)
def test_an_answer_that_is_none_is_this_reports_error(serve, answer: str | int, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        LlmExtractor(ServedModel(serve(lambda prompt: answer).url, "m")).extract(REPORT)
    assert caught.value.kind == kind


def test_too_few_confirmations_are_refused(serve) -> None:
    def short(prompt: str) -> str:
        return '{"confirmed": [true]}' if "Statements:" in prompt else sensible(prompt)

    with pytest.raises(InputError, match="confirms another number"):
        LlmExtractor(ServedModel(serve(short).url, "m")).extract(REPORT)


def test_only_good_answers_are_kept(serve, tmp_path: Path) -> None:
    def short(prompt: str) -> str:
        return '{"confirmed": [true]}' if "Statements:" in prompt else sensible(prompt)

    cache = AnswerCache(tmp_path / "c.sqlite")
    with pytest.raises(InputError, match="confirms another number"):
        LlmExtractor(ServedModel(serve(short).url, "m"), cache).extract(REPORT)
    good = serve(sensible)
    assert LlmExtractor(ServedModel(good.url, "m"), cache).extract(REPORT).entities
    assert len(good.asked) == 1 and "Statements:" in good.asked[0]["messages"][-1]["content"]


def test_the_first_pass_is_kept_for_runs_without_a_second(serve, tmp_path: Path) -> None:
    server, cache = serve(sensible), AnswerCache(tmp_path / "c.sqlite")
    for confirm in (True, False):
        LlmExtractor(ServedModel(server.url, "m"), cache, confirm).extract(REPORT)
    assert len(server.asked) == 2


def test_braces_around_the_answer_are_passed_over(serve) -> None:
    def wordy(prompt: str) -> str:
        return 'The set {a, b}, as {"form": 1}: ' + sensible(prompt) + " {done}"

    found = LlmExtractor(ServedModel(serve(wordy).url, "m")).extract(REPORT)
    assert len(found.entities) == 2


@pytest.mark.parametrize(
    ("name", "known"),
    [("LBBB", "left bundle branch block"), ("Inferior  MI", "inferior myocardial infarction"),
     ("normal ecg", "normal ECG"), ("Old Scar", "old scar"), ("no LBBB", "no lbbb")],
)  # fmt: skip
def test_a_name_in_other_words_is_that_of_the_table(name: str, known: str) -> None:
    assert canonical(name) == known


def test_a_busy_server_is_asked_again(serve) -> None:
    seen: list[str] = []

    def busy(prompt: str) -> str | int:
        seen.append(prompt)
        return 503 if len(seen) == 1 else sensible(prompt)

    assert LlmExtractor(ServedModel(serve(busy).url, "m")).extract(REPORT).entities


def test_no_server_and_no_right_are_unavailable(serve) -> None:
    for url in (serve(lambda prompt: 401).url, "http://127.0.0.1:9/v1"):
        with pytest.raises(ModelError) as caught:
            ServedModel(url, "m").answer([{"role": "user", "content": "x"}], 5)
        assert caught.value.unavailable


def test_a_local_model_of_the_real_class_answers(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = {chr(k): k for k in range(256)} | {"<end>": 256}
    plain = Tokenizer(models.WordLevel(words, unk_token="<end>"))
    plain.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", unk_token="<end>").save_pretrained(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=257, n_embd=32, n_layer=2, n_head=2, n_positions=2048)).save_pretrained(
        tmp_path
    )
    model = LocalModel(str(tmp_path))
    message = [{"role": "user", "content": "Sinus rhythm."}]
    assert model.answer(message, 8) == model.answer(message, 8) != ""
    with pytest.raises(InputError, match="JSON"):
        LlmExtractor(model).extract(REPORT)
    with pytest.raises(ModelError):
        LocalModel(str(tmp_path / "nothing"))
