"""Oracle and constraint against the official JSON Schema Test Suite: every case, no exceptions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from official_suite import DRAFTS, Suite, read_suite

from tether.errors import SchemaError
from tether.grammars.json_schema import json_schema
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.remote import embedded
from tether.grammars.vocabulary import Vocabulary

URIS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    19: "https://json-schema.org/draft/2019-09/schema",
    20: "https://json-schema.org/draft/2020-12/schema",
}


@pytest.fixture(scope="module")
def suite(shared: Path) -> Suite:
    return read_suite(shared)


@pytest.mark.shared
@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_the_oracle_is_right_on_every_case(suite: Suite, draft: int) -> None:
    wrong, count = [], 0
    for case in suite.cases:
        if case.draft != draft:
            continue
        oracle = Oracle(case.schema, draft=draft, formats=case.formats, retriever=suite.retriever)
        for description, instance, valid in case.tests:
            count += 1
            by_value = oracle.complaint_about(instance) is None
            by_text = oracle.complaint(json.dumps(instance, ensure_ascii=False)) is None
            if not (by_value == by_text == valid):
                wrong.append(f"{case.name}: {description}")
    assert wrong == []
    assert count > 900


@pytest.mark.shared
@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_the_constraint_is_right_on_every_case(
    suite: Suite, byte_vocab: Vocabulary, draft: int
) -> None:
    """Mask, oracle and end of text, over tokens."""
    wrong, count = [], 0
    for case in suite.cases:
        if case.draft != draft:
            continue
        schema = embedded(case.schema, suite.retriever, draft)
        if isinstance(schema, dict) and "$schema" not in schema:
            schema = {"$schema": URIS[draft], **schema}
        constraint = json_schema(schema, byte_vocab, formats=case.formats)
        for description, instance, valid in case.tests:
            count += 1
            text = json.dumps(instance, ensure_ascii=False)
            tokens = [*byte_vocab.encode(text), byte_vocab.eos_id]
            if (constraint.start().prefix_length(tokens) == len(tokens)) != valid:
                wrong.append(f"{case.name}: {description}")
    assert wrong == []
    assert count > 900


@pytest.mark.shared
def test_documents_can_be_embedded(suite: Suite) -> None:
    """What works with a retriever works without one, its documents built into the schema."""
    wrong, count = [], 0
    for case in suite.cases:
        try:
            Oracle(case.schema, draft=case.draft)
        except SchemaError:
            count += 1
        else:
            continue
        schema = embedded(case.schema, suite.retriever, case.draft)
        oracle = Oracle(schema, draft=case.draft, formats=case.formats)
        wrong += [
            f"{case.name}: {description}"
            for description, instance, valid in case.tests
            if (oracle.complaint_about(instance) is None) != valid
        ]
    assert wrong == []
    assert count > 60


@pytest.mark.shared
def test_formats_are_asserted_by_default(suite: Suite) -> None:
    """The main part reads formats as annotations; asked to assert them, we refuse more."""
    refused = []
    for case in suite.cases:
        if case.file == "format.json":
            oracle = Oracle(case.schema, draft=case.draft)
            refused += [
                description for description, instance, valid in case.tests
                if valid and oracle.complaint_about(instance)
            ]  # fmt: skip
    assert refused
    assert all("only an annotation" in description for description in refused)
