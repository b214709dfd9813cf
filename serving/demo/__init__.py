"""Demo web page that classifies an uploaded image."""
