"""Images that show a training: filters, feature maps, predictions."""
