"""The reconciler: compares periods with Twilio's own records of calls, and adds what is missing."""
