"""Checks whether a trained model is sound, by its files and by what it computes."""
