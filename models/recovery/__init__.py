"""A run's tokenizer: diagnosed, restored from a copy, or reconstructed from the model itself."""
