"""The full-screen application: `rlm tui`. It shows runs and asks trainings, which are other processes."""
