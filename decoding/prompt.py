"""From what the user gave to the token ids of a prompt.

Three ways, by what the checkpoint carries: a chat template that knows `fields` (the shipped
model's: it takes the document, the question and the schema line apart), any other chat template
(system and user messages), or none (plain text). `raw` skips all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tether.errors import ModelError, UsageError

if TYPE_CHECKING:
    from tether.decoding.models.base import Model


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user gave.

    Attributes:
        text: The request itself: a question, an instruction, or the document to read.
        passages: Texts that the answer shall rest on.
        fields: The wanted JSON: one line of the short syntax, or the schema's JSON text.
        system: Instructions for chat models; empty for tether's own.
        raw: `text` is the whole prompt: no template, special tokens are read as such.
        instruction: A sentence that a view of contrast sees before everything else.
    """

    text: str
    passages: tuple[str, ...] = ()
    fields: str = ""
    system: str = ""
    raw: bool = False
    instruction: str = ""


def encode(model: Model, prompt: Prompt) -> tuple[int, ...]:
    """The token ids of a prompt for this model.

    Raises:
        UsageError: The prompt is empty or longer than the model's positions.
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
    if prompt.raw:
        return _join(prompt.instruction, prompt.text)
    if model.chat_template is None:
        return _plain(prompt)
    text = _clean(model, prompt.text)
    passages = tuple(_clean(model, passage) for passage in prompt.passages)
    if "fields" in model.chat_template:
        documents = [{"text": passage} for passage in passages]
        user = {"role": "user", "content": _join(prompt.instruction, text)}
        return _render(model, [user], documents=documents, fields=prompt.fields)
    system = _join(prompt.instruction, prompt.system or _instruction(prompt))
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _join(*passages, text)})
    return _render(model, messages)


def _instruction(prompt: Prompt) -> str:
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


def _render(model: Model, messages: list[dict[str, str]], **extra: object) -> str:
    """Run a Jinja chat template as the library does, in its sandbox."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.globals["raise_exception"] = refuse
    try:
        template = environment.from_string(model.chat_template or "")
        return template.render(
            messages=messages, add_generation_prompt=True, **model.special_tokens, **extra
        )
    except TemplateError as error:
        if messages[0]["role"] == "system":  # some templates know no system role
            first = {"role": "user", "content": "\n\n".join(m["content"] for m in messages)}
            return _render(model, [first], **extra)
        raise ModelError(
            f"The chat template of {model.name} does not render: {error}.",
            hint="Use --raw-prompt to give the whole prompt yourself.",
        ) from error
