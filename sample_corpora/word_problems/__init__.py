"""The kinds of problem in arithmetic.jsonl, worked step by step and checked by a second formula."""
