"""A page as text, by Lexbor (selectolax): what a reader sees, a line a block, and the title."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSEEN = frozenset(("script", "style", "noscript", "template", "svg", "iframe"))
_BLOCK_TAGS = """
title address article aside blockquote body br caption center dd details dialog div dl dt fieldset
figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol option p
pre section summary table tbody tfoot thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_CELLS = frozenset(("td", "th"))


def parse(page: str) -> LexborHTMLParser:
    """The tree of a page."""
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(page)


def page_text(tree: LexborHTMLParser) -> str:
    """The text of a page: blanks run together, one line a block or table row."""
    lines = (" ".join(line.split()) for line in "".join(_pieces(tree.root)).split("\n"))
    return "\n".join(line for line in lines if line)


def _pieces(root: LexborNode | None) -> Iterator[str]:
    """Texts in their order, with a line end or a blank where an element begins or ends.

    Goes from node to node without recursion: pages may be nested as deeply as they like.
    """
    node, depth = root, 0  # depth counts the <pre> elements that are open
    while node is not None:
        yield _opened(node, keep_lines=depth > 0)
        child = None if node.tag in _UNSEEN else node.first_child
        if child is not None:
            depth += node.tag == "pre"
            node = child
            continue
        while node is not None and node.next is None:
            yield _edge(node)
            node = node.parent
            depth -= node is not None and node.tag == "pre"
        if node is not None:
            yield _edge(node)
            node = node.next


def _opened(node: LexborNode, *, keep_lines: bool) -> str:
    if node.tag != "-text":
        return _edge(node)
    text = node.text_lexbor()
    return text if keep_lines else " ".join(text.split("\n"))


def _edge(node: LexborNode) -> str:
    """What parts an element from its neighbours."""
    if node.tag in _BLOCKS:
        return "\n"
    return " " if node.tag in _CELLS else ""
