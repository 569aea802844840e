"""What the lint of JSON Schemas can say; see `Message`."""

from __future__ import annotations

from tether.grammars.lint.messages import Message

_OLD = '"$schema": "http://json-schema.org/draft-07/schema#"'

SCHEMA = {
    "false": Message(
        "error",
        "The schema is false: no JSON text satisfies it.",
        "Write true, or an object of keywords.",
        ("false",),
    ),
    "impossible": Message(
        "error",
        "No JSON text satisfies the schema: {why}.",
        "Correct or remove one of the two.",
        (
            '{"type": "integer", "minimum": 5, "maximum": 3}',
            '{"type": "string", "enum": [1, 2]}',
            '{"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 2}]}',
            '{"type": "object", "required": ["a"], "additionalProperties": false}',
            '{"not": {}}',
        ),
    ),
    "remote": Message(
        "error",
        "The $ref at {where} is remote ({target}); nothing is fetched from the network.",
        "{cure}",
        ('{"$ref": "https://a.example/b.json"}', '{"items": {"$ref": "http://a.example/b"}}'),
    ),
    "own_unknown": Message(
        "error",
        "tether has no keyword {name!r}.",
        "{cure}",
        ('{"x-tether-verbatm": true}', '{"x-tether-foo": 1}'),
    ),
    "own_value": Message(
        "error",
        "{name!r} must be {wanted}, not {value}.",
        "Correct the value, or remove the keyword.",
        ('{"x-tether-verbatim": "yes"}', '{"x-tether-max-tokens": 0}'),
    ),
    "typo": Message(
        "warning",
        "{name!r} is not a keyword of JSON Schema and has no effect.",
        "Did you mean {near!r}?",
        ('{"minPropertys": 1}', '{"properties": {"a": {"typ": "string"}}}', '{"MaxLength": 3}'),
    ),
    "unknown": Message(
        "info",
        "{name!r} is not a keyword of JSON Schema; it is ignored{more}.",
        "Prefix notes of your own with 'x-'.",
        ('{"colour": 1}', '{"colour": 1, "items": {"colour": 2}}'),
    ),
    "late": Message(
        "warning",
        "{name!r} is a keyword since {since}; the schema is of {draft}, where it has no effect.",
        "Name {since} or a newer draft in $schema.",
        (
            '{"$schema": "http://json-schema.org/draft-04/schema#", "const": 1}',
            f'{{{_OLD}, "dependentRequired": {{"a": ["b"]}}}}',
        ),
    ),
    "dropped": Message(
        "warning",
        "{name!r} is no keyword of {draft}, where it has no effect.",
        "Write {instead}.",
        ('{"additionalItems": false}', '{"$recursiveRef": "#"}'),
    ),
    "beside_ref": Message(
        "warning",
        "{name!r} stands beside $ref, which leaves it no effect in {draft}.",
        "Put the $ref into allOf, or name draft 2019-09 or newer in $schema.",
        (
            f'{{{_OLD}, "definitions": {{"a": {{}}}}, "items": '
            '{"$ref": "#/definitions/a", "minLength": 3}}',
        ),
    ),
    "other_type": Message(
        "warning",
        "{name!r} speaks about {kind}, but the type is {type}.",
        "Remove one of them.",
        ('{"type": "integer", "minLength": 3}', '{"type": ["null", "string"], "required": []}'),
    ),
    "needs": Message(
        "warning",
        "{name!r} has no effect without {other!r}.",
        "Add {other!r}, or remove it.",
        ('{"then": {"type": "null"}}', '{"minContains": 2}', '{"if": {"type": "null"}}'),
    ),
    "format_typo": Message(
        "warning",
        "{name!r} is not a format of JSON Schema and has no effect.",
        "Did you mean {near!r}?",
        ('{"format": "datetime"}', '{"items": {"format": "e-mail"}}'),
    ),
    "format_unknown": Message(
        "info",
        "{name!r} is not a format of JSON Schema; it is a note and allows every text{more}.",
        "Where it matters, write its rule as a pattern.",
        ('{"format": "path"}',),
    ),
    "range": Message(
        "warning",
        "No {kind} fits: {low} {least} is above {high} {most}.",
        "Exchange or correct the two.",
        ('{"minLength": 5, "maxLength": 3}', '{"minimum": 5, "maximum": 3}'),
    ),
    "enum_type": Message(
        "warning",
        "The enum value {value} is not of type {type}.",
        "Correct the type or the value.",
        ('{"type": "integer", "enum": [1, "2"]}', '{"type": "string", "enum": ["a", null]}'),
    ),
    "required_open": Message(
        "warning",
        "The required key {key!r} is not described under properties, so it may be anything.",
        "{cure}",
        ('{"properties": {"name": {}}, "required": ["nme"]}',),
    ),
    "required_closed": Message(
        "warning",
        "The required key {key!r} is not described under properties, and no other is allowed.",
        "{cure}",
        ('{"properties": {"a": {}}, "required": ["zz"], "additionalProperties": false}',),
    ),
    "nothing_fits": Message(
        "warning",
        "No value fits at {where}: {why}.",
        "Correct or remove one of the two; to forbid a property, write false.",
        (
            '{"items": {"type": "string", "minLength": 5, "maxLength": 3}}',
            '{"properties": {"a": {"type": "integer", "enum": ["1"]}}}',
        ),
    ),
    "branch_dead": Message(
        "warning",
        "The branch {where} can never be taken: {why}.",
        "Correct it, or remove it.",
        ('{"anyOf": [{"type": "null"}, {"type": "string", "enum": [1]}]}',),
    ),
    "branch_excluded": Message(
        "warning",
        "The branch {where} can never be taken: whatever fits it also fits {other}, "
        "and oneOf wants exactly one.",
        "Write anyOf, or make the branches exclude each other.",
        (
            '{"oneOf": [{"type": "string", "format": "date"}, {"type": "string"}]}',
            '{"oneOf": [{"type": "null"}, {"type": "null"}]}',
        ),
    ),
    "branch_covered": Message(
        "info",
        "The branch {where} adds nothing: whatever fits it also fits {other}.",
        "Leave it as a note to readers, or remove it.",
        (
            '{"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}',
            '{"$defs": {"a": {"type": "number"}}, '
            '"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/a"}]}',
        ),
    ),
    "cost": Message(
        "info",
        "The cost is {cost}: {name!r} at {where} is judged {when}{more}.",
        "{cure}",
        (
            '{"not": {"contains": {"const": 1}}}',
            '{"uniqueItems": true}',
            '{"contains": {"const": 1}}',
        ),
    ),
}
