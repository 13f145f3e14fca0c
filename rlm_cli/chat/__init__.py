"""The chat in line mode: a prompt, an answer, a footer. Torch-free until a model is loaded."""
