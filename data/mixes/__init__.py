"""Mixes: several sources, each with a share of the tokens that a model is trained on.

A source is a file, a folder or a data set. Its documents are written once into the cache (`spool`), cut into
tokens (`prepared`), and drawn from in its share (`sampler`).
"""
