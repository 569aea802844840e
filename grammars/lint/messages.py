"""What a lint can say: each message with its cure and the texts that provoke it.

The examples are the test table (`tests/grammars/test_messages.py`) and the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tether.grammars.findings import Finding, Level, excerpt, place


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of finding; `{...}` in its texts are filled where it is found.

    Attributes:
        level: See `Finding`.
        text: The sentence.
        hint: The cure.
        examples: Texts that provoke exactly this message first.
    """

    level: Level
    text: str
    hint: str
    examples: tuple[str, ...]

    def at(self, source: str, offset: int, /, **words: object) -> Finding:
        """The finding at a character offset of `source`."""
        line, column = place(source, offset)
        return Finding(
            level=self.level,
            pointer=f"{line}:{column}",
            message=self.text.format(**words),
            hint=self.hint.format(**words),
            excerpt=excerpt(source, line, column),
        )

    def on(self, pointer: str, /, **words: object) -> Finding:
        """The finding at a JSON Pointer."""
        return Finding(self.level, pointer, self.text.format(**words), self.hint.format(**words))


REGEX = {
    "look_around": Message(
        "error",
        "The regex uses look-around ({what}), which a regular language has not.",
        "Write the allowed texts out, or say 'this and not that' in a Lark terminal: A & ~B.",
        (r"(?=b)a", r"a(?!b)", r"(?<=x)y", r"(?<!b)a", r"\bfoo\b"),
    ),
    "inner_anchor": Message(
        "error",
        "The regex has the anchor {what} in its middle, where nothing can match it.",
        "Leave it out: the whole text must match anyway; for a literal sign write \\{what}.",
        (r"a^b", r"a$b", r"cost: $5"),
    ),
    "backreference": Message(
        "error",
        "The regex refers back to a group, which a regular language cannot.",
        "Write the group's pattern a second time.",
        (r"(a)\1", r"(?P<n>a)(?P=n)"),
    ),
    "open_group": Message(
        "error",
        "The regex opens a group here and never closes it.",
        "Add ')'; for a literal bracket write \\(.",
        (r"a(b", r"((a)"),
    ),
    "close_group": Message(
        "error",
        "The regex closes a group here that was never opened.",
        "Remove ')'; for a literal bracket write \\).",
        (r"a)b",),
    ),
    "open_class": Message(
        "error",
        "The regex opens a character class here and never closes it.",
        "Add ']'; for a literal bracket write \\[, and \\\\ for a backslash inside a class.",
        (r"[a", r"[^\]"),
    ),
    "class_range": Message(
        "error",
        "The regex has a character range that runs backwards.",
        "Put the lower character first.",
        (r"[z-a]",),
    ),
    "nothing_repeated": Message(
        "error",
        "The regex repeats nothing here.",
        "Put what is repeated before the sign; for a literal sign write a backslash before it.",
        (r"*a", r"(+)"),
    ),
    "count": Message(
        "error",
        "The regex has a repetition that is not {{n}}, {{n,}} or {{n,m}} with n at most m.",
        "Correct the counts; for a literal brace write \\{{.",
        (r"a{3,1}", r"a{"),
    ),
    "escape": Message(
        "error",
        "The regex has an escape that the engine does not know.",
        "Known: \\d \\w \\s \\p{{L}} \\x41 \\u{{e9}}; \\Z is not needed, the end is implied.",
        (r"\q", r"a\Z"),
    ),
    "property": Message(
        "error",
        "The regex names a Unicode property that does not exist.",
        "Examples that do: \\p{{L}}, \\p{{Lu}}, \\p{{Greek}}.",
        (r"\p{Foo}",),
    ),
    "group_kind": Message(
        "error",
        "The regex has a kind of group that the engine does not know.",
        "Known: (...), (?:...), (?P<name>...), (?i:...); comments and atomic groups are not.",
        (r"(?#c)a", r"(?>a)"),
    ),
    "trailing_backslash": Message(
        "error",
        "The regex ends in a lone backslash.",
        "Write \\\\ for a literal backslash.",
        ("a\\",),
    ),
    "other": Message("error", "The regex is refused: {what}.", "Correct it at the caret.", ()),
}

LARK = {
    "no_start": Message(
        "error",
        "The grammar has no rule named start.",
        "Name the rule that the whole text must match: start: ...",
        ('value: "a"\n', "# only a comment\n"),
    ),
    "undefined": Message(
        "error",
        "{kind} {name} is not defined.",
        "{cure}",
        ('start: "a" item\n', "start: NUMBER\n", 'start: items\nitem: "a"\n'),
    ),
    "duplicate": Message(
        "error",
        "{kind} {name} is defined twice, first in line {line}.",
        "Join the two definitions with |.",
        ('start: "a"\nstart: "b"\n',),
    ),
    "gbnf_text": Message(
        "error",
        "This is a GBNF grammar (name ::= ...), not a Lark one.",
        "Give it as GBNF (a .gbnf file), or write name: ... with the start rule named start.",
        ('root ::= "a"\n',),
    ),
    "quote": Message(
        "error",
        "Texts stand in double quotes, not in single ones.",
        'Write "..." here.',
        ("start: 'a'\n",),
    ),
    "open_string": Message(
        "error",
        "A text is opened here and not closed on its line.",
        'Add the closing "; for a literal quote write \\".',
        ('start: "a\n',),
    ),
    "open_regex": Message(
        "error",
        "A regex is opened here and not closed on its line.",
        "Add the closing /; for a literal slash write \\/.",
        ("start: /a\n",),
    ),
    "semicolon": Message(
        "error",
        "A rule ends with its line, not with a semicolon.",
        "Remove the semicolon.",
        ('start: "a";\n',),
    ),
    "name_case": Message(
        "error",
        "The name {name} mixes upper and lower case.",
        "Rules are all lower case (a_rule), terminals all upper case (A_TERMINAL).",
        ('start: fooBar\nfooBar: "a"\n', 'Start: "a"\n'),
    ),
    "json": Message(
        "error",
        "The text after {name} is not JSON: {what}.",
        "Put one JSON object after it.",
        ('start: %json {"type": "string"\n',),
    ),
    "syntax": Message(
        "error",
        "The grammar does not go on like this; here may stand {expected}.",
        "Correct it at the caret.",
        ('start: ("a"\n', 'start "a"\n', 'start: "a" }\n', 'start: "a"\n  "b"\n'),
    ),
    "comment": Message(
        "error",
        "A comment stands between this alternative and the one before it.",
        "Put it above the rule, or at the end of the line of an alternative.",
        ('start: "a"\n  // or\n  | "b"\n',),
    ),
    "terminal_uses_rule": Message(
        "error",
        "The terminal {name} uses the rule {rule}.",
        "A terminal is a regex: write {rule} in upper case, or {name} in lower case.",
        ('start: A\nA: b\nb: "x"\n',),
    ),
    "terminal_recursive": Message(
        "error",
        "The terminal {name} refers to itself.",
        "Only rules may recurse: write it in lower case.",
        ('start: A\nA: "a" A\n', "start: A\nA: B\nB: A\n"),
    ),
    "and_in_rule": Message(
        "error",
        "The operator & stands in the rule {name}.",
        "Only terminals are regexes: write the name in upper case.",
        ('start: A & B\nA: "a"\nB: "b"\n',),
    ),
    "endless_start": Message(
        "error",
        "The rule start can never be completed: every alternative needs it again.",
        "Give the recursion an end: add an alternative without {name}.",
        ('start: "a" start\n', 'start: "[" item "]"\nitem: "x" item\n'),
    ),
    "endless": Message(
        "warning",
        "The rule {name} can never be completed, so nothing that uses it can.",
        "Give its recursion an end: add an alternative without {name}.",
        ('start: "a" | loop\nloop: "b" loop\n',),
    ),
    "cycle": Message(
        "warning",
        "The rule {name} can be itself without a further character.",
        "Remove that alternative: it adds nothing but ambiguity.",
        ('start: start | "a"\n', 'start: x\nx: y | "a"\ny: x | "b"\n'),
    ),
    "unused": Message(
        "warning",
        "{kind} {name} is not reachable from start.",
        "Use it or remove it.",
        ('start: "a"\nitem: "b"\n', 'start: "a"\nX: "b"\n', 'start: "a"\nx: y\ny: x | "b"\n'),
    ),
    "left_recursion": Message(
        "info",
        "The rule {name} is left-recursive; the engine takes that (Earley).",
        "Nothing to do; lists are best written so.",
        ('start: start "a" | "b"\n',),
    ),
    "other": Message("error", "The grammar is refused: {what}.", "Correct it at the caret.", ()),
}

GBNF = {
    "no_root": Message(
        "error",
        "The grammar has no rule named root.",
        "Name the rule that the whole text must match: root ::= ...",
        ('value ::= "a"\n',),
    ),
    "lark_text": Message(
        "error",
        "This is a Lark grammar (name: ...), not a GBNF one.",
        "Give it as Lark (a .lark file), or write name ::= ... with the first rule named root.",
        ('start: "a"\n',),
    ),
    "undefined": Message(
        "error",
        "Rule {name} is not defined.",
        "{cure}",
        ('root ::= "a" item\n', 'root ::= items\nitem ::= "a"\n'),
    ),
    "duplicate": Message(
        "error",
        "Rule {name} is defined twice, first in line {line}.",
        "Join the two definitions with |.",
        ('root ::= "a"\nroot ::= "b"\n',),
    ),
    "open_string": Message(
        "error",
        "A text is opened here and not closed on its line.",
        'Add the closing "; for a literal quote write \\".',
        ('root ::= "a\n',),
    ),
    "open_class": Message(
        "error",
        "A character class is opened here and not closed on its line.",
        "Add the closing ].",
        ("root ::= [a-z\n",),
    ),
    "escape": Message(
        "error",
        "There is no such escape: {what}.",
        'Known: \\" \\\\ \\[ \\] \\n \\r \\t \\xNN \\uNNNN \\UNNNNNNNN.',
        ('root ::= "\\q"\n', 'root ::= "\\x4"\n'),
    ),
    "syntax": Message(
        "error",
        "The grammar does not go on like this; here may stand {expected}.",
        "Correct it at the caret.",
        ('root ::= ("a"\n', "root = x\n", 'root ::= "a" )\n', 'root ::= "a"{x}\n'),
    ),
    "endless_start": Message(
        "error",
        "The rule root can never be completed: every alternative needs it again.",
        "Give the recursion an end: add an alternative without {name}.",
        ('root ::= "a" root\n',),
    ),
    "endless": replace(LARK["endless"], examples=('root ::= "a" | loop\nloop ::= "b" loop\n',)),
    "cycle": replace(LARK["cycle"], examples=('root ::= root | "a"\n',)),
    "unused": Message(
        "warning",
        "Rule {name} is not reachable from root.",
        "Use it or remove it.",
        ('root ::= "a"\nitem ::= "b"\n',),
    ),
    "left_recursion": replace(LARK["left_recursion"], examples=('root ::= root "a" | "b"\n',)),
    "other": LARK["other"],
}

SHORT = {
    "empty": Message(
        "error",
        "The schema names no field.",
        "Write at least one: name, age int.",
        ("", "  \n", "a {}"),
    ),
    "name": Message(
        "error",
        "A field begins with its name, not with {what}.",
        'Names are letters, digits, _ and -; write others in double quotes: "first name".',
        ("a, , b", "?a", "3d int", "a, |b"),
    ),
    "duplicate": Message(
        "error",
        "The field {name} is named twice.",
        "Remove one of the two.",
        ("a, b int, a", 'a {b, "b"}'),
    ),
    "type": Message(
        "error",
        "There is no type {what}.",
        "{cure}",
        ("age integer", "a strng", "a {b itn}", "a [foo]", "tags list"),
    ),
    "range": Message(
        "error",
        "The range {what} is empty: its lower end is above its upper end.",
        "Write the lower end first.",
        ("a int 5..1", "a str 9..2"),
    ),
    "length": Message(
        "error",
        "The range {what} counts characters or items, so its ends are whole numbers from 0 on.",
        "Write 0..20, 1.. or ..5.",
        ("a str -1..5", "a [int] 0..2.5"),
    ),
    "no_range": Message(
        "error",
        "A {what} has no range.",
        "Ranges follow int and num (values), str (characters) and [T] (items).",
        ("a bool 0..1", "a date 1..2", "a x|y 1..2"),
    ),
    "open_bracket": Message(
        "error",
        "The bracket {what} is opened here and not closed.",
        "Close it after its last field or type.",
        ("a [int", "a {b, c", "a [{b}"),
    ),
    "open_string": Message(
        "error",
        "A text is opened here and not closed on its line.",
        'Add the closing "; for a literal quote write \\".',
        ('a "what it is', 'a "x|y'),
    ),
    "choice": Message(
        "error",
        "After | comes one more allowed value, not {what}.",
        'Values are words, numbers, null, or texts in double quotes: paid|"not paid".',
        ("a x|", "a x|, b", "a x||y"),
    ),
    "twice": Message(
        "error",
        "The value {what} is allowed twice.",
        "Remove one of the two.",
        ("a x|y|x",),
    ),
    "description": Message(
        "error",
        "The colon is followed by no description.",
        "Write it after the colon, up to the next comma or line: bio: what they do.",
        ("bio:", "bio: , a"),
    ),
    "separator": Message(
        "error",
        "Here may stand {expected}, not {what}.",
        "Separate fields by commas or lines.",
        ("a int b", "a int] , b", "a }", "a [int str]"),
    ),
}
