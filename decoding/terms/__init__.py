"""Methods of contrast, one a file: which views they need and how these weigh. Data for the step."""
