"""A run that goes on with another text, or grows, without losing what it knows."""
