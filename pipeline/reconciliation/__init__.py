"""The comparison of captured audio with Twilio's own records. Pure.

`rows` reads Twilio's lists, `windows` says which periods are due, `comparison` says what a task
needs, `added_events` makes events of Twilio's lists, `evidence` is the union of findings, `result`
says what became of a task's audio.
"""
