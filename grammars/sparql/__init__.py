"""SPARQL queries as a constraint: grammar, static checks, and names that exist in a graph."""
