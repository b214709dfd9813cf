"""Sources of images: folders and archives, their layouts, and a reader for each kind."""
