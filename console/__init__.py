"""The web portal: its API, its pages. It reads through `pipeline.store` alone."""
