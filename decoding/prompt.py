"""From what the user gave to the token ids of a prompt.

Three ways, by what the checkpoint carries: a chat template that knows `fields` (the shipped
model's: it takes the document, the question and the schema line apart), any other chat template
(system and user messages), or none (plain text). `raw` skips all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from tether.errors import ModelError, UsageError

if TYPE_CHECKING:
    from jinja2 import Template

    from tether.decoding.models.base import Model


_QUERY, _ANSWER = "<|sparql|>", "<|out|>"
"""The tokens around a question that the shipped model answers with a query."""


class Turn(NamedTuple):
    """Something said earlier in a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user gave.

    Attributes:
        text: The request itself: a question, an instruction, or the document to read.
        passages: Texts that the answer shall rest on.
        fields: The wanted JSON: one line of the short syntax, or the schema's JSON text.
        system: Instructions for chat models; empty for tether's own.
        turns: What was said before `text`, for chat models.
        query: What a query of SPARQL may speak of, where one is wanted; for models that were not
            trained on such questions.
        raw: `text` is the whole prompt: no template, special tokens are read as such.
        instruction: A sentence that a view of contrast sees before everything else.
    """

    text: str
    passages: tuple[str, ...] = ()
    fields: str = ""
    system: str = ""
    raw: bool = False
    instruction: str = ""
    turns: tuple[Turn, ...] = ()
    query: str = ""


def encode(model: Model, prompt: Prompt) -> tuple[int, ...]:
    """The token ids of a prompt for this model.

    Raises:
        UsageError: The prompt is empty, longer than the model's positions, or has earlier turns
            that the model does not know.
        ModelError: The checkpoint's chat template does not render.
    """
    if not (prompt.text.strip() or prompt.passages):
        raise UsageError("The prompt is empty.", hint="Give a text, @file, or pipe one in.")
    begin = prompt.raw or model.chat_template is None  # templates write the begin token themselves
    ids = tuple(model.vocabulary.encode_prompt(render(model, prompt), begin=begin))
    limit = model.network.max_positions
    if len(ids) >= limit:
        raise UsageError(
            f"The prompt has {len(ids)} tokens; the model {model.name} has {limit} positions.",
            hint="Shorten the text or choose a model with a longer context (--model).",
        )
    return ids


def render(model: Model, prompt: Prompt) -> str:
    """The text of a prompt after the model's template, special tokens written out."""
    if prompt.turns:
        _check_turns(model, prompt)
    if prompt.raw:
        return _join(prompt.instruction, prompt.text)
    if prompt.query and _knows_queries(model):
        return f"{_QUERY}{_clean(model, _join(prompt.instruction, prompt.text))}{_ANSWER}"
    if model.chat_template is None:
        return _plain(prompt)
    text = _clean(model, prompt.text)
    passages = tuple(_clean(model, passage) for passage in prompt.passages)
    if _knows_fields(model):
        documents = [{"text": passage} for passage in passages]
        user = {"role": "user", "content": _join(prompt.instruction, text)}
        return _render(model, [user], documents=documents, fields=prompt.fields)
    system = _join(prompt.instruction, prompt.system or _instruction(prompt))
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": role, "content": _clean(model, said)} for role, said in prompt.turns]
    messages.append({"role": "user", "content": _join(*passages, text)})
    return _render(model, messages)


def _knows_queries(model: Model) -> bool:
    special = {model.vocabulary.tokens[token] for token in model.vocabulary.special_ids}
    return {_QUERY.encode(), _ANSWER.encode()} <= special


def _knows_fields(model: Model) -> bool:
    return "fields" in (model.chat_template or "")


def _check_turns(model: Model, prompt: Prompt) -> None:
    """Refuse a conversation where there is no honest way to put it to the model."""
    if prompt.raw:
        raise UsageError("A raw prompt has no earlier turns.", hint="Leave --raw-prompt out.")
    if model.chat_template is None or _knows_fields(model):
        raise UsageError(
            f"{model.name} answers one message; it knows no earlier turns.",
            hint="Take a chat model (--model), or write all that matters into one user message.",
        )


def _instruction(prompt: Prompt) -> str:
    if prompt.query:
        return f"Answer with one SPARQL query and nothing else. {prompt.query}"
    if not prompt.fields:
        return ""
    return f"Answer with JSON only, in this form: {prompt.fields}"


def _plain(prompt: Prompt) -> str:
    before = (prompt.instruction, prompt.system, *prompt.passages)
    return _join(*before, prompt.text, _instruction(prompt)) + "\n"


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _clean(model: Model, text: str) -> str:
    """Without the model's own control tokens, which a document could smuggle in."""
    for token in model.vocabulary.special_ids:
        name = model.vocabulary.tokens[token].decode("utf-8", "replace")
        if name and name in text:
            text = text.replace(name, name[0] + "\u200b" + name[1:])
    return text


@lru_cache(maxsize=8)
def _template(text: str) -> Template:
    """A chat template, compiled once, in the sandbox in which the library runs it."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = refuse
    return environment.from_string(text)


def _render(model: Model, messages: list[dict[str, str]], **extra: object) -> str:
    """Run a Jinja chat template."""
    from jinja2 import TemplateError

    try:
        return _template(model.chat_template or "").render(
            messages=messages, add_generation_prompt=True, **model.special_tokens, **extra
        )
    except TemplateError as error:
        if messages[0]["role"] == "system":  # some templates know no system role
            return _render(model, _without_system(messages), **extra)
        raise ModelError(
            f"The chat template of {model.name} does not render: {error}.",
            hint="Use --raw-prompt to give the whole prompt yourself."
            if len(messages) == 1
            else "Let user and assistant messages take turns.",
        ) from error


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The instructions put before what the user says first."""
    said, rest = messages[0]["content"], messages[1:]
    if rest[0]["role"] == "user":
        said, rest = _join(said, rest[0]["content"]), rest[1:]
    return [{"role": "user", "content": said}, *rest]
