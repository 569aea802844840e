"""SPARQL queries as a constraint: grammar, static checks, and names that exist in a graph."""

from __future__ import annotations

from tether.grammars.sparql.compile import sparql

__all__ = ["sparql"]
