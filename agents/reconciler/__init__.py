"""The reconciler: compares periods with Twilio's own records of calls, and adds missing events."""
