"""`flexcapture twilio check-call`: one test call that shows which assumptions about Twilio hold."""
