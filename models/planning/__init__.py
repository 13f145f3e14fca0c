"""What is decided before a run exists: from a request to a plan."""
