"""The web portal: its API and its pages. It reads data only through `pipeline.store`."""
