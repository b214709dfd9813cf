"""PredictionService: converts requests to session runs and results to responses."""
