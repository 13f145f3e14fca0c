"""The parts of screens, each with its style sheet beside it."""
