"""Recordings, pure: the fold of a media stream's records into segments, WAV and manifest."""
