"""`flexcapture dead-letters`: list dead letters and put them back.

`letter` and `retrying` are pure: a dead letter, and the records that a retry writes. `reader` reads
the topics, `writer` writes the retries, `command` prints.
"""
