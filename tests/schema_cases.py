"""Random schemas of every draft and keyword family, from a seed.

Small pools of keys, strings and numbers, so that parts of a schema meet: overlapping patterns,
branches that share values, required keys that other keywords forbid. Schemas are well-formed;
whether any value satisfies one is not looked at.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

DRAFTS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}
KEYS = ("a", "b", "ab", "name", "0", "12", "x-1", "é", "", "a b", "c/d~e", 'q"t', "back\\slash")
PATTERNS = {
    "^[a-z]{2,4}$": ("ab", "name", "zzz"),
    "a+b?": ("a", "xaab", "\naé"),
    "^(foo|ba[rz])": ("foo", "bar", "baz\\x"),
    r"\d{2,3}": ("12", "a1234"),
    r"^\S+$": ("x", 'q"t', "é/~"),
    r"^[^\\]*$": ("", "a\tb", "👋"),
    r"^\w+\W$": ("ab ", "a1_!"),
    "^.{1,3}$": ("a", "éé", "👋👋👋"),
    "^(?!a)": ("", "ba", "b"),
    "^x-": ("x-1", "x-"),
    r"^$|^[\u00e9]$": ("", "é"),
    "": ("", "anything"),
}
FORMATS = {
    "date-time": (4, ("2020-02-29T23:59:59Z", "1999-12-31t00:00:00.5+14:00")),
    "email": (4, ("a@b.co", "x-1@example.org")),
    "hostname": (4, ("a", "ex-1.example.org")),
    "ipv4": (4, ("0.0.0.0", "255.1.2.30")),
    "ipv6": (4, ("::", "1:2::ffff:1.2.3.4")),
    "uri": (4, ("http://a/b?c#d", "urn:x:y")),
    "uri-reference": (6, ("", "../a?b", "http://a")),
    "uri-template": (6, ("http://a/{b}", "x")),
    "json-pointer": (6, ("", "/a~1b/0")),
    "date": (7, ("2020-02-29", "1999-12-31")),
    "time": (7, ("12:34:56Z", "00:00:00.25-01:30")),
    "iri": (7, ("http://é/",)),
    "iri-reference": (7, ("é", "http://a")),
    "idn-email": (7, ("é@b.co",)),
    "idn-hostname": (7, ("é.org", "a")),
    "regex": (7, ("^a+$", "")),
    "relative-json-pointer": (7, ("0", "1/a", "2#")),
    "duration": (2019, ("P1Y2M", "PT0.5S", "PT3H", "P4W")),
    "uuid": (2019, ("123e4567-e89b-12d3-a456-426614174000",)),
    "no-such-format": (4, ("anything",)),
}
NUMBERS = (0, 1, -1, 2, 3, 7, 10, 100, -50, 12345, 0.5, -0.25, 1.5, 99.99, 1e3, 2**53)
SCALARS: tuple[Any, ...] = (None, True, False, 0, 1, -1, 1.0, 1.5, "", "a", "ab", "1", "é", 'q"t')


class SchemaMaker:
    """Schemas of one draft; the same seed makes the same schema."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.draft = self._random.choice(list(DRAFTS))
        self._definitions: list[str] = []
        self._below_root = False

    def schema(self) -> Schema:
        """A root schema with its `$schema` and definitions."""
        place = "$defs" if self.draft >= 2019 else "definitions"
        definitions: Schema = {}
        for number in range(self._random.randrange(3)):
            definitions[f"d{number}"] = self._any(1)
            self._definitions.append(f"#/{place}/d{number}")
        root = {"$schema": DRAFTS[self.draft], **self._object_schema(self._any(3))}
        return {**root, place: definitions} if definitions else root

    def _object_schema(self, made: Schema | bool) -> Schema:
        return made if isinstance(made, dict) else {"type": "object"}

    def _any(self, depth: int) -> Schema | bool:
        """A sub-schema; with depth 0 one without sub-schemas."""
        leaves = (self._string, self._number, self._enumeration, self._plain)
        inner = (self._object, self._object, self._array, self._composed, self._mixed)
        deep = depth and self._chance(0.7)
        made: Schema = self._pick(inner)(depth - 1) if deep else self._pick(leaves)()
        if self._chance(0.12) and self._definitions:
            return self._reference(made)
        if self._chance(0.06) and self._below_root:
            return self._recursion()
        if self._chance(0.05) and self.draft >= 6:
            return self._chance(0.8)
        if depth and self._chance(0.15):
            made |= self._composed(depth - 1)
        return made

    def _below(self, depth: int) -> Schema | bool:
        """A sub-schema for a part of the value: it may refer back to the root."""
        before, self._below_root = self._below_root, True
        made = self._any(depth)
        self._below_root = before
        return made

    def _reference(self, beside: Schema) -> Schema:
        reference = {"$ref": self._pick(self._definitions)}
        return {**beside, **reference} if self._chance(0.3) else reference

    def _recursion(self) -> Schema:
        words = {2019: ["$ref", "$recursiveRef"], 2020: ["$ref", "$dynamicRef"]}
        return {self._pick(words.get(self.draft, ["$ref"])): "#"}

    def _plain(self) -> Schema:
        names = ["null", "boolean", "string", "integer", "number", "object", "array"]
        some = self._random.sample(names, self._random.randint(1, 3))
        return self._one_of({"type": some[0]}, {"type": some}, {})

    def _enumeration(self) -> Schema:
        values: list[Any] = self._random.sample(SCALARS, self._random.randint(1, 4))
        if self._chance(0.3):
            values.append({self._pick(KEYS): self._pick(SCALARS), "b": [self._pick(SCALARS)]})
        distinct = [v for i, v in enumerate(values) if v not in values[:i]]
        return self._one_of({"enum": distinct}, {"const": distinct[0]} if self.draft >= 6 else {})

    def _string(self) -> Schema:
        least = self._random.randrange(4)
        known = [name for name, (draft, _) in FORMATS.items() if draft <= self.draft]
        return {"type": "string"} | self._some(
            minLength=lambda: least,
            maxLength=lambda: least + self._random.choice([0, 1, 3, 300]),
            pattern=lambda: self._pick(list(PATTERNS)),
            format=lambda: self._pick(known),
        )

    def _number(self) -> Schema:
        low, high = sorted(self._random.sample(NUMBERS, 2))
        made: Schema = {"type": self._pick(["integer", "number"])} | self._some(
            minimum=lambda: low,
            maximum=lambda: high,
            multipleOf=lambda: self._pick([1, 2, 3, 7, 10, 0.5, 0.1, 0.01, 2.5]),
        )
        for bound, word in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if bound in made and self._chance(0.3):
                made[word] = True if self.draft == 4 else made.pop(bound)
        return made

    def _array(self, depth: int) -> Schema:
        least = self._random.randrange(3)
        made: Schema = {"type": "array"} | self._some(
            items=lambda: self._object_schema(self._below(depth)),
            minItems=lambda: least,
            maxItems=lambda: least + self._random.randrange(3),
            uniqueItems=lambda: True,
        )
        if self._chance(0.3):
            made |= self._tuple(depth)
        if self.draft >= 6 and self._chance(0.2):
            made["contains"] = self._below(depth)
        if "contains" in made and self.draft >= 2019 and self._chance(0.5):
            made[self._pick(["minContains", "maxContains"])] = self._random.randint(1, 2)
        if self.draft >= 2019 and self._chance(0.1):
            made["unevaluatedItems"] = self._pick([False, self._below(0)])
        return made

    def _tuple(self, depth: int) -> Schema:
        parts = [self._object_schema(self._below(depth)) for _ in range(self._random.randint(1, 2))]
        first, rest = ("prefixItems", "items") if self.draft == 2020 else (
            "items", "additionalItems"
        )  # fmt: skip
        return {first: parts} | self._some(**{rest: lambda: self._pick([False, {"type": "null"}])})

    def _object(self, depth: int) -> Schema:
        named = self._random.sample(KEYS, self._random.randrange(5))
        wanted = self._random.sample([*named, "z"], min(len(named), self._random.randint(1, 2)))
        made: Schema = {"type": "object"} | self._some(
            required=lambda: wanted or ["a"],
            additionalProperties=lambda: self._pick([False, False, self._closed(depth)]),
            patternProperties=lambda: self._patterns(depth),
            minProperties=lambda: self._random.randrange(3),
            maxProperties=lambda: self._random.randint(2, 4),
        )
        if named:
            made["properties"] = {name: self._below(depth) for name in named}
        return made | self._object_words_of_draft(depth)

    def _object_words_of_draft(self, depth: int) -> Schema:
        one, other = self._random.sample(KEYS, 2)
        made: Schema = {}
        if self.draft >= 6 and self._chance(0.1):
            made["propertyNames"] = self._pick([{"pattern": "^[a-z]*$"}, {"maxLength": 2}])
        if self.draft < 2019 and self._chance(0.15):
            made["dependencies"] = {one: self._pick([[other], self._closed(depth)])}
        if self.draft >= 2019 and self._chance(0.1):
            made["dependentRequired"] = {one: [other]}
        if self.draft >= 2019 and self._chance(0.1):
            made["dependentSchemas"] = {one: self._closed(depth)}
        if self.draft >= 2019 and self._chance(0.1):
            made["unevaluatedProperties"] = self._pick([False, {"type": "integer"}])
        return made

    def _patterns(self, depth: int) -> Schema:
        chosen = self._random.sample(
            ["^a", "b$", "^x-", "^.?$", "é", "^[0-9]+$"], self._random.randint(1, 2)
        )
        return {pattern: self._closed(depth) for pattern in chosen}

    def _closed(self, depth: int) -> Schema:
        """A sub-schema that is no boolean: draft 4 has none."""
        return self._object_schema(self._below(depth))

    def _composed(self, depth: int) -> Schema:
        def part() -> Schema:
            return self._object_schema(self._any(depth))

        if self.draft >= 7 and self._chance(0.2):
            return {"if": part()} | {word: part() for word in self._pick(_CONSEQUENCES)}
        word = self._pick(["allOf", "anyOf", "anyOf", "oneOf", "oneOf", "not"])
        return {word: part() if word == "not" else [part() for _ in range(self._pick([1, 2, 3]))]}

    def _mixed(self, depth: int) -> Schema:
        """Keywords of several types side by side, with a list of types or none."""
        makers = (self._string, self._number, lambda: self._array(depth), self._plain)
        made: Schema = {**self._object(depth), **self._pick(makers)()}
        made.pop("type", None)
        names = ["null", "boolean", "string", "integer", "object", "array"]
        return made | self._some(type=lambda: self._random.sample(names, 3))

    def _some(self, **words: Callable[[], Any]) -> Schema:
        """Each keyword with a chance of its own."""
        return {word: value() for word, value in words.items() if self._chance(0.35)}

    def _one_of(self, *some: Schema) -> Schema:
        return self._random.choice(some)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, some: Any) -> Any:
        return self._random.choice(some)


_CONSEQUENCES = (("then",), ("else",), ("then", "else"))
