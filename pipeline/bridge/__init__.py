"""Kinesis -> Kafka, exactly once for a read-committed consumer, in each shard's order.

`lineage` and `messages` are pure: which shards may be read, and what becomes of a Kinesis record.
`reader` reads Kinesis, `checkpoints` and `leases` read Kafka, `writer` writes it in transactions,
`shard` carries one shard, `service` all of this process's. See docs/decisions/0003.
"""
