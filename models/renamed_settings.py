"""Settings that had another name in an earlier version, so that a hint can give today's."""

RENAMED = {
    "training.late_recursion": "training.shallow_fraction",
    "training.deepest_share": "training.full_depth_prob",
    "training.most_epochs": "training.max_epochs",
    "model.lookback": "model.ngram",
    "model.compute_penalty": "model.ponder_cost",
    "model.heads_see": "model.attention_scope",
}
"""Old to new."""
