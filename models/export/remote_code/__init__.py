"""The code that an exported folder has of its own. It runs inside transformers, beside copies of others."""
