"""Text to tokens to batches. Torch-free: numpy arrays go up."""
