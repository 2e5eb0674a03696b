"""The gateway: Twilio Media Streams over WebSocket in, batches of audio on `media` out."""
