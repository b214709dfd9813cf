"""What is connected: configuration, the DAG, its runners and the command line."""
