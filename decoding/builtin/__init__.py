"""The shipped model: weights, tokenizer, card, its generator and training scripts."""
