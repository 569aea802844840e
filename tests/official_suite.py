"""The official JSON Schema Test Suite, read from its archive: one case after the other."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ARCHIVE = Path("json-schema-test-suite") / "suite.tar.gz"
DRAFTS = {"draft4": 4, "draft6": 6, "draft7": 7, "draft2019-09": 19, "draft2020-12": 20}
"""The folders of the suite with jsonschema-rs's number of each draft."""
REMOTES = "http://localhost:1234/"
"""Where the suite says that its `remotes` are served."""


@dataclass(frozen=True, slots=True)
class Case:
    """One schema of the suite with its instances.

    Attributes:
        draft: See `DRAFTS`.
        file: Path below the draft's folder.
        formats: "assert" in `optional/format`, as that part of the suite is meant.
        tests: (description, instance, whether it is valid).
    """

    draft: int
    file: str
    description: str
    schema: Any
    formats: Literal["assert", "annotate"]
    tests: tuple[tuple[str, Any, bool], ...]

    @property
    def name(self) -> str:
        """What a failing test says."""
        return f"{self.draft} {self.file}: {self.description}"


@dataclass(frozen=True, slots=True)
class Suite:
    """All cases, and what the remote references in them lead to."""

    cases: tuple[Case, ...]
    remotes: Mapping[str, Any]

    @property
    def retriever(self) -> Callable[[str], Any]:
        """Gives a remote by its URI."""
        return self.remotes.__getitem__


def read_suite(data: Path) -> Suite:
    """The suite in the folder `data` of shared test data."""
    cases: list[Case] = []
    remotes = {}
    with tarfile.open(data / ARCHIVE) as archive:
        for member in sorted(archive, key=lambda each: each.name):
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            top, _, rest = member.name.partition("/")
            if top == "remotes":
                remotes[REMOTES + rest] = json.load(content)
            elif top == "tests":
                cases += _cases(rest, json.load(content))
    return Suite(tuple(cases), remotes)


def _cases(path: str, groups: list[dict[str, Any]]) -> Iterator[Case]:
    folder, _, file = path.partition("/")
    if folder not in DRAFTS:
        return
    asserted = file.startswith(("optional/format/", "optional/format-assertion"))
    for group in groups:
        tests = tuple((each["description"], each["data"], each["valid"]) for each in group["tests"])
        yield Case(
            DRAFTS[folder],
            file,
            group["description"],
            group["schema"],
            "assert" if asserted else "annotate",
            tests,
        )
