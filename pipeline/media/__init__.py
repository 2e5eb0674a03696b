"""Audio in transit, pure: frames, batches, the place of each frame in its track, WAV."""
