"""A model that reads only the relevant sentences of the evidence drafts for one that reads it all.

Worth it where the evidence is long: a draft costs what a short prompt costs. The row's own model
may be the drafter, with a second, short cache. Source: RAPID, Chen et al. 2025 (arXiv 2502.20330);
its transfer of knowledge from the drafter, which changes texts, is `--ground rapid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tether.decoding.drafts.model import DraftModel
from tether.decoding.request import Request


class Rapid(DraftModel):
    """See `DraftModel`. Drafts nothing for rows without a short prompt."""

    name: ClassVar[str] = "rapid"

    def prompt(self, request: Request) -> Sequence[int] | None:
        """See `DraftModel.prompt`: the `short` variant of the row's prompt."""
        return request.prompts.get("short")
