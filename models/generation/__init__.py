"""Sampling, text generation, chat, and solving puzzles with a trained model."""
