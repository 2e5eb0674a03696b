"""Run the pipeline on one machine: Kafka, Kinesis, and the supervisor of all processes."""
