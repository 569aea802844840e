"""Random JSON values for a schema: by construction, mutated, and of any kind.

Nothing here is a verdict: a value made for a schema is often valid, never surely so.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from schema_cases import FORMATS, KEYS, NUMBERS, PATTERNS, SCALARS, Schema

_STRANGE = (-0.0, 1e-5, 1e20, 2.0, -3.0, 2**53 + 1, 10**25, 0.30000000000000004, 1e300)
_STRINGS = tuple(
    text
    for examples in (*PATTERNS.values(), *(texts for _, texts in FORMATS.values()))
    for text in examples
)
_DEEP = 6


def instances(schema: Schema, seed: int) -> Iterator[Any]:
    """Values for `schema`: as it wants them, those with a change or two, and any others."""
    maker = InstanceMaker(schema, seed)
    for _ in range(4):
        fitting = maker.fitting(schema)
        yield fitting
        yield maker.mutated(fitting)
    yield maker.anything(2)
    yield maker.anything(0)


class InstanceMaker:
    """Values from a seed; references are looked up in `root`."""

    def __init__(self, root: Schema, seed: int) -> None:
        self._root, self._random = root, random.Random(seed)

    def anything(self, depth: int) -> Any:
        """Any JSON of at most `depth` levels."""
        kind = self._random.randrange(6 if depth else 4)
        if kind == 5:
            keys = self._random.sample([*KEYS, "z", "zz"], self._random.randrange(4))
            return {key: self.anything(depth - 1) for key in keys}
        if kind == 4:
            return [self.anything(depth - 1) for _ in range(self._random.randrange(4))]
        return self._pick((SCALARS, _STRINGS, NUMBERS, _STRANGE)[kind])

    def mutated(self, value: Any) -> Any:
        """A copy with one or two parts changed."""
        changed = [copy.deepcopy(value)]
        for _ in range(self._random.randint(1, 2)):
            holder: Any = changed
            key: Any = 0
            while isinstance(holder[key], dict | list) and holder[key] and self._chance(0.7):
                holder = holder[key]
                key = self._pick(list(holder) if isinstance(holder, dict) else range(len(holder)))
            self._change(holder, key)
        return changed[0]

    def fitting(self, schema: Any, depth: int = _DEEP) -> Any:
        """A value as `schema` wants it, as far as one look at each keyword tells."""
        if not isinstance(schema, dict) or not depth:
            return self.anything(1 if depth else 0)
        if "$ref" in schema or "$recursiveRef" in schema or "$dynamicRef" in schema:
            whole = self._joined(self._target(schema), _without_references(schema))
            return self.fitting(whole, depth - 1)
        for word in ("allOf", "anyOf", "oneOf", "if"):
            if word in schema:
                return self.fitting(self._resolved(schema, word), depth)
        if "const" in schema or "enum" in schema:
            return schema["const"] if "const" in schema else self._pick(schema["enum"])
        return self._of_type(schema, depth)

    def _of_type(self, schema: Schema, depth: int) -> Any:
        named = schema.get("type") or self._implied(schema)
        kind = self._pick(named) if isinstance(named, list) else named
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "string":
            return self._string(schema)
        if kind == "array":
            return self._array(schema, depth - 1)
        if kind == "object":
            return self._object(schema, depth - 1)
        return None if kind == "null" else self._chance(0.5)

    def _number(self, schema: Schema, kind: str) -> Any:
        low: Any = schema.get("minimum", schema.get("exclusiveMinimum", -20))
        high: Any = schema.get("maximum", schema.get("exclusiveMaximum", low + 120))
        step: Any = schema.get("multipleOf", 1 if kind == "integer" else 0.25)
        value = round(low + self._random.random() * (high - low))
        near = round(value / step) * step
        if self._chance(0.1):
            return self._pick((low, high))
        return float(near) if self._chance(0.1) else near

    def _string(self, schema: Schema) -> str:
        if "pattern" in schema:
            return str(self._pick(PATTERNS.get(schema["pattern"], ("ab",))))
        if "format" in schema:
            return str(self._pick(FORMATS[schema["format"]][1]))
        least, most = schema.get("minLength", 0), schema.get("maxLength", 300)
        length = min(most, least + self._random.randrange(3))
        return "".join(self._random.choices('abé1 "\\/\n👋', k=length))

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems", schema.get("items"))
        parts = list(first) if isinstance(first, list) else []
        rest = schema.get("items" if "prefixItems" in schema else "additionalItems", True)
        rest = first if isinstance(first, dict) else rest
        least, most = schema.get("minItems", 0), schema.get("maxItems", 9)
        size = min(most, max(least, len(parts)) + self._random.randrange(2))
        if rest is False:
            size = min(size, len(parts))
        made = [self.fitting(part, depth) for part in parts[:size]]
        made += [self.fitting(rest, depth) for _ in range(size - len(made))]
        if "contains" in schema and made:
            made[-1] = self.fitting(schema["contains"], depth)
        return made

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        named = schema.get("properties", {})
        keys = list(schema.get("required", []))
        keys += [key for key in named if key not in keys and self._chance(0.4)]
        if schema.get("additionalProperties") is not False and self._chance(0.3):
            keys.append(self._pick(["x-1", "z", "b", "aa"]))
        self._random.shuffle(keys)
        other = schema.get("additionalProperties", True)
        parts = schema.get("patternProperties", {})
        if parts and self._chance(0.4):
            keys.append(self._pick(["ab", "x-1", "a", "é"]))
            other = self._pick(list(parts.values()))
        return {key: self.fitting(named.get(key, other), depth) for key in keys}

    def _resolved(self, schema: Schema, word: str) -> Schema:
        """`schema` with one of its composing keywords decided."""
        rest = {key: value for key, value in schema.items() if key != word}
        if word == "if":
            met = "else" not in schema or self._chance(0.5)
            chosen = [schema["if"], schema.get("then", {})] if met else [schema["else"]]
            rest = {key: value for key, value in rest.items() if key not in ("then", "else")}
        else:
            chosen = schema[word] if word == "allOf" else [self._pick(schema[word])]
        for part in chosen:
            rest = self._joined(rest, part)
        return rest

    def _joined(self, one: Any, other: Any) -> Schema:
        """Both schemas' keywords; properties and required of both."""
        if not isinstance(one, dict) or not isinstance(other, dict):
            return other if isinstance(other, dict) else one if isinstance(one, dict) else {}
        result = {**one, **other}
        if "properties" in one and "properties" in other:
            result["properties"] = {**one["properties"], **other["properties"]}
        if "required" in one and "required" in other:
            result["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
        return result

    def _target(self, schema: Schema) -> Any:
        reference = next(schema[w] for w in _REFERENCES if w in schema)
        target: Any = self._root
        for name in reference.removeprefix("#").split("/")[1:]:
            target = target[name]
        return target

    def _implied(self, schema: Schema) -> str:
        words = {
            "properties": "object",
            "required": "object",
            "items": "array",
            "pattern": "string",
        }
        kinds = [kind for word, kind in words.items() if word in schema]
        return str(self._pick(kinds or ["object", "array", "string", "number", "null", "boolean"]))

    def _change(self, holder: Any, key: Any) -> None:
        value = holder[key]
        if isinstance(value, dict) and self._chance(0.5):
            value[self._pick(KEYS)] = self.anything(1)
        elif isinstance(value, list) and self._chance(0.5):
            value.append(copy.deepcopy(self._pick(value)) if value else self.anything(1))
        elif isinstance(holder, dict) and self._chance(0.4):
            del holder[key]
            if not holder or self._chance(0.3):
                holder[self._pick(KEYS)] = value
        elif isinstance(value, str) and self._chance(0.6):
            holder[key] = self._pick([value + "x", value[1:], value.upper(), value + "\n"])
        elif isinstance(value, int | float) and not isinstance(value, bool) and self._chance(0.6):
            holder[key] = self._pick([value + 1, value - 0.5, -value, value * 10])
        else:
            holder[key] = self.anything(1)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, some: Any) -> Any:
        return self._random.choice(some)


_REFERENCES = ("$ref", "$recursiveRef", "$dynamicRef")


def _without_references(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in _REFERENCES}
