"""What is learned: networks, preprocessing, training and export."""
