"""Kinesis -> Kafka, exactly once for a read-committed consumer, in each shard's order.

`lineage`, `messages`, `pace` and `period` are pure: which shards may be read, what becomes of a
Kinesis record, how fast a shard is read, which part of it. `reader` reads Kinesis, `checkpoints`
and `leases` read Kafka, `writer` writes it in transactions, `shard` carries one shard, `service`
all of this process's; `errands` says what for: the live bridge, or a `replay`. docs/decisions/0003.
"""
