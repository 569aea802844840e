"""Regexes, choices, Lark and GBNF grammars -> constraints."""

from __future__ import annotations

from collections.abc import Sequence

from tether.errors import GrammarError
from tether.grammars.constraint import Constraint
from tether.grammars.engine import (
    ENGINE_OPTIONS,
    EngineConstraint,
    plain_refusal,
    quoted,
    regex_terminal,
    with_engine_options,
)
from tether.grammars.findings import Finding
from tether.grammars.vocabulary import Vocabulary


def regex(pattern: str, vocab: Vocabulary) -> Constraint:
    """Texts that match `pattern` from end to end.

    The dialect is Rust's (no look-around, no backreferences); a leading ^ and a trailing $ say
    what holds anyway.

    Raises:
        GrammarError: The pattern is wrong, or not regular; with a caret and the cure.
    """
    from tether.grammars.lint.regex_text import regex_findings

    def refuse(message: str) -> Exception:
        return _first_error(regex_findings(pattern)) or plain_refusal(message)

    if pattern.endswith("\\"):  # a lone backslash would swallow the literal's end
        error = _first_error(regex_findings(pattern))
        if error:
            raise error
    return EngineConstraint(f"{ENGINE_OPTIONS}start: {regex_terminal(pattern)}\n", vocab, refuse)


def choices(options: Sequence[str], vocab: Vocabulary) -> Constraint:
    """Exactly one of `options`.

    Raises:
        GrammarError: There is no option.
    """
    if isinstance(options, str) or not options:
        raise GrammarError(
            "A choice needs at least one option.", hint="Give a list of texts to choose from."
        )
    texts = dict.fromkeys(options)
    for text in texts:
        if not isinstance(text, str):
            raise GrammarError(f"The option {text!r} is not a text.", hint="Options are strings.")
    union = " | ".join(map(quoted, texts))
    return EngineConstraint(f"{ENGINE_OPTIONS}start: CHOICE\nCHOICE: {union}\n", vocab)


def lark(text: str, vocab: Vocabulary) -> Constraint:
    """Texts of a grammar in llguidance's Lark dialect, from its rule `start`.

    Terminals are matched greedily: `"b" "c" | "bcd"` holds only "bcd".

    Raises:
        GrammarError: The grammar is refused; with line, column, caret and cure.
    """
    from tether.grammars.lint.lark_text import lark_findings

    def refuse(message: str) -> Exception:
        return _first_error(lark_findings(text), message) or plain_refusal(message)

    constraint = EngineConstraint(with_engine_options(text), vocab, refuse)
    error = _first_error(lark_findings(text))  # endless rules, which the engine takes
    if error:
        raise error
    return constraint


def gbnf(text: str, vocab: Vocabulary) -> Constraint:
    """Texts of a llama.cpp grammar, from its rule `root`.

    Every character is a terminal of its own, so that the language is exactly the grammar's.

    Raises:
        GrammarError: The grammar is refused; with line, column, caret and cure.
    """
    from tether.grammars.gbnf_reader import gbnf_findings, gbnf_to_lark

    error = _first_error(gbnf_findings(text))
    if error:
        raise error
    return EngineConstraint(with_engine_options(gbnf_to_lark(text)), vocab)


def _first_error(findings: Sequence[Finding], message: str = "") -> GrammarError | None:
    """The first error among the findings as an exception; the engine's message if there is none."""
    for finding in findings:
        if finding.level == "error":
            return GrammarError(
                finding.message,
                hint=finding.hint,
                pointer=finding.pointer,
                excerpt=finding.excerpt,
            )
    return plain_refusal(message) if message else None
