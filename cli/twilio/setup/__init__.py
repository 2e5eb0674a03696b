"""`flexcapture twilio setup` and `teardown`: the Event Streams sink and its subscription."""
