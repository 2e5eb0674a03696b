"""The stores of results: the database of contacts, and the audio objects."""
