"""Makes a trained model larger. Its output stays the same."""
