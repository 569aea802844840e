"""A causal LM behind one protocol: `load` finds the files and picks the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tether.decoding.models import checkpoint
from tether.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from tether.decoding.models.base import Model, Network

Backend = Literal["auto", "lean", "transformers"]


def load(
    model: str | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    compile: bool = False,
    backend: Backend = "auto",
) -> Model:
    """Load a checkpoint for decoding.

    Args:
        model: A directory, an id in the local hub cache, or None for the shipped model.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1" ...
        dtype: "auto", "float32", "bfloat16", "float16" or "float64".
        compile: Compile the forward; on GPUs, capture it as CUDA graphs.
        backend: "lean" is our own forward for the Llama family, "transformers" any architecture;
            "auto" takes lean where it computes the checkpoint exactly.

    Raises:
        ModelError: The files, the device or the architecture cannot be used; the hint says why.
    """
    from tether.decoding.models.base import Model
    from tether.grammars.vocabulary import Vocabulary

    directory = checkpoint.find(model)
    config = checkpoint.read_json(directory / "config.json")
    tokenizer = directory / "tokenizer.json"
    if not tokenizer.is_file():
        raise ModelError(
            f"{directory} holds no tokenizer.json.",
            hint="Save the fast tokenizer beside the weights: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(directory).",
        )
    network = _network(directory, config, device, dtype, compile, backend)
    _settle(network)
    vocabulary = Vocabulary.from_file(tokenizer).padded(network.head_size)
    settings = checkpoint.read_json(directory / "tokenizer_config.json")
    return Model(
        name=model or "builtin",
        directory=directory,
        network=network,
        vocabulary=vocabulary,
        fingerprint=checkpoint.fingerprint(directory),
        end_ids=_end_ids(directory, config, vocabulary.eos_id),
        chat_template=_chat_template(directory, settings),
        special_tokens=_special_tokens(settings),
        description={
            "model_type": config.get("model_type"),
            "parameters": network.num_parameters,
            "backend": type(network).__name__,
            "device": str(network.device),
            "dtype": str(network.dtype).removeprefix("torch."),
        },
    )


def _network(
    directory: Path, config: dict[str, Any], device: str, dtype: str, compiled: bool, backend: str
) -> Network:
    from tether.decoding.models import families, lean, ranks, static

    place = _device(device)
    kind = _dtype(dtype, place, directory, config)
    whole = not ranks.begun()  # the library splits models, our own forward does not
    if backend == "lean" or (backend == "auto" and whole and families.supports(config)):
        network = lean.LeanNetwork(
            config, checkpoint.load_weights(directory), device=place, dtype=kind
        )
        if compiled:
            hold = static.captured if place.type == "cuda" else static.compiled
            network.static = static.StaticStep(network.stack, hold)
        return network
    from tether.decoding.models.huggingface import HuggingFaceNetwork

    checkpoint.weight_files(directory)  # refuses what is not safetensors, with its cure
    return HuggingFaceNetwork.load(directory, device=place, dtype=kind, compile=compiled)


def _settle(network: Network) -> None:
    """Set up the process for a network that it has loaded."""
    from tether.decoding.models.heap import keep_memory
    from tether.decoding.models.threads import threads

    threads.settle(network)
    if network.device.type == "cpu":
        keep_memory()


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        found = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ModelError(
            f"Device {name!r} cannot be used: {str(error).splitlines()[0]}",
            hint=f"Devices here: {', '.join(['cpu', *found])}.",
        ) from error
    return device


def _dtype(name: str, device: torch.device, directory: Path, config: dict[str, Any]) -> torch.dtype:
    import torch

    if name == "auto":
        short = device.type != "cpu" or _gains_by_bf16(directory, config)
        return torch.bfloat16 if short else torch.float32
    dtype = getattr(torch, name, None)
    if name not in ("float64", "float32", "float16", "bfloat16") or dtype is None:
        raise ModelError(
            f"Unknown dtype {name!r}.", hint="Use auto, float32, bfloat16, float16 or float64."
        )
    return dtype  # type: ignore[no-any-return]


def _gains_by_bf16(directory: Path, config: dict[str, Any]) -> bool:
    """Whether a checkpoint runs faster in bfloat16 on this CPU, and loses nothing by it.

    Measured (benchmarks/forward.py): at 130 million parameters it takes less time, where the
    CPU has products of it. At 2 million it takes longer, and near-ties of small networks are
    settled in float32 alone. Weights that are stored in float32 would be rounded.
    """
    from tether.decoding.models.base import SMALL

    if config.get("dtype", config.get("torch_dtype")) != "bfloat16" or not _has_fast_bf16():
        return False
    size = sum(path.stat().st_size for path in checkpoint.weight_files(directory))
    return size / 2 > SMALL


def _has_fast_bf16() -> bool:
    """Whether this CPU has products of bfloat16; elsewhere float32 is faster."""
    import torch

    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(supported() for name in names if (supported := getattr(torch.cpu, name, None)))


def _end_ids(directory: Path, config: dict[str, Any], eos_id: int) -> frozenset[int]:
    ids = {eos_id}
    for source in (config, checkpoint.read_json(directory / "generation_config.json")):
        value = source.get("eos_token_id")
        ids.update(value if isinstance(value, list) else [value] if value is not None else [])
    return frozenset(ids)


def _chat_template(directory: Path, settings: dict[str, Any]) -> str | None:
    own_file = directory / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):  # named templates; "default" is the one for plain chats
        template = {item["name"]: item["template"] for item in template}.get("default")
    return template


def _special_tokens(settings: dict[str, Any]) -> dict[str, str]:
    tokens = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        value = settings.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            tokens[name] = text
    return tokens
