"""What the pipeline stands on where it runs on one machine: Kafka, Kinesis, and who starts them."""
