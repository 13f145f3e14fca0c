"""The grammar behind stories.txt: words, a small world, and plots."""
