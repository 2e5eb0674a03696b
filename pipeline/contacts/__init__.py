"""Pure: calls, decisions, media streams and recordings, joined into the consolidated contact."""
