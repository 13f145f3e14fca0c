"""Learning problems whose answer has to be composed."""
