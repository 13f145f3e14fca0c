"""The parts every architecture is made of."""
