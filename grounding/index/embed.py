"""From texts to vectors: what the dense part asks of an embedder, and one that reads a directory.

Knows sentence-transformers directories; the language model's own states are `decoding/embed.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tether.errors import ModelError, UnavailableError

Vectors = NDArray[np.float32]
_BATCH = 32
_SAMPLE = 1 << 20  # bytes hashed at the end of each file
_TRUSTED = "sentence_transformers."


class Embedder(Protocol):
    """Texts to vectors whose cosine says how alike they are.

    Attributes:
        name: What the user called it.
        fingerprint: SHA-256 that tells any two embedders apart; kept in the dense part.
        width: Numbers in a vector.
        learned: Whether it was trained so that cosines mean likeness; where not, the dense part
            whitens its vectors.
    """

    name: str
    fingerprint: str
    width: int
    learned: bool

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """Vectors float32 [texts, width] of length 1 (0 where a text says nothing).

        Law: a text's vector does not depend on its company, but for rounding.

        Args:
            texts: Passages, or questions.
            question: They are questions; some embedders read those in another way.
        """


def unit(vectors: Vectors) -> Vectors:
    """Rows [n, width] divided by their lengths; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


class SentenceEmbedder:
    """A local sentence-transformers directory; see `Embedder`.

    Safetensors only, none of the directory's own code, no network.

    Args:
        directory: Holds modules.json.

    Raises:
        ModelError: The directory cannot be used; the hint is the cure.
        UnavailableError: The extra `embed` is not installed.
    """

    learned = True

    def __init__(self, directory: Path) -> None:
        _check(directory)
        self.name = str(directory)
        self.fingerprint = _fingerprint(directory)
        self._model = _load(directory)
        self.width: int = self._model.get_embedding_dimension()

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """See `Embedder.embed`."""
        encode = self._model.encode_query if question else self._model.encode_document
        if not texts:
            return np.zeros((0, self.width), np.float32)
        found = encode(list(texts), batch_size=_BATCH, show_progress_bar=False)
        return unit(np.asarray(found, np.float32))


def _load(directory: Path) -> Any:  # noqa: ANN401  # the library is optional
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UnavailableError(
            "An embedder directory needs sentence-transformers, which is not installed.",
            hint='Install it: pip install "tether[embed]".',
        ) from error
    try:
        with redirect_stderr(StringIO()):  # its progress bar
            return SentenceTransformer(
                str(directory),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise ModelError(
            f"sentence-transformers cannot load {directory}: {str(error).splitlines()[0]}",
            hint="Fetch the directory again, for example with `hf download`.",
        ) from error


def _check(directory: Path) -> None:
    """Refuse what is no such directory, or would run code or unpickle."""
    try:
        modules = json.loads((directory / "modules.json").read_text(encoding="utf-8"))
        kinds = [str(module["type"]) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{directory} is not a sentence-transformers directory: its modules.json "
            "is missing or damaged.",
            hint="Give a directory saved by SentenceTransformer.save, or --embedder hidden.",
        ) from error
    foreign = [kind for kind in kinds if not kind.startswith(_TRUSTED)]
    if foreign:  # the library runs a local directory's own code without being asked to trust it
        raise ModelError(
            f"{directory} brings code of its own ({foreign[0]}), which is never run.",
            hint="Choose an embedder made of the library's own modules.",
        )
    for path in sorted(directory.rglob("*.bin")):
        if not path.with_name("model.safetensors").is_file():
            raise ModelError(
                f"{path} is no safetensors file, and other weights are never read.",
                hint="Convert the weights, or choose an embedder that ships safetensors.",
            )


def _fingerprint(directory: Path) -> str:
    """SHA-256 over names and sizes of the files that matter, their beginnings and ends.

    Hashing all of large weights at each start would cost seconds.
    """
    digest = hashlib.sha256()
    for path in _files(directory):
        digest.update(f"{path.relative_to(directory)} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 16))
            file.seek(max(0, path.stat().st_size - _SAMPLE))
            digest.update(file.read())
    return digest.hexdigest()


def _files(directory: Path) -> Iterator[Path]:
    kinds = {".json", ".txt", ".model", ".safetensors"}
    return (path for path in sorted(directory.rglob("*")) if path.suffix in kinds)
