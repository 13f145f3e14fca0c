"""Training on puzzles: one optimizer step for each supervision step, and a state that is carried on."""
