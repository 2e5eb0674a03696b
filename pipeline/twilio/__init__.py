"""Twilio's errors, SIDs and numbers, tickets, and the circuit breaker for its API. No I/O."""
