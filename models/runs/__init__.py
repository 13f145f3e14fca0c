"""What lies on disk: a run's folder, its files, and what is read back from them."""
