"""Compiled code, for machines with a C compiler: a decoding step, and the small operations of training."""
