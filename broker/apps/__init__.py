"""Apps, their config vars and their releases. Add-ons are not known here: they come with attachment ids as owners."""
