"""outlines' index of one schema over one vocabulary, in a process that can be stopped.

The index is a table of states times tokens: with 131,072 tokens and bounded strings it takes from
seconds to hours, and gigabytes. As a script it writes the pickled index to the file it is given
and prints a line when it begins and the seconds when it is done.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

from rows import Skipped
from schemas import Schema

if TYPE_CHECKING:
    from outlines_core import Index


def index(tokenizer: Path, end_token: str, schema: Schema, limit_s: float) -> tuple[Index, float]:
    """The index of compact JSON under `schema`, and the seconds it took.

    Raises:
        Skipped: Not done within `limit_s`, or outlines refuses the schema.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "index"
        arguments = [str(tokenizer), end_token, json.dumps(schema), str(out)]
        child = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdout=PIPE, stderr=PIPE, text=True
        )
        assert child.stdout is not None, "it is a pipe"
        child.stdout.readline()  # imports and the tokenizer are not what is limited
        try:
            said, complaint = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            child.communicate()
            raise Skipped(f"Compiling was stopped after {limit_s:.0f} s.") from error
        if child.returncode:
            raise Skipped(f"Compiling failed: {complaint.strip().splitlines()[-1]}")
        # Our own file of a moment ago: the only way out of a process that this type offers.
        return pickle.loads(out.read_bytes()), float(said)


def main() -> None:
    """Compile the schema that is given, as a new generator would on a loaded tokenizer."""
    from outlines.backends.outlines_core import OutlinesCoreBackend
    from outlines.models.transformers import TransformerTokenizer
    from outlines_core import Index
    from outlines_core.json_schema import (
        build_regex_from_schema,
    )
    from transformers import AutoTokenizer

    tokenizer, end_token, schema, out = sys.argv[1:]
    loaded = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    loaded.eos_token = end_token
    print("ready", flush=True)
    began = time.perf_counter()
    wrapped = TransformerTokenizer(loaded)
    vocabulary = OutlinesCoreBackend.create_outlines_core_vocabulary(
        wrapped.vocabulary, wrapped.eos_token_id, end_token, wrapped.convert_token_to_string
    )
    made = Index(build_regex_from_schema(schema, ""), vocabulary)
    print(time.perf_counter() - began)
    Path(out).write_bytes(pickle.dumps(made))


if __name__ == "__main__":
    main()
