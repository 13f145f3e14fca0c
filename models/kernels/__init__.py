"""Compiled code, for machines with a C compiler: a decoding step, the draw of tokens, and parts of training."""
