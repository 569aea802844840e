"""What `tether check` says of grammar texts: findings with place, sentence and cure."""
