"""Slots, ragged forwards and both backends against the library's own greedy `generate`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.drafts.draft import Draft
from tether.decoding.models.base import Network
from tether.decoding.models.checkpoint import load_weights, read_json
from tether.decoding.models.families import supports
from tether.decoding.models.huggingface import HuggingFaceNetwork
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.window import Window
from tether.errors import ModelError

VOCAB = 97
CPU = torch.device("cpu")


def _config(kind: str) -> Any:
    import transformers

    sizes = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
    }
    match kind:
        case "llama":
            return transformers.LlamaConfig(**sizes, attention_bias=True, mlp_bias=True)
        case "qwen2":
            return transformers.Qwen2Config(**sizes, tie_word_embeddings=True)
        case "qwen3":
            return transformers.Qwen3Config(**sizes, head_dim=16)
        case "mistral":
            return transformers.MistralConfig(**sizes, sliding_window=5)
        case "gemma2":
            return transformers.Gemma2Config(**sizes, head_dim=8, sliding_window=4)
        case _:
            return transformers.GPT2Config(
                vocab_size=VOCAB, n_embd=32, n_layer=3, n_head=4, n_positions=128
            )


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3", "gpt2", "mistral", "gemma2"])
def library_model(request: pytest.FixtureRequest) -> Any:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(_config(request.param)).eval().double()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):  # zero by default, which would hide a dropped bias
            torch.nn.init.normal_(weight, std=0.1)
    model.generation_config.eos_token_id = None
    return model


@pytest.fixture(params=["lean", "transformers"])
def network(library_model: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    library_model.save_pretrained(tmp_path)
    config = read_json(tmp_path / "config.json")
    if request.param == "transformers":
        return HuggingFaceNetwork.load(tmp_path, device=CPU, dtype=torch.float64, compile=False)
    if not supports(config):
        pytest.skip(f"{config['model_type']} with this config is the library backend's")
    return LeanNetwork(config, load_weights(tmp_path), device=CPU, dtype=torch.float64)


def _expected(model: Any, prompt: list[int], count: int) -> list[int]:
    ids = model.generate(
        torch.tensor([prompt]),
        max_new_tokens=count,
        do_sample=False,
        pad_token_id=0,
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
    )
    said: list[int] = ids[0, len(prompt) :].tolist()
    return said


def _step(network: Network, cache: SlotCache, first: int, pending: list[list[int]]) -> list[int]:
    counts = [len(tokens) for tokens in pending]
    window = cache.window(first, counts, device=CPU, dtype=torch.float64)
    padded = [tokens + [0] * (max(counts) - len(tokens)) for tokens in pending]
    hidden = network.forward(torch.tensor(padded), cache, window)
    cache.commit(window)
    return network.head(hidden).argmax(dim=1).tolist()


def test_ragged_rows_equal_generate(library_model: Any, network: Network) -> None:
    """Prompts of different lengths, together from the first forward on."""
    rng = random.Random(5)
    prompts = [[rng.randrange(VOCAB) for _ in range(n)] for n in (3, 11, 7)]
    cache = SlotCache(network.num_layers, 3)
    tokens = _step(network, cache, 0, prompts)
    said = [[token] for token in tokens]
    for _ in range(9):
        tokens = _step(network, cache, 0, [[token] for token in tokens])
        for row, token in zip(said, tokens, strict=True):
            row.append(token)
    assert said == [_expected(library_model, prompt, 10) for prompt in prompts]


def test_rollback_refill_and_move(library_model: Any, network: Network) -> None:
    """Wrong tokens are taken back, a slot is refilled beside a running row, a row is moved."""
    rng = random.Random(8)
    first, second, third = ([rng.randrange(VOCAB) for _ in range(n)] for n in (6, 4, 9))
    cache = SlotCache(network.num_layers, 4)
    a = _step(network, cache, 0, [first])
    _step(network, cache, 1, [second])
    for wrong in ([1, 2, 3], [4]):
        _step(network, cache, 0, [wrong])
        cache.rollback(0, len(wrong))
    cache.lengths[1] = 0  # the second row is finished; its slot goes to the third
    b = _step(network, cache, 1, [third])
    said = [a, b]
    for turn in range(5):
        tokens = _step(network, cache, 0, [[row[-1]] for row in said])
        said = [[*row, token] for row, token in zip(said, tokens, strict=True)]
        if turn == 2:
            cache.lengths[0] = 0
            finished = said.pop(0)
            cache.move(1, 0)
            break
    for _ in range(3):
        said[0] += _step(network, cache, 0, [[said[0][-1]]])
    assert finished == _expected(library_model, first, 4)
    assert said[0] == _expected(library_model, third, 7)


def test_rollback_refuses_more_than_it_holds() -> None:
    cache = SlotCache(1, 1)
    with pytest.raises(ValueError, match="holds 0 tokens"):
        cache.rollback(0, 1)


def test_taps_are_the_library_s_hidden_states_under_the_last_norm(
    library_model: Any, network: Network
) -> None:
    cache = SlotCache(network.num_layers, 2)
    prompts = [[5, 6, 7], [9]]
    window = cache.window(0, [3, 1], device=CPU, dtype=network.dtype)
    padded = torch.tensor([[5, 6, 7], [9, 0, 0]])
    if library_model.config.model_type == "gemma2":  # its logits are capped after the head
        with pytest.raises(ModelError, match="layers"):
            network.forward(padded, cache, window, taps=(1,))
        return
    hidden = network.forward(padded, cache, window, taps=(0, 2))
    logits = network.head(hidden).view(3, 2, -1)
    base = library_model.base_model
    norm = base.ln_f if hasattr(base, "ln_f") else base.norm
    with torch.inference_mode():
        for row, prompt in enumerate(prompts):
            states = base(torch.tensor([prompt]), output_hidden_states=True).hidden_states
            for place, layer in ((1, 0), (2, 2)):
                expected = library_model.lm_head(norm(states[layer][0, -1]))
                torch.testing.assert_close(logits[place, row], expected)
        plain = network.head(network.forward(padded[:1], SlotCache(3, 1), _alone(network)))
    torch.testing.assert_close(logits[0, 0], plain[0])


def _alone(network: Network) -> Window:
    return SlotCache(3, 1).window(0, [3], device=CPU, dtype=network.dtype)


def test_drafted_trees_are_read_as_their_paths_alone(network: Network) -> None:
    """Ragged rows with trees, chains and nothing; then the kept path stands in the cache."""
    rng = random.Random(9)
    trees = [(-1, 0, 0, 1, -1, 4, 2), (-1, 0, 1), (), (-1, -1, -1)]
    kept = [[0, 2, 6], [0, 1], [], [2]]
    drafts = {
        row: Draft(tuple(rng.randrange(VOCAB) for _ in parents), parents, (0.5,) * len(parents))
        for row, parents in enumerate(trees)
        if parents
    }
    prompts = [[rng.randrange(VOCAB) for _ in range(n)] for n in (9, 4, 12, 7)]
    cache = SlotCache(network.num_layers, 4)
    _step(network, cache, 0, [prompt[:-1] for prompt in prompts])
    window = cache.window(0, [1] * 4, device=CPU, dtype=torch.float64, drafts=drafts)
    fed = [[p[-1], *(drafts[r].tokens if r in drafts else ())] for r, p in enumerate(prompts)]
    width = max(map(len, fed))
    hidden = network.forward(torch.tensor([f + [0] * (width - len(f)) for f in fed]), cache, window)
    read = torch.split(hidden, [4, *map(len, drafts.values())])
    cache.commit(window)
    for row, found in zip(drafts, read[1:], strict=True):
        draft = drafts[row]
        for node in range(len(draft)):
            path = [draft.tokens[at] for at in draft.path(node)]
            assert torch.allclose(found[node], _read_alone(network, prompts[row] + path), atol=1e-6)
    paths = []
    for row, nodes in enumerate(kept):
        cache.keep(row, len(prompts[row]), nodes)
        paths.append([drafts[row].tokens[at] for at in nodes] if nodes else [])
    window = cache.window(0, [1] * 4, device=CPU, dtype=torch.float64)
    after = network.forward(torch.tensor([[5]] * 4), cache, window)
    for row, path in enumerate(paths):
        assert torch.allclose(
            after[row], _read_alone(network, [*prompts[row], *path, 5]), atol=1e-6
        )


def _read_alone(network: Network, tokens: list[int]) -> Tensor:
    """What the head reads after tokens read in one forward by themselves."""
    cache = SlotCache(network.num_layers, 1)
    window = cache.window(0, [len(tokens)], device=CPU, dtype=torch.float64)
    return network.forward(torch.tensor([tokens]), cache, window)[0]
