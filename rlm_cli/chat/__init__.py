"""The chat on the command line. Needs torch only to load a model."""
