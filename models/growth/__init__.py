"""Growing a model that was trained: it computes what it did, and has room for more."""
