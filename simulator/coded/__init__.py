"""Audio in which every frame identifies itself, and the search for each frame in the recordings."""
