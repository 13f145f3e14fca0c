"""Filters: which texts of a corpus are dropped, and why. Each is counted by its name; without a choice
nothing is dropped."""

from data.filters.corpus_filters import CorpusFilters, Dropped, dropped_in_words
from data.filters.filters import FILTERS, PRESETS, Filters, parse_filters

__all__ = [
    "FILTERS",
    "PRESETS",
    "CorpusFilters",
    "Dropped",
    "Filters",
    "dropped_in_words",
    "parse_filters",
]
