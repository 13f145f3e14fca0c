"""The topics behind technical_chat.jsonl: each makes conversations whose answers are computed."""
