"""The consolidated contact, joined from calls, decisions, media streams and recordings. Pure."""
