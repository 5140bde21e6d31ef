"""Language models that answer a chat: a server that speaks the OpenAI protocol, or a model that transformers loads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Protocol

from medpipe.core.errors import InputError, ModelError

Message = dict[str, str]
_SECONDS: Final = 120
_TRIES: Final = 4


class LanguageModel(Protocol):
    """Something that answers."""

    name: str

    def answer(self, messages: Sequence[Message], max_tokens: int) -> str:
        """The most likely answer to a conversation. Raises InputError (`no-answer`), ModelError."""
        ...


class ServedModel:
    """A model behind `BASE_URL/chat/completions`; the key comes from MEDPIPE_API_KEY or OPENAI_API_KEY."""

    def __init__(self, base_url: str, model: str) -> None:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self.name = model
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._session = requests.Session()
        waits = Retry(
            _TRIES,
            connect=1,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=waits))
        if key := os.environ.get("MEDPIPE_API_KEY") or os.environ.get("OPENAI_API_KEY"):
            self._session.headers["Authorization"] = f"Bearer {key}"

    def answer(self, messages: Sequence[Message], max_tokens: int) -> str:
        """See LanguageModel. A busy server is asked again, each time after a longer wait."""
        import requests

        body = {"model": self.name, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0, "seed": 0}
        try:
            reply = self._session.post(self._url, json=body, timeout=_SECONDS)
        except requests.RequestException as error:
            raise ModelError(f"no answer from {self._url}: {type(error).__name__}", unavailable=True) from None
        if reply.status_code in (401, 403, 404):
            raise ModelError(f"{self._url} answers {reply.status_code} for {self.name}", unavailable=True)
        if not reply.ok:
            raise InputError("no-answer", f"the model's server answers {reply.status_code}")
        try:
            content: Any = reply.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            content = None
        if not isinstance(content, str):
            raise InputError("no-answer", "the model's server answers something that is no chat completion")
        return content


class LocalModel:
    """A causal language model of a folder or hub name, greedy, in this process."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.name = name
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            self._model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=False, use_safetensors=True)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ModelError(f"the language model {name} cannot be loaded: {first}", unavailable=True) from None
        self._model = self._model.to(device).eval()

    def answer(self, messages: Sequence[Message], max_tokens: int) -> str:
        """See LanguageModel."""
        import torch

        asked = self._prompt(messages).to(self._model.device)
        with torch.inference_mode():
            made = self._model.generate(
                **asked, max_new_tokens=max_tokens, do_sample=False, pad_token_id=self._tokenizer.eos_token_id
            )
        text: str = self._tokenizer.decode(made[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        return text

    def _prompt(self, messages: Sequence[Message]) -> Any:
        if self._tokenizer.chat_template:
            return self._tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        # A model that was never taught to chat continues a text.
        text = "\n\n".join(message["content"] for message in messages) + "\n\n"
        return self._tokenizer(text, return_tensors="pt")
