"""OpenAI's HTTP requests: what they ask in our words, and their answers in OpenAI's."""
