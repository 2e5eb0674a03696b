"""Kinesis to Kafka: exactly once for a read-committed consumer, in the order of each shard.

Four modules are pure: `lineage` (which shards may be read), `messages` (the Kafka messages of a
Kinesis record), `pace` (how fast a shard is read) and `period` (which part of the stream is read).
`reader` reads Kinesis, `checkpoints` and `leases` read Kafka, `writer` writes to Kafka in
transactions. `shard` copies one shard, `service` runs all shards of this process. `errands` holds
the two kinds of work: the live bridge, and a `replay`. See docs/decisions/0003.
"""
