"""What adapter and gateway know of Twilio, without any I/O."""
