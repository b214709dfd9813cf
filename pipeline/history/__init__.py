"""What ML Metadata knows of the runs below a root: how they are recorded and read."""
