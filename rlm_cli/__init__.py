"""The command line of rlm."""
