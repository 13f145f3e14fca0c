"""From a model to text: sampling, generation, and the conversation around it."""
