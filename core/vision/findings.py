"""What findings look like, in words: the knowledge that AG-KD puts beside a finding's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from medpipe.core.errors import InputError

SHIPPED: Final = Path(__file__).parent / "findings.yaml"
_TEXT: Final = "tag:yaml.org,2002:str"
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
            loader = yaml.SafeLoader(raw)
            tree = loader.get_single_node()
            found = loader.construct_document(tree) if tree is not None else None
        except FileNotFoundError:
            raise InputError("bad-knowledge", f"{path}: no such file") from None
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            said = str(getattr(error, "problem", None) or getattr(error, "strerror", None) or "not UTF-8, or damaged")
            raise InputError("bad-knowledge", f"{path} cannot be read as YAML: {said}") from None
        if isinstance(found, dict) and isinstance(found.get("findings"), dict):
            tree = next(value for key, value in tree.value if key.value == "findings")
            found = found["findings"]
        if not isinstance(found, dict) or not found:
            raise InputError("bad-knowledge", f"{path} is no mapping of findings to what they look like")
        _check_names(path, [key for key, _ in tree.value])
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


def _check_names(path: Path, keys: Iterable[Any]) -> None:
    """Of YAML's tree: a mapping would keep the last of those that are the same."""
    seen: set[str] = set()
    for key in keys:
        if key.tag != _TEXT or not key.value.strip():
            raise InputError("bad-knowledge", f"{path}: the name {key.value!r} is no text; quotes make it one")
        if (name := normal_name(key.value)) in seen:
            raise InputError("bad-knowledge", f"{path}: {name} is described twice")
        seen.add(name)


def _aliases(path: Path, name: str, entry: Any) -> list[str]:
    others = entry.get("aliases", []) if isinstance(entry, dict) else []
    if not isinstance(others, list) or not all(isinstance(other, str) and other.strip() for other in others):
        raise InputError("bad-knowledge", f"{path}: the aliases of {name} are no list of names")
    return others


def _reviewed(entries: Iterable[Any]) -> bool | None:
    said = [entry.get("reviewed") if isinstance(entry, dict) else None for entry in entries]
    if any(one is False for one in said):
        return False
    return True if all(one is True for one in said) else None


def _sentence(path: Path, name: str, entry: Any) -> str:
    if isinstance(entry, str) and entry.strip():
        return " ".join(entry.split())
    if isinstance(entry, dict):
        parts = {attribute: entry[attribute] for attribute in _ATTRIBUTES if entry.get(attribute) is not None}
        if wrong := [attribute for attribute, part in parts.items() if not isinstance(part, str)]:
            raise InputError("bad-knowledge", f"{path}: {', '.join(wrong)} of {name} is no text")
        if known := [" ".join(part.split()).rstrip(".") for part in parts.values() if part.strip()]:
            return f"{', '.join(known)}."
    raise InputError("bad-knowledge", f"{path}: {name} has neither a sentence nor {', '.join(_ATTRIBUTES)}")
