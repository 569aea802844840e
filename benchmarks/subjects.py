"""The models that are measured, each as tether's two backends and as the library's own model.

All three hold the same weights. (a) `shipped`: the checkpoint in decoding/builtin/model, or
`--model`. (b) `random-130m`: random Llama-shaped weights under tekken's 131,072 tokens, made from
a seed in memory: its text means nothing, its cost is that of a real model of this shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tekken
import torch
from rows import Options, Skipped, say

from tether.decoding import models
from tether.decoding.models import checkpoint
from tether.decoding.models.base import Model
from tether.decoding.models.huggingface import HuggingFaceNetwork
from tether.decoding.models.lean import LeanNetwork
from tether.errors import ModelError
from tether.grammars.vocabulary import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_SHAPE = {  # 67.1M embedding (tied) + 16 layers of 3.9M
    "vocab_size": tekken.SIZE,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "eos_token_id": 2,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One model, three ways to run it.

    Attributes:
        name: For the rows.
        lean: tether on its own forward.
        adapted: tether on the library's forward.
        library: The library's model, for `generate`.
        config: The checkpoint's config.json.
        tokenizer: Directory of tokenizer.json; None where text plays no part.
    """

    name: str
    lean: Model
    adapted: Model
    library: PreTrainedModel
    config: dict[str, Any]
    tokenizer: Path | None

    @property
    def small(self) -> bool:
        """Whether a step takes about a millisecond, so that many of them can be afforded."""
        return self.lean.network.num_parameters < 32e6

    def load_tokenizer(self) -> PreTrainedTokenizerFast:
        """The library's tokenizer of this model, padding on the left, without its template."""
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(self.tokenizer, local_files_only=True)
        loaded.padding_side, loaded.chat_template = "left", None
        loaded.eos_token = self.lean.vocabulary.tokens[self.lean.vocabulary.eos_id].decode()
        return loaded


def shipped(options: Options, *, device: str = "cpu", dtype: str = "float32") -> Subject:
    """Subject (a).

    Raises:
        Skipped: There is no shipped model and no `--model`.
    """
    from transformers import AutoModelForCausalLM

    try:
        lean = models.load(options.model, device=device, dtype=dtype, backend="lean")
    except ModelError as error:
        raise Skipped(f"The shipped model cannot be loaded ({error}): give --model.") from error
    adapted = models.load(options.model, device=device, dtype=dtype, backend="transformers")
    library = AutoModelForCausalLM.from_pretrained(lean.directory, dtype=lean.network.dtype)
    return Subject(
        # The name of a directory says enough; its path would say where somebody's files lie.
        name=Path(options.model).name if options.model else "shipped",
        lean=lean,
        adapted=adapted,
        library=library.to(device).eval(),
        config=checkpoint.read_json(lean.directory / "config.json"),
        tokenizer=lean.directory,
    )


def random_130m(*, device: str = "cpu", dtype: str = "float32", text: bool = True) -> Subject:
    """Subject (b); without `text`, tokens are bare numbers and mistral-common is not needed.

    Raises:
        Skipped: Text is wanted and mistral-common is not installed.
    """
    directory = tekken.directory() if text else None
    vocabulary = Vocabulary.from_file(directory) if directory else tekken.numbers()
    return random_llama("random-130m", _SHAPE, vocabulary, directory, device=device, dtype=dtype)


def random_llama(
    name: str,
    shape: dict[str, Any],
    vocabulary: Vocabulary,
    tokenizer: Path | None,
    *,
    device: str,
    dtype: str,
) -> Subject:
    """A seeded random Llama of this shape on `device`."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    place, kind = torch.device(device), getattr(torch, dtype)
    config = LlamaConfig(**shape)
    torch.manual_seed(0)
    with place:
        library = AutoModelForCausalLM.from_config(config, dtype=kind).eval()
    weights = {k: v for k, v in library.state_dict().items() if k != "lm_head.weight"}
    lean = LeanNetwork(config.to_dict(), weights, device=place, dtype=kind)
    ends = frozenset({vocabulary.eos_id})
    model = Model(name, tokenizer or Path(), lean, vocabulary, "", ends, chat_template=None)
    adapted = replace(model, network=HuggingFaceNetwork(library))
    return Subject(name, model, adapted, library, config.to_dict(), tokenizer)


def at_hand(makers: Iterable[Callable[[], Subject]]) -> Iterator[Subject]:
    """The subjects that can be made here, one at a time; why another cannot is said."""
    for make in makers:
        try:
            yield make()
        except Skipped as reason:
            say(f"Skipped: {reason}")
