"""Audio whose every frame says what it is, and who finds each of them again in the recordings."""
