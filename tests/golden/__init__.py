"""Reports of some demo runs as they were last looked at; `make golden` makes them again."""
