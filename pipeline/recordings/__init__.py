"""Recordings, pure: fold the records of a media stream into segments, WAV and manifest."""
