"""How a model learns: plan, loop, optimizers, schedule, checkpoints."""
