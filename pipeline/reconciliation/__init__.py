"""The comparison of captured audio with Twilio's own records. Pure.

`rows` reads Twilio's lists; `windows` determines the periods that are due; `comparison` determines
the work for each task; `added_events` makes events from Twilio's lists; `evidence` is the union of
findings; `result` determines the result for a task.
"""
