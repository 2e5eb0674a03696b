"""`flexcapture twilio`: the commands for the Twilio account."""
