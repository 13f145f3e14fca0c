"""How well a model does on what it was not trained on."""
