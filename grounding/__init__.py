"""What is known: passages, indexes, graphs -> evidence."""
