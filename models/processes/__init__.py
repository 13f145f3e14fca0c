"""The processes that share the work of one training."""
