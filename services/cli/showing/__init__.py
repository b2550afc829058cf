"""What the demo shows: the API's answers as tables in a terminal."""
