"""Compiled code, for machines with a C compiler: a decoding step, the draw of tokens, parts of training."""
