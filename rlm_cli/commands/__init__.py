"""The commands of rlm, one file each."""
