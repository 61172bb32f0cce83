"""The Heroku-compatible face: a file per noun. Parses requests, calls use cases, writes shapes; decides nothing."""
