"""Settings: where each value comes from, profiles in TOML, the environment."""
