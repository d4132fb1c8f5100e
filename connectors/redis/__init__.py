"""Redis streams, read by consumer groups and written to, over connections of redis-py."""
