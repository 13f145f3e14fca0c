"""Speed, learning and depth of models, measured so that two results can be compared."""
