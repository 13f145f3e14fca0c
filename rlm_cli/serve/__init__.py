"""An endpoint that speaks OpenAI's API. The web framework is an extra, so it is imported inside functions."""
