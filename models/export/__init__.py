"""A run as a folder that other programs load, and back. Such a folder needs no rlm to be used."""
