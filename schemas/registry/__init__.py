"""The schema registry's API (docs.confluent.io, "Schema Registry API Reference"): `app` serves the
bundled schemas, `register` registers them in another registry."""
