"""The face: commands, profiles, streams, records. Imports everything below; nothing imports it."""
