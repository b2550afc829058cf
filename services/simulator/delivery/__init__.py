"""Ways out for events: through the gateway, straight to Kafka, or into a file. All keep the order they are given."""
