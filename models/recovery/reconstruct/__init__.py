"""A character vocabulary reconstructed from a model and a text in its language."""
