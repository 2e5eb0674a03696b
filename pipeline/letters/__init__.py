"""Dead letters, looked at and put back: `flexcapture dead-letters`.

`letter` and `retrying` are pure: what a dead letter is, and what putting it back would write.
`reader` reads the topics, `writer` writes what is put back, `command` prints.
"""
