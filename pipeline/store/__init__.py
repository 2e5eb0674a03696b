"""Where results are kept: the database of contacts, and the audio objects."""
