"""Decoding steps in compiled code: a list of operations that is recorded from a model's own forward call."""
