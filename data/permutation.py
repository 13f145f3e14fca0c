"""Pseudo-random orders that are functions of a key: every place of an order is known without the others."""

import math

import numpy as np

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: added to one key it gives keys that have nothing in common."""
_ROUNDS = 4


def splitmix64(values: np.ndarray) -> np.ndarray:
    """Each of the uint64 `values` mixed so that every bit depends on every bit.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def permute(places: np.ndarray, keys: np.ndarray, size: int) -> np.ndarray:
    """Where a keyed permutation of range(size) sends each place; all (B,) uint64.

    A Feistel network permutes a near-square rectangle of `size` or a few more places, and is applied again
    to each result that is not below `size` (Black and Rogaway, 2002: "Ciphers with Arbitrary Finite
    Domains"). It needs no table, whatever the size.
    """
    height = math.isqrt(size - 1) + 1
    rows, columns = np.uint64(height), np.uint64(-(-size // height))
    result, walking = places, np.ones(len(places), dtype=bool)
    while walking.any():
        left, right, key = result % rows, result // rows, keys
        for _ in range(_ROUNDS):
            left = (left + splitmix64(right ^ key)) % rows
            key = key + GOLDEN_GAMMA
            right = (right + splitmix64(left ^ key)) % columns
            key = key + GOLDEN_GAMMA
        result = np.where(walking, left + right * rows, result)
        walking = result >= np.uint64(size)
    return result
