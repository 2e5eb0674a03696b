"""`flexcapture twilio doctor`: checks of every link from Twilio to the recordings store."""
