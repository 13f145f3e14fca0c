"""Filters: which texts of a corpus are dropped, and why. Each is counted by its name; without a choice
nothing is dropped."""

from data.filters.filters import FILTERS, PRESETS, Filters, parse_filters

__all__ = ["FILTERS", "PRESETS", "Filters", "parse_filters"]
