"""The history of a call, read back from the topics: what was known of it when."""
