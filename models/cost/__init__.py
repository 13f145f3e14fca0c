"""What a model costs: parameters, memory, floating-point operations, and how fast a machine trains it."""
