"""`flexcapture tail`: print the records of topics, decoded."""
