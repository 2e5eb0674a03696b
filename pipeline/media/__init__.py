"""Audio in transit, pure: frames, batches, where each frame lies in its track, WAV."""
