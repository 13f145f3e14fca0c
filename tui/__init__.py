"""The full-screen front end. Nothing here yet: the line-mode commands come first."""
