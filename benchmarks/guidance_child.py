"""guidance at work, for guidance_engine.py: a JSON line a question, a JSON line an answer."""

# ruff: noqa: ANN401  (guidance has no types)
from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import guidance
import torch
from guidance import models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


def main() -> None:
    """Load the folder that is named, with its end token, then answer until the pipe closes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    # By its file: a tokenizer saved by transformers 5 names a class that 4 does not have.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=f"{sys.argv[1]}/tokenizer.json", eos_token=sys.argv[2]
    )
    held = models.Transformers(model, tokenizer, echo=False, enable_monitoring=False)
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = _answer(held, question)
        except Exception as error:  # the other side says what became of it
            answer = {"error": str(error)[:300]}
        print(json.dumps(answer), file=out, flush=True)


def _answer(held: Any, question: dict[str, Any]) -> dict[str, Any]:
    began, most = time.perf_counter(), question["max_tokens"]
    texts = [str((held + prompt + _rule(question, most))["said"]) for prompt in question["prompts"]]
    return {"texts": texts, "seconds": time.perf_counter() - began}


def _rule(question: dict[str, Any], most: int) -> Any:
    if question["kind"] == "json":
        return guidance.json("said", schema=json.loads(question["rule"]), max_tokens=most)
    if question["kind"] == "regex":
        return guidance.gen("said", regex=question["rule"], max_tokens=most)
    return guidance.lark(question["rule"], name="said", max_tokens=most)


if __name__ == "__main__":
    main()
