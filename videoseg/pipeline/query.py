"""What a query may be."""

from __future__ import annotations

from videoseg.errors import QueryError
from videoseg.text import well_formed

__all__ = ["MAX_QUERY_WORDS", "check_query"]

MAX_QUERY_WORDS = 1000
"""Longer queries are refused: no grounder reads a book as a question."""


def check_query(query: object) -> str:
    """Return the query without surrounding space, and without halves of surrogate pairs.

    Raises:
        QueryError: If it is empty, not text, or longer than ``MAX_QUERY_WORDS``.
    """
    if not isinstance(query, str):
        raise QueryError(f"the query must be text, got {type(query).__name__}")
    query = well_formed(query).strip()
    if not query:
        raise QueryError("the query is empty; say which object you mean, such as 'the red car'")
    num_words = len(query.split())
    if num_words > MAX_QUERY_WORDS:
        raise QueryError(
            f"the query has {num_words:,} words; at most {MAX_QUERY_WORDS:,} are read"
        )
    return query
