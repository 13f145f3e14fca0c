"""The parts that architectures are made of. They import nothing else of `models`."""
