"""The log on an Apache Kafka topic: the topic arbitrates, and every node folds it alike."""
