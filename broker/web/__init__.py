"""Pages for people. Work without JavaScript; no page holds a secret but the one form that the browser sends on."""
