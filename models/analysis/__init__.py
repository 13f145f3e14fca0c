"""What a model and its text are worth, measured: quality of written text, memorisation, soundness."""
