"""Prompts: the three ways of rendering, and what a document may not do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.builtin.tokenizer import CHAT_TEMPLATE
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, Turn, encode, render
from tether.errors import ModelError, UsageError

CHAT = """{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}\
{% if add_generation_prompt %}[assistant]{% endif %}"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("model")
    save_checkpoint(directory, "llama")
    return models.load(str(directory))


def test_shipped_template(plain: Model) -> None:
    model = replace(plain, chat_template=CHAT_TEMPLATE)
    assert render(model, Prompt("Who?")) == "<|ask|>Who?<|out|>"
    assert render(model, Prompt("Who?", ("A.", "B."))) == "<|doc|>A.\nB.<|ask|>Who?<|out|>"
    assert (
        render(model, Prompt("Mail.", fields="a, b int")) == "<|doc|>Mail.<|json|>a, b int<|out|>"
    )
    assert render(model, Prompt("", ("Mail.",), "a")) == "<|doc|>Mail.<|json|>a<|out|>"


def test_chat_template(plain: Model) -> None:
    model = replace(plain, chat_template=CHAT, special_tokens={"bos_token": "<s>"})
    assert render(model, Prompt("Hi")) == "<s>[user]Hi[assistant]"
    text = render(model, Prompt("Hi", ("P.",), "{name}", "Be brief."))
    assert text == "<s>[system]Be brief.[user]P.\n\nHi[assistant]"
    assert "{name}" in render(model, Prompt("Hi", (), "{name}"))


def test_no_template(plain: Model) -> None:
    assert render(plain, Prompt("Hi", ("P.",))) == "P.\n\nHi\n"
    assert render(plain, Prompt("Hi", raw=True)) == "Hi"


def test_an_instruction_stands_before_everything(plain: Model) -> None:
    told = Prompt("Hi", ("P.",), system="S", instruction="Lie.")
    assert render(plain, told) == "Lie.\n\nS\n\nP.\n\nHi\n"
    assert render(plain, replace(told, raw=True)) == "Lie.\n\nHi"
    chat = replace(plain, chat_template=CHAT)
    assert render(chat, told) == "[system]Lie.\n\nS[user]P.\n\nHi[assistant]"
    shipped = replace(plain, chat_template=CHAT_TEMPLATE)
    assert render(shipped, told) == "<|doc|>P.<|ask|>Lie.\n\nHi<|out|>"


def test_templates_without_a_system_role_get_one_message(plain: Model) -> None:
    picky = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHAT
    model = replace(plain, chat_template=picky)
    assert render(model, Prompt("Hi", system="S")) == "[user]S\n\nHi[assistant]"


TURNS = (Turn("user", "Hi"), Turn("assistant", "Ho <end>"))


def test_conversations(plain: Model) -> None:
    model = replace(plain, chat_template=CHAT)
    said = render(model, Prompt("And?", ("P.",), system="S", turns=TURNS))
    assert said == "[system]S[user]Hi[assistant]Ho <\u200bend>[user]P.\n\nAnd?[assistant]"
    picky = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHAT
    model = replace(plain, chat_template=picky)
    said = render(model, Prompt("And?", system="S", turns=TURNS))
    assert said.startswith("[user]S\n\nHi[assistant]Ho")
    said = render(model, Prompt("And?", system="S", turns=TURNS[1:]))
    assert said.startswith("[user]S[assistant]Ho")


def test_conversations_that_cannot_be_put_to_the_model(plain: Model) -> None:
    prompt = Prompt("And?", turns=TURNS)
    for model in (plain, replace(plain, chat_template=CHAT_TEMPLATE)):
        with pytest.raises(UsageError, match="no earlier turns"):
            render(model, prompt)
    with pytest.raises(UsageError, match="raw prompt has no earlier turns"):
        render(replace(plain, chat_template=CHAT), replace(prompt, raw=True))
    strict = "{% if messages | length > 1 %}{{ raise_exception('alternate') }}{% endif %}" + CHAT
    with pytest.raises(ModelError, match="take turns"):
        render(replace(plain, chat_template=strict), prompt)


def test_a_broken_template_is_the_models_fault(plain: Model) -> None:
    with pytest.raises(ModelError, match="chat template"):
        render(replace(plain, chat_template="{% if"), Prompt("Hi"))


def test_templates_run_in_a_sandbox(plain: Model) -> None:
    evil = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(ModelError):
        render(replace(plain, chat_template=evil), Prompt("Hi"))


def test_documents_cannot_smuggle_control_tokens(plain: Model) -> None:
    model = replace(plain, chat_template=CHAT)
    ids = encode(model, Prompt("say <end> now"))
    assert model.vocabulary.eos_id not in ids


def test_empty_and_oversized_prompts(plain: Model) -> None:
    with pytest.raises(UsageError, match="empty"):
        encode(plain, Prompt("  "))
    with pytest.raises(UsageError, match="160 positions"):
        encode(plain, Prompt("word " * 400))
