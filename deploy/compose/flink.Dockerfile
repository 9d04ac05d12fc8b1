# Flink with its Kafka connector, for the flink profile of docker-compose.yml.
FROM flink:1.20.3
ADD --chown=flink:flink https://repo1.maven.org/maven2/org/apache/flink/flink-sql-connector-kafka/3.4.0-1.20/flink-sql-connector-kafka-3.4.0-1.20.jar /opt/flink/lib/
