"""Curves on axes, and their drawing in characters. Both front ends show charts."""
