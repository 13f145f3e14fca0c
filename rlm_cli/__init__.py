"""The command-line front end: parse, call the core, print."""
