"""`make bench`: how long the demo, and many workloads, take on the twin."""
