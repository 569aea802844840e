"""Compile the schema on stdin, walk a little, and say as JSON on stdout what came of it."""

from __future__ import annotations

import json
import random
import sys
import time

import numpy as np

from tether.errors import DeadEnd, SchemaError
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Constraint, allowed_ids
from tether.grammars.dead import DeadConstraint

STEPS = 64
_LONGER = (b'{"', b'":', b'"}', b"name", b"[[", b"aa", b"  ")


def main() -> None:
    """One line: outcome, message and hint of a refusal, CPU seconds to compile and to walk."""
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *_LONGER]
    vocabulary = Vocabulary.from_tokens(tokens, eos_id=0)
    _walk(json_schema({"type": "object"}, vocabulary))  # imports are not what is measured
    schema = sys.stdin.read()
    began = time.process_time()
    said: dict[str, object] = {"outcome": "refused"}
    try:
        constraint = json_schema(schema, vocabulary)
        said["compile_s"] = time.process_time() - began
        if isinstance(constraint, DeadConstraint):
            said |= {"message": constraint.message, "hint": constraint.hint}
        else:
            _walk(constraint)
            said["outcome"] = "compiled"
    except SchemaError as error:
        said |= {"message": error.message[:300], "hint": error.hint}
    said["cpu_s"] = time.process_time() - began
    sys.stdout.write(json.dumps(said))


def _walk(constraint: Constraint) -> None:
    """Some random tokens and a judgement; a text may come to a dead end, but not at its start."""
    constraint.validate('{"a": [1, "x"]}')
    choose, matcher = random.Random(0), constraint.start()
    mask = np.zeros(constraint.vocabulary.num_words, dtype=np.int32)
    matcher.fill_mask(mask)
    try:
        for _ in range(STEPS):
            matcher.advance(choose.choice(allowed_ids(mask).tolist()))
            matcher.retreat()
            if matcher.ended:
                return
            matcher.fill_mask(mask)
    except DeadEnd:
        return


if __name__ == "__main__":
    main()
