"""The model as the commands see it: one small protocol, so that tests can say what is said.

torch is imported when a model is loaded, never before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from tether.cli.config.settings_model import Settings

if TYPE_CHECKING:
    from tether.decoding.models.base import Model
    from tether.decoding.prompt import Prompt
    from tether.decoding.request import Delta, Request, Result
    from tether.decoding.terms.term import Role
    from tether.grammars.constraint import Constraint
    from tether.grammars.spec import Spec
    from tether.grounding.evidence import Source
    from tether.grounding.graph.graph import Graph
    from tether.grounding.index import Index
    from tether.grounding.witness import Gaze

OnDelta = Callable[["Delta"], None]


class Engine(Protocol):
    """A loaded model that decodes requests.

    Attributes:
        name: What the user called the model.
        fingerprint: Equal for equal files.
        description: Facts for people and for a batch's identity: device, dtype.
        num_tokens: Size of the vocabulary.
        max_positions: Tokens that prompt and output may have together.
        reads_fields: Whether the model was trained on the short schema line.
        others: The other models that terms listen to, role to name and fingerprint.
    """

    name: str
    fingerprint: str
    description: dict[str, Any]
    num_tokens: int
    max_positions: int
    reads_fields: bool
    others: dict[str, str]

    def compile(self, spec: Spec) -> Constraint:
        """The constraint of a spec over this model's vocabulary."""

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The token ids of a prompt."""

    def sources(
        self,
        grounds: Sequence[str],
        ids: tuple[int, ...],
        prompt: Prompt,
        index: Index | None = None,
        graph: Graph | None = None,
    ) -> tuple[Source, ...]:
        """The evidence of a prompt encoded to these ids, by methods as users write them."""

    def gaze(self, ids: tuple[int, ...], prompt: Prompt) -> Gaze:
        """A watcher of the attention on the passages of a prompt encoded to these ids."""

    def odds(self, prompt: Prompt, spec: Spec, yes: bytes, no: bytes) -> float:
        """Log-odds of answers under a spec that begin their choice with `yes`, against `no`."""

    def run(
        self,
        requests: Iterable[Request],
        *,
        slots: int,
        ahead: int = 1,
        on_delta: OnDelta | None = None,
    ) -> Iterator[Result]:
        """Decode requests, pulled lazily; results as they end.

        Args:
            requests: One for each row.
            slots: Rows decoded at once.
            ahead: Requests that may be pulled at a time, to be run in the order of their lengths.
            on_delta: Hears new text.
        """


class LocalEngine:
    """A checkpoint on this machine, and those of the other roles."""

    def __init__(self, model: Model, others: Mapping[Role, Model]) -> None:
        self._model, self._others = model, dict(others)
        self.others: dict[str, str] = {
            role: f"{other.name} {other.fingerprint}" for role, other in others.items()
        }
        self.name = model.name
        self.fingerprint = model.fingerprint
        self.description = dict(model.description)
        self.num_tokens = model.vocabulary.size
        self.max_positions = model.network.max_positions
        self.reads_fields = "fields" in (model.chat_template or "")

    def compile(self, spec: Spec) -> Constraint:
        """Compile through the grammars room (and its cache on disk)."""
        return spec.compile(self._model.vocabulary)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Apply the checkpoint's chat template, where it has one."""
        from tether.decoding.prompt import encode

        return encode(self._model, prompt)

    def sources(
        self,
        grounds: Sequence[str],
        ids: tuple[int, ...],
        prompt: Prompt,
        index: Index | None = None,
        graph: Graph | None = None,
    ) -> tuple[Source, ...]:
        """Bind the methods to what the prompt holds."""
        if not grounds:
            return ()
        from tether.decoding.grounds.parse import bind_all, parse_all
        from tether.decoding.grounds.told import given

        return bind_all(parse_all(grounds), given(self._model, ids, prompt, index, graph))

    def gaze(self, ids: tuple[int, ...], prompt: Prompt) -> Gaze:
        """Bind a watcher to what the prompt holds."""
        from tether.decoding.grounds.gaze import gaze
        from tether.decoding.grounds.told import given

        return gaze(given(self._model, ids, prompt))

    def odds(self, prompt: Prompt, spec: Spec, yes: bytes, no: bytes) -> float:
        """Decode one answer and keep how its first choice was weighed."""
        from tether.decoding.request import Request
        from tether.grounding.witness import Ballot

        ballot = Ballot()
        asked = Request("", self.encode(prompt), self.compile(spec), sources=(ballot,))
        for _ in self.run([asked], slots=1):
            pass
        return ballot.odds(self._model.vocabulary.tokens, yes, no)

    def run(
        self,
        requests: Iterable[Request],
        *,
        slots: int,
        ahead: int = 1,
        on_delta: OnDelta | None = None,
    ) -> Iterator[Result]:
        """Run the decode loop."""
        from tether.decoding.loop import Loop

        loop = Loop(self._model, slots=slots, others=self._others, ahead=ahead)
        return loop.run(requests, on_delta)


resident: Engine | None = None
"""The engine of this process where it is a server: whatever runs in it has these models."""


def load(settings: Settings) -> Engine:
    """The engine for these settings; the models used last stay loaded.

    Raises:
        UsageError: A contrast needs a model that is not named.
        ModelError: The files or the device cannot be used.
    """
    from tether.decoding.terms.parse import check_roles, parse_all

    check_roles(parse_all(settings.contrast), {"model", *_others(settings)})
    if resident is not None:
        return resident
    return LocalEngine(load_model(settings), load_others(settings))


def load_model(settings: Settings) -> Model:
    """The model of these settings alone, as `load` has it.

    Raises:
        ModelError: The files or the device cannot be used.
    """
    return _load(settings.model, settings.device, settings.dtype, settings.compile)


def load_others(settings: Settings) -> dict[Role, Model]:
    """The models of these settings that terms listen to.

    Raises:
        ModelError: The files or the device cannot be used.
    """
    how = (settings.device, settings.dtype, settings.compile)
    return {role: _load(name, *how) for role, name in _others(settings).items()}


def _others(settings: Settings) -> dict[Role, str]:
    names: dict[Role, str | None] = {
        "amateur": settings.amateur,
        "expert": settings.expert,
        "drafter": settings.draft_model,
    }
    return {role: name for role, name in names.items() if name}


@lru_cache(maxsize=4)
def _load(model: str, device: str, dtype: str, compiled: bool) -> Model:
    from tether.decoding import models

    name = None if model == "builtin" else model
    return models.load(name, device=device, dtype=dtype, compile=compiled)
