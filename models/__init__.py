"""Models and everything done with them. Prints nothing, asks nothing, knows no terminal."""
