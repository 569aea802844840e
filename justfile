# `just` alone: what to run before a commit.
default: lint fast

# Formatting, lint, types, import rules
lint:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

fix:
    ruff check --fix .
    ruff format .

# Everything but the slow suites
fast:
    python -m pytest -q -m "not slow"

# What CI runs
test:
    python -m pytest -q

# The long suites too
test-all:
    TETHER_TEST_ALL=1 python -m pytest -q

laws:
    python -m pytest -q tests/laws

types:
    mypy

# Rewrite docs/reference from the program
docs:
    python docs/generate.py

bench *ARGS:
    python benchmarks/run.py {{ARGS}}

# Train and judge the shipped model again
train OUT="run/builtin":
    python -m tether.decoding.builtin.train --out {{OUT}}
    python -m tether.decoding.builtin.evaluate {{OUT}} -o {{OUT}}/report.json

release:
    rm -rf dist
    python -m build
