"""The history of a call, read back from the topics: its state as known at any moment."""
