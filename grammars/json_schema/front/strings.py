"""String views -> terminals."""

from __future__ import annotations

from collections.abc import Iterator

from jsonschema_rs.canonical import StringView

from tether.grammars.json_schema.front.formats import FORMATS
from tether.grammars.json_schema.front.grammar import Grammar, literal_text
from tether.grammars.json_schema.front.patterns import Language, pattern_language

_LONGEST = 2000
"""Lengths past that are left to the oracle: the engine counts characters by states."""
_LONGEST_BESIDE = 256
"""The same where a pattern or a format is counted along with the length."""
_MOST_EXCLUDED = 2000
_UNUSED = r"\x{10ffff}"
_MOST_PARTS = 8
"""Shapes and exclusions of one string: the engine multiplies their states."""


def string_value(grammar: Grammar, view: StringView, free: bool) -> str:
    """The expression of a string; `free` as for `string_body`."""
    name = grammar.terminal(string_body(grammar, view, free))
    guide = _guide(grammar, view, free)
    return f"({name} | {grammar.terminal(guide, 'G')} {grammar.never()})" if guide else name


def _guide(grammar: Grammar, view: StringView, free: bool) -> str | None:
    """The body of a terminal that leads nowhere and makes the masks of the string cheaper, if any.

    Where a pattern may be found anywhere, every text begins some string in which it is; the engine
    sees that of its sets of tokens only while no part of the pattern is there. The guide says it
    at all times. It ends with a character that nobody writes, and what it ends can go on only as
    the string itself: no mask holds a token for its sake.
    """
    if view.formats or view.excluded or view.excluded_patterns or view.excluded_formats:
        return None
    shapes = [*_shapes(grammar, view, free)]
    if len(shapes) != 1 or not shapes[0].is_open:
        return None
    _, high = _length(grammar, view, free, shaped=True)
    if high is not None and high <= shapes[0].shortest:
        return None
    most = None if high is None else high - shapes[0].shortest - 1
    return f'/"{grammar.style.char}{_times(0, most)}{_UNUSED}/'


def string_body(grammar: Grammar, view: StringView, free: bool) -> str:
    """The body of the terminal of a string, quotes included.

    Args:
        grammar: Where the terminal goes.
        view: What is asked of the string.
        free: Whether the bounds of generating may tighten it.
    """
    shapes = [*_shapes(grammar, view, free)]
    parts = _counted(grammar, shapes, *_length(grammar, view, free, bool(shapes)))
    parts += _exclusions(grammar, view)
    if view.content_encodings or view.content_media_types:
        grammar.loosen(is_scalar=True)
    if len(parts) > _MOST_PARTS:
        grammar.loosen(is_scalar=True)
        del parts[_MOST_PARTS:]
    if not grammar.afford(len(parts)):
        grammar.loosen(is_scalar=True)
        return f'/"{grammar.style.char}*"/'
    return " & ".join(parts)


def _shapes(grammar: Grammar, view: StringView, free: bool) -> Iterator[Language]:
    """What patterns and formats ask for."""
    patterns = list(view.patterns)
    known = [FORMATS[name] for name in view.formats if name in FORMATS]
    alone = free and not patterns and len(known) == 1 and not _is_counted(view)
    for shape in known:
        plain = alone and shape.plain
        if not (shape.plain_exact if plain else shape.wide_exact):
            grammar.loosen(is_scalar=True)
        patterns += [shape.plain] if plain else filter(None, (shape.wide, shape.beside))
    for pattern in patterns:
        language = pattern_language(pattern)
        if language is None:
            grammar.loosen(is_scalar=True)
            language = pattern_language(pattern, wide=True)
        if language and not language.is_all:
            yield language


def _is_counted(view: StringView) -> bool:
    return bool(view.min_length or view.max_length is not None or view.excluded_patterns)


def _counted(grammar: Grammar, shapes: list[Language], low: int, high: int | None) -> list[str]:
    """The shapes, and a count of characters; one regex where all characters are of one kind."""
    bodies = [shape.body for shape in shapes]
    if not shapes or (low, high) != (0, None):
        run = shapes[0].counted(low, high) if len(shapes) == 1 else None
        bodies = [run] if run else [*bodies, f"{grammar.style.char}{_times(low, high)}"]
    return [f'/"{body}"/' for body in bodies]


def _times(low: int, high: int | None) -> str:
    return f"{{{low},{'' if high is None else high}}}" if low or high is not None else "*"


def _length(grammar: Grammar, view: StringView, free: bool, shaped: bool) -> tuple[int, int | None]:
    """The fewest and the most characters that the terminal counts."""
    low, high = view.min_length or 0, view.max_length
    longest = _LONGEST_BESIDE if shaped else _LONGEST
    if low > longest or (high is not None and high > longest):
        grammar.loosen(is_scalar=True)
    low = min(low, longest)
    high = high if high is not None and high <= longest else None
    if high is None and view.max_length is None and free and grammar.style.bounds:
        high = _free_length(view, grammar.style.bounds.max_string, low, shaped)
    return low, high


def _free_length(view: StringView, most: int, low: int, shaped: bool) -> int | None:
    """How long a string without an end of its own may grow."""
    if not most or low > most:
        return low if most else None
    if not shaped:
        return most
    if view.formats or len(view.patterns) != 1 or view.min_length:
        return None
    language = pattern_language(view.patterns[0], wide=True)
    return most if language and language.shortest <= most <= _LONGEST_BESIDE else None


def _exclusions(grammar: Grammar, view: StringView) -> Iterator[str]:
    """What the string must not be."""
    names = [name for name in view.excluded_formats if name in FORMATS]
    patterns = [*view.excluded_patterns, *(FORMATS[n].wide for n in names if FORMATS[n].wide_exact)]
    if len(patterns) < len(view.excluded_patterns) + len(view.excluded_formats):
        grammar.loosen(is_scalar=True)
    for pattern in patterns:
        language = pattern_language(pattern)
        if language:
            yield f'~/"{language.body}"/'
        else:
            grammar.loosen(is_scalar=True)
    if len(view.excluded) > _MOST_EXCLUDED:
        grammar.loosen(is_scalar=True)
    elif view.excluded:
        yield f"~({' | '.join(map(literal_text, view.excluded))})"
