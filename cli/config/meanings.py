"""What each setting means, in one sentence: the same words in --help, in errors and in the docs."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "model": {
        "model": "A model directory, an id in the local hub cache, or `builtin` (the shipped one).",
        "device": "`auto`, `cpu`, `cuda` or `cuda:1`.",
        "dtype": "Number format of the weights.",
        "compile": "Compile the forward; on GPUs, capture it as CUDA graphs.",
    },
    "server": {
        "server": "Let `tether serve` do it where it runs with the same model: `auto` or `never`.",
    },
    "what may be said": {
        "schema": "JSON Schema: a file, JSON text, a table, or the short syntax (`name, age int`).",
        "type": "A Pydantic model or an outlines type as `package.module:Name`.",
        "regex": "Regular expression of the whole text.",
        "choices": "The texts of which exactly one is said.",
        "grammar": "A `.lark` or `.gbnf` file.",
        "property_order": "Order of the properties of a JSON object.",
        "whitespace": "Whether white space between JSON tokens is fixed or free.",
        "bound": "Bound strings and arrays to which the schema sets no length.",
        "formats": "Whether `format` in a schema is a rule or a remark.",
        "allow_remote": "Fetch what a schema's `$ref` names elsewhere, over https.",
        "verbatim": "Fields that quote the evidence word for word: `a.b`; `.` is the whole output.",
        "stop": "Texts that end free text where they appear.",
    },
    "query": {
        "sparql": "`true`: queries of SPARQL are what may be said, as with `tether sparql`.",
        "graph": "A graph: its folder or a file of RDF (.ttl, ...). Queries name what is in it.",
        "endpoint": "In place of a graph here, the address of a SPARQL endpoint: only it is asked.",
        "guarantee": "What holds of a query; default: `nonempty` with a graph, `syntax` without.",
        "execute": "Run the query and write its rows instead.",
        "explain": "Say on stderr what was guaranteed, and how it came about.",
    },
    "prompt": {
        "system": "Instructions for chat models; `@file` reads it.",
        "template": "The prompt with `{field}` placeholders; `@file` reads it.",
        "evidence": "Passages that the answer shall rest on; `@file` reads one.",
        "raw_prompt": "The prompt is the whole input: no chat template.",
        "heal": "Let the first token begin inside the last word of a raw prompt.",
        "think": "Let the model reason before it answers, up to a text (`true`: `</think>`).",
    },
    "how it is said": {
        "max_tokens": "The most output tokens, forced ones and reasoning included.",
        "temperature": "Divides the scores; 0 takes the best token.",
        "top_k": "Keep the k best tokens; 0 keeps all.",
        "top_p": "Keep the best tokens that together reach this probability.",
        "min_p": "Keep tokens of at least this share of the best probability.",
        "typical_p": "Keep the tokens nearest to the typical surprise, up to this probability.",
        "repetition_penalty": "Weakens tokens that were seen before; 1 is off.",
        "logit_bias": "Added to the scores of token ids.",
        "sampling_order": "`hf` truncates after the temperature, `llamacpp` before it.",
        "extract": "`best`: verbatim strings are the most probable quotes, found by a search.",
        "seed": "The whole source of randomness, with the row's key.",
        "draft": "Draft tokens ahead: `auto`, `off`, or drafters by name; changes speed, not text.",
        "draft_tokens": "The most tokens drafted at once.",
        "draft_model": "The smaller model that drafts (drafters `model` and `rapid`); as `model`.",
        "lossy": "Take drafted tokens that are likely enough, or that a judge likes: another text.",
        "lossy_at": "The chance above which `judge` and `arbitrage` take them; 1 takes none.",
        "draft_rule": "How drafts of a model are accepted; all but `match` are other samples.",
    },
    "grounding": {
        "index": "An index; the passages that it finds for the question join the evidence.",
        "passages": "The most passages taken from the index.",
        "retrieve": "By words, vectors or both; `auto`: both where the vectors were learned.",
        "order": "Order of the passages: as found, turned round, as a chain, or by attention.",
        "structure": "Show passages under headings that the model finds; sentences are kept.",
        "research": "Let the model judge what was found and search again, up to so many searches.",
        "abstain": "Say nothing (exit code 8), or `null`, where the evidence carries no answer.",
        "abstain_below": "The score from 0 to 1 that an answer needs, with --abstain.",
        "ground": "Let the evidence move the choices: `copy`, `copy:0.9,by=ngram`, ...",
    },
    "contrast": {
        "contrast": "Reshape choices by other views of the row: `cad:0.5`, `dola`, ...",
        "amateur": "The weaker model of cd, proxy, icd and lol (by=weights); as `model`.",
        "expert": "The other model of proxy, uadf, fsgen, ead and foreal; as `model`.",
    },
    "output": {
        "format": "How a JSON payload is written.",
        "pretty": "Indent JSON.",
        "raw": "Write a string without its quotes.",
        "field": "Write only this part: `a.b`, `items.0`.",
        "envelope": "Write the versioned object with counts, model and seed.",
        "partial": "At the token limit, write the text so far (exit code 5).",
        "stream": "Write the text, or JSON events, while it is being decoded.",
        "stats": "Counts and times, on stderr.",
    },
    "batch": {
        "slots": "Rows decoded at once; changes speed, not text.",
        "unordered": "Write rows as they end instead of in input order.",
        "workers": "Processes that share the rows, one a device; changes speed, not text.",
        "ray": "Run the workers through Ray Data: `local`, or the address of a cluster.",
        "tensor_parallel": "Split the model over the processes that torchrun started.",
    },
}
"""Settings by what they are about, in the order of the help."""

MEANINGS: dict[str, str] = {key: text for group in GROUPS.values() for key, text in group.items()}


def flag(key: str) -> str:
    """The long option of a setting: `max_tokens` is `--max-tokens`."""
    return "--choice" if key == "choices" else f"--{key.replace('_', '-')}"
