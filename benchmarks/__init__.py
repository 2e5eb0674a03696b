"""The benchmarks: `make bench`. Each measures the product and, in the same run, a baseline."""
