"""The grammar text under construction: named rules and terminals, and what it leaves out."""

from __future__ import annotations

import re
from functools import lru_cache
from json.encoder import encode_basestring  # what json.dumps calls for a string

from tether.grammars.engine import ENGINE_OPTIONS
from tether.grammars.json_schema.front.tokens import Style

_LARGEST = 3_000_000
"""Characters of text; parts past that are left to the oracle."""
_MOST_SYMBOLS = 12_000
"""Names and alternatives: the engine numbers its symbols with 16 bits."""
_MOST_PARTS = 150
"""Parts of intersected terminals, two of each not counted."""
_SHALLOW = 600
"""Rules that cannot be nested too deeply, whatever they refer to."""
_DEEPEST = 1000
"""Rules nested in rules, in the order in which the engine reads them; its stack ends at 2,500."""
_WORD = re.compile(r"[a-z]\w*")
_HINT = re.compile(r"[^a-z0-9]+")


class Grammar:
    """Rules and terminals by name.

    Attributes:
        exact: Whether the language is the schema's so far, with nothing left to the oracle.
        containers: Whether nothing but strings and numbers is left to it.
        extras: Whether some object may hold keys that the schema does not name.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self.exact = self.containers = True
        self.extras = False
        self._rules: dict[str, str] = {}
        self._terminals: dict[str, str] = {}
        self._size = 0
        self._num_parts = 0
        self._num_names = 0
        self._values: set[str] = set()
        self._num_symbols = 0

    def afford(self, num_parts: int) -> bool:
        """Whether one more terminal may be an intersection of so many parts.

        The engine multiplies the parts' states out; hundreds of such terminals exhaust it.
        """
        self._num_parts += max(num_parts - 2, 0)
        return self._num_parts <= _MOST_PARTS

    @property
    def full(self) -> bool:
        """Whether the text is as large as it may get."""
        return self._size > _LARGEST or self._num_symbols > _MOST_SYMBOLS

    def loosen(self, *, is_scalar: bool = False) -> None:
        """Note that something is left to the oracle: a string or number, or who knows what."""
        self.exact = False
        self.containers = self.containers and is_scalar

    def name(self, hint: str) -> str:
        """A new rule name."""
        self._num_names += 1
        self._num_symbols += 1
        word = _HINT.sub("_", hint[:24].lower()).strip("_")
        name = f"{word if word[:1].isalpha() else 'v'}_{self._num_names}"
        self._values.add(name)
        return name

    def rule(self, name: str, *alternatives: str) -> str:
        """Define a rule; a parametric one has `::_` at the end of its name."""
        body = "\n  | ".join(alternatives)
        self._size += len(body)
        self._num_symbols += len(alternatives)
        self._rules[name] = body
        return name

    def terminal(self, body: str, hint: str = "S") -> str:
        """The name of the terminal with this body."""
        name = self._terminals.get(body)
        if name is None:
            self._size += len(body)
            self._num_symbols += 1
            name = f"{hint}{len(self._terminals)}"
            self._terminals[body] = name
        return name

    def key(self, name: str) -> str:
        """A property's name and the colon after it.

        Two terminals: the engine has ready masks for a string, but not for one with more behind it.
        """
        return f"{self.terminal(literal_text(name), 'K')} COLON"

    def any_value(self) -> str:
        """The rule of any JSON value."""
        if "any" not in self._rules:
            self._rules["any"] = ""
            free = ["STR", "NUM", "BOOL", '"null"', self.any_array(), self.any_object()]
            self.rule("any", *free)
        return "any"

    def never(self) -> str:
        """An expression that nothing satisfies, but that the engine does not see through."""
        self._rules.setdefault("never::_", "COLON %if bit_set(63)")
        return "never::0"

    def any_array(self) -> str:
        """The rule of any JSON array."""
        if "any_array" not in self._rules:
            self._rules["any_array"] = ""
            most = self.style.bounds.max_items if self.style.bounds else 0
            times = f"{{0,{most - 1}}}" if most else "*"
            item = self.any_value()
            self.rule("any_array", 'LS "]"', f"LS {item} (COMMA {item}){times} RS")
        return "any_array"

    def any_object(self) -> str:
        """The rule of any JSON object."""
        self.extras = True
        if "any_object" not in self._rules:
            self._rules["any_object"] = ""
            member = f"STR COLON {self.any_value()}"
            self.rule("any_object", 'LB "}"', f"LB {member} (COMMA {member})* RB")
        return "any_object"

    def _cut(self, start: str) -> None:
        """Let values that lie too deep for the engine's stack be any value."""
        bodies = {name.removesuffix("::_"): body for name, body in self._rules.items()}
        seen: set[str] = set()
        stack = [iter(_WORD.findall(start))]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
            elif name in bodies and name not in seen:
                seen.add(name)
                if len(stack) > _DEEPEST and name in self._values:
                    self.loosen()
                    self._rules[name] = self.any_value()
                else:
                    stack.append(iter(_WORD.findall(bodies[name])))

    def _open_loops(self) -> None:
        """Let values that are defined by themselves alone be any value: nothing says what they are.

        A schema does that where a part refers to itself about the same instance.
        """
        units = {name: _units(body) & self._rules.keys() for name, body in self._rules.items()}
        for name in [name for name, others in units.items() if others]:
            reached: set[str] = set()
            waiting = [name]
            while waiting:
                new = units[waiting.pop()] - reached
                reached |= new
                waiting += new
            if name in reached:
                self.loosen()
                self._rules[name] += f"\n  | {self.any_value()}"

    def text(self, start: str) -> str:
        """The whole grammar, from the expression `start`."""
        self._open_loops()
        if len(self._rules) > _SHALLOW:
            self._cut(start)
        rules = "".join(f"{name}: {body}\n" for name, body in self._rules.items())
        terminals = "".join(f"{name}: {body}\n" for body, name in self._terminals.items())
        return f"{ENGINE_OPTIONS}start: {start}\n{rules}{self.style.terminals()}{terminals}"


def _units(body: str) -> set[str]:
    """The rules that an alternative of a rule consists of."""
    alternatives = (text.removeprefix("(").removesuffix(")") for text in body.split("\n  | "))
    free = (text for text in alternatives if "(" not in text)
    return {part.strip() for text in free for part in text.split(" | ")}


@lru_cache(maxsize=8192)
def literal_text(text: str) -> str:
    """The literal of a JSON string with this value, quotes included."""
    return encode_basestring(encode_basestring(text)).replace("\x7f", "\\u007f")
