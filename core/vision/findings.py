"""What findings look like, in words: the knowledge that AG-KD puts beside a finding's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from medpipe.core.errors import InputError

SHIPPED: Final = Path(__file__).parent / "findings.yaml"
_ATTRIBUTES: Final = ("what", "density", "shape", "border", "location")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Sentences by the finding's name in lower case; `digest` stands for all of them.

    `reviewed`: whether a radiologist has looked at each; None where nobody says.
    """

    sentences: dict[str, str]
    digest: str
    reviewed: bool | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The shipped findings, or a user's file: YAML of name to sentence, or of the shipped file's form.

        Raises InputError (`bad-knowledge`).
        """
        import yaml

        path = path or SHIPPED
        try:
            raw = path.read_bytes()
            found = yaml.safe_load(raw)
        except FileNotFoundError:
            raise InputError("bad-knowledge", f"{path}: no such file") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            said = str(getattr(error, "problem", None) or getattr(error, "strerror", None) or "not UTF-8")
            raise InputError("bad-knowledge", f"{path} cannot be read as YAML: {said}") from None
        if isinstance(found, dict) and isinstance(found.get("findings"), dict):
            found = found["findings"]
        if not isinstance(found, dict) or not found:
            raise InputError("bad-knowledge", f"{path} is no mapping of findings to what they look like")
        sentences = {normal_name(str(name)): _sentence(path, str(name), entry) for name, entry in found.items()}
        for name, entry in found.items():
            for other in _aliases(path, str(name), entry):
                sentences.setdefault(normal_name(other), sentences[normal_name(str(name))])
        return cls(sentences, hashlib.sha256(raw).hexdigest()[:12], _reviewed(found.values()))

    def with_sentences(self, sentences: Mapping[str, str]) -> Self:
        """These findings with other sentences for some of them."""
        own = {normal_name(name): sentence for name, sentence in sentences.items()}
        told = "\n".join(f"{name}: {sentence}" for name, sentence in sorted(own.items()))
        digest = hashlib.sha256(f"{self.digest}\n{told}".encode()).hexdigest()[:12]
        return type(self)(self.sentences | own, digest, self.reviewed) if own else self

    def sentence(self, name: str) -> str | None:
        """What is known of a finding; None where nobody described it."""
        return self.sentences.get(normal_name(name))


def normal_name(name: str) -> str:
    """A finding's name as the data sets' variants of it meet: lower case, `nodule/mass` as `nodule or mass`."""
    return " ".join(name.lower().replace("_", " ").replace("/", " or ").split())


def _aliases(path: Path, name: str, entry: Any) -> list[str]:
    others = entry.get("aliases", []) if isinstance(entry, dict) else []
    if not isinstance(others, list):
        raise InputError("bad-knowledge", f"{path}: the aliases of {name} are no list")
    return [str(other) for other in others]


def _reviewed(entries: Iterable[Any]) -> bool | None:
    said = [entry.get("reviewed") if isinstance(entry, dict) else None for entry in entries]
    if any(one is False for one in said):
        return False
    return True if all(one is True for one in said) else None


def _sentence(path: Path, name: str, entry: Any) -> str:
    if isinstance(entry, str) and entry.strip():
        return entry.strip()
    if isinstance(entry, dict):
        parts = [entry.get(attribute) for attribute in _ATTRIBUTES]
        known = [part.strip().rstrip(".") for part in parts if isinstance(part, str) and part.strip()]
        if known:
            return f"{', '.join(known)}."
    raise InputError("bad-knowledge", f"{path}: {name} has neither a sentence nor {', '.join(_ATTRIBUTES)}")
